"""Judges: models that read an answer and give the probabilities of support, neutral and oppose."""
