"""Stances: a judge reads every answer and gives the probabilities of support, neutral and oppose."""
