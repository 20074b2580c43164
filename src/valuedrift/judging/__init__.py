"""Judges: a model reads every answer and gives the probabilities that it supports, is neutral or opposes."""
