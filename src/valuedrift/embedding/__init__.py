"""Sentence embeddings: computed once, kept memory-mapped, searched by blocked matrix products."""
