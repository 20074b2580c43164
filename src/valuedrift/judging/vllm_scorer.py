"""Compute the label probabilities of a judge in a folder with vLLM; they are exact, even if very small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from vllm import SamplingParams

from valuedrift.judging.label_words import LabelTokens
from valuedrift.models.precision import asking_precision
from valuedrift.models.start_vllm import start_vllm
from valuedrift.models.weights import read_model
from valuedrift.statistics.bootstrap import FloatArray


class VllmScorer:
    """A model that vLLM runs in this process: fp32 on a CPU, bf16 on a GPU."""

    def __init__(self, folder: Path, labels: LabelTokens) -> None:
        read_model(folder, asking_precision())  # vLLM doesn't always notice what is missing
        self.labels = labels
        # Raw: before temperature and penalties.
        self.engine = start_vllm(folder, asking_precision(), skip_tokenizer_init=True, logprobs_mode="raw_logprobs")
        self.sampling = SamplingParams(
            max_tokens=1,
            temperature=0.0,
            logprob_token_ids=[token for tokens in labels for token in tokens],
            detokenize=False,
        )

    def log_probabilities(self, encoded: list[list[int]]) -> FloatArray:
        """Return log-probabilities of the labels as next token of a batch of prompts, (prompts, labels)."""
        prompts = [{"prompt_token_ids": row} for row in encoded]
        outputs = self.engine.generate(prompts, self.sampling, use_tqdm=False)
        listed = [output.outputs[0].logprobs[0] for output in outputs]
        return np.array(
            [
                [np.logaddexp.reduce([found[token].logprob for token in tokens]) for tokens in self.labels]
                for found in listed
            ]
        )
