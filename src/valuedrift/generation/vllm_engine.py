"""The vLLM engine: replaces weights in place if checks show that this works, else starts a fresh engine."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from valuedrift.config.sampling import Sampling
from valuedrift.errors import ArtifactError
from valuedrift.generation.probe_prompts import Answer, Prompt, PromptCodec
from valuedrift.generation.sampling import answer_seed
from valuedrift.models.start_vllm import start_vllm
from valuedrift.models.weights import Checkpoint, as_plain_folder, differing

# The number of prompts and of tokens per prompt in the comparison of greedy answers with a fresh engine's.
_WITNESSES, _WITNESS_TOKENS = 8, 24


class VllmEngine:
    """A vLLM engine on the job's GPUs, or on the CPU if there is no GPU.

    The first replacement of weights in place has two checks: the engine's tensors are compared with the file's, and its
    greedy answers with a fresh engine's. For later replacements only the tensors are compared. If a check fails, this
    and every later checkpoint get a fresh engine, and a line on stderr says so.

    Every answer has its own seed, but vLLM's rounding depends on the batch, so another batch may change an answer.
    """

    def __init__(self, codec: PromptCodec, dtype: torch.dtype, prompts: Sequence[Prompt], sampling: Sampling) -> None:
        self.codec, self.dtype, self.batch_size = codec, dtype, sampling.batch_size
        self.context = max(len(prompt.ids) for prompt in prompts) + sampling.max_tokens
        self.witnesses = prompts[:: -(-len(prompts) // _WITNESSES)]
        self.llm: Any = None
        self.spare = TemporaryDirectory()  # for weights in a form that vLLM doesn't read
        self.exchanges: bool | None = None  # whether weights can be exchanged in place; None before the first try

    def load(self, checkpoint: Checkpoint) -> str:
        """Load exactly this checkpoint's weights, and return how: "in place" or "fresh engine"."""
        if self.llm is None:
            self.start(checkpoint)
        elif self.exchanges is None:
            self._try_exchange(checkpoint)
        elif self.exchanges and self._proven(self.exchange(checkpoint)):
            return "in place"
        else:
            self.start(checkpoint)
        return "fresh engine"

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Answer]:
        """Generate the answers that the prompts ask for, in the prompts' order."""
        rows = [(prompt, sample) for prompt in prompts for sample in prompt.samples]
        seeds = [answer_seed(sampling.seed, prompt.question_id, sample) for prompt, sample in rows]
        tokens = self._generate([p for p, _ in rows], sampling.temperature, sampling.max_tokens, seeds)
        return [self.codec.answer(p.question_id, i, row) for (p, i), row in zip(rows, tokens, strict=True)]

    def start(self, checkpoint: Checkpoint) -> None:
        """Start a fresh engine; raise ArtifactError if its weights are not those that were read before."""
        self.close()
        self.llm = _engine(self._folder(checkpoint), self.dtype, self.context, self.batch_size)
        held = self._held(checkpoint)
        wrong = [name for name in differing(held, checkpoint) if name in held.keys() & checkpoint.digests.keys()]
        if wrong:
            self.close()
            found = f"other values in {wrong[0]!r} than a fresh engine's"
            raise ArtifactError(checkpoint.folder, found, "files that nothing writes to", "Run the target again.")

    def exchange(self, checkpoint: Checkpoint) -> list[str]:
        """Have the running engine load the checkpoint in place; return reasons to doubt that it did."""
        try:
            self.llm.collective_rpc("reload_weights", kwargs={"weights_path": str(self._folder(checkpoint))})
        except Exception as error:  # a fresh engine may still work
            return [f"reload_weights failed: {error}"]
        # Cached results of the old weights must not be used with the new ones.
        doubts = [] if self.llm.reset_prefix_cache() else ["the prefix cache was not reset"]
        wrong = differing(self._held(checkpoint), checkpoint)
        if wrong:
            doubts.append(f"{len(wrong)} of {len(checkpoint.digests)} tensors are not the file's, such as {wrong[0]}")
        return doubts

    def greedy(self) -> list[list[int]]:
        """Return the most likely tokens after some of the prompts."""
        return self._generate(self.witnesses, 0.0, _WITNESS_TOKENS, [0] * len(self.witnesses))

    def close(self) -> None:
        """End the engine and free its memory."""
        if self.llm is not None:
            self.llm.llm_engine.engine_core.shutdown()
            self.llm = None
            gc.collect()

    def _try_exchange(self, checkpoint: Checkpoint) -> None:
        """Replace weights for the first time, then compare with a fresh engine, which is kept."""
        doubts = self.exchange(checkpoint)
        exchanged = self.greedy()
        self.start(checkpoint)
        if exchanged != self.greedy():
            doubts.append("greedy answers differ from a fresh engine's")
        self._proven(doubts)

    def _proven(self, doubts: list[str]) -> bool:
        self.exchanges = not doubts
        if doubts:
            print(
                f"vLLM: weights can't be exchanged in place ({'; '.join(doubts)}): a fresh engine for every checkpoint",
                file=sys.stderr,
                flush=True,
            )
        return not doubts

    def _folder(self, checkpoint: Checkpoint) -> Path:
        """Return a folder from which vLLM can load a checkpoint."""
        return as_plain_folder(checkpoint, Path(self.spare.name))

    def _held(self, checkpoint: Checkpoint) -> dict[str, str]:
        """Return digests of the weights in the engine, by the checkpoint's names, as all its processes see them."""
        shapes = {name: list(shape) for name, shape in checkpoint.shapes.items()}
        first, *others = self.llm.collective_rpc("held_digests", kwargs={"shapes": shapes})
        names = {name for held in (first, *others) for name in held}
        agreed = [name for name in names if all(held.get(name) == first.get(name) for held in others)]
        return {name: first[name] if name in agreed else "not the same in all processes" for name in sorted(names)}

    def _generate(
        self, prompts: Sequence[Prompt], temperature: float, max_tokens: int, seeds: Sequence[int]
    ) -> list[list[int]]:
        from vllm import SamplingParams
        from vllm.inputs import TokensPrompt

        params = [
            # One answer per request: with n > 1 vLLM increments the seed, and two answers could share one.
            SamplingParams(
                n=1,
                temperature=temperature,
                top_k=0,
                top_p=1.0,
                max_tokens=max_tokens,
                seed=seed,
                stop_token_ids=sorted(self.codec.ends),
                detokenize=False,
            )
            for seed in seeds
        ]
        outputs = self.llm.generate(
            [TokensPrompt(prompt_token_ids=list(prompt.ids)) for prompt in prompts], params, use_tqdm=False
        )
        return [list(output.outputs[0].token_ids) for output in outputs]


def _engine(folder: Path, dtype: torch.dtype, context: int, batch_size: int) -> Any:
    """Start vLLM on the model in a folder. On GPUs it runs in its own process, whose end frees all memory."""
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    gpu = torch.cuda.is_available()
    if not gpu:
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    return start_vllm(
        folder,
        dtype,
        skip_tokenizer_init=True,  # input and output are tokens, so that all engines encode and decode alike
        max_model_len=context,
        max_num_seqs=batch_size,
        # Seeded requests that are split over steps crash vLLM's CPU build.
        enable_chunked_prefill=False,
        max_num_batched_tokens=max(8192, context, batch_size),
        enforce_eager=not gpu,
        worker_extension_cls="valuedrift.generation.vllm_worker.HeldWeights",
        disable_log_stats=True,
    )
