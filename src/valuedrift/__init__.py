"""Trace the values that post-training gives a language model, when, and why."""

__version__ = "0.1.0"
