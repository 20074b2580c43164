"""Answers: one engine per process sweeps the checkpoints of a run over the probe questions."""
