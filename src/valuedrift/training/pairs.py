"""Preference pairs as every pair trainer reads them."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerBase

from valuedrift.training.encode import render_pair
from valuedrift.training.job import Job
from valuedrift.training.settings import PairSettings


def text_pairs(job: Job, tokenizer: PreTrainedTokenizerBase) -> list[dict[str, Any]]:
    """Rendered pairs that fit the run's `max_length` and `response_length`."""
    settings = job.settings
    assert isinstance(settings, PairSettings)
    return [
        dict(render_pair(tokenizer, row, settings.max_length, settings.response_length))
        for row in job.rows("prompt", "chosen", "rejected")
    ]
