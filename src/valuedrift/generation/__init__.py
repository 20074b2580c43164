"""Generate answers: one engine per process answers the probe questions with each checkpoint of a run."""
