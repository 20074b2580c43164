"""Load a run's checkpoints one after another in one process, and write all their answers."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import polars as pl

from valuedrift.config.sampling import Sampling
from valuedrift.config.stages import BASE
from valuedrift.digests import text_digest
from valuedrift.errors import ArtifactError
from valuedrift.files import PRUNED, write_parquet
from valuedrift.generation.answer_store import KEY, AnswerFile, lacking, wanted
from valuedrift.generation.engine import Engine, EngineKind, engine_kind
from valuedrift.generation.probe_prompts import Prompt, PromptCodec, prompt_codec
from valuedrift.models.adapters import base_of, read_any
from valuedrift.models.architecture import Architecture
from valuedrift.models.chat_template import open_tokenizer
from valuedrift.models.model_folder import step_of
from valuedrift.models.prune_weights import prune_weights, pruned_identity
from valuedrift.models.stops import GENERATION, described
from valuedrift.models.weights import Checkpoint
from valuedrift.other_formats import is_adapter
from valuedrift.quantities import byte_size

COLUMNS = ["model", "run", "step", "topic", "question_id", "question", "sample", "answer", "tokens", "finished"]
COLUMNS += ["reasoning", "unclosed"]
_SEPARATED = {"answer": pl.String, "reasoning": pl.String, "unclosed": pl.Boolean}
OF_QUESTIONS = ("group", "polarity")
"""Columns that the table of questions may have."""


def sweep(
    model: str,
    run: str,
    base: Path,
    checkpoints: Sequence[Path],
    probes: Path,
    sampling: Sampling,
    out: Path,
    store: Path | None = None,
    engine: str = "auto",
    prune_steps: Sequence[int] = (),
    steps: Sequence[int] = (),
) -> None:
    """Write the answers of every checkpoint to every probe question to one parquet file, one row per answer.

    Columns: model, run, step, topic, question_id, question, sample, answer, tokens, finished; reasoning, which is null
    if there is none; unclosed, whether the answer is missing because the reasoning has no end; OF_QUESTIONS as far as
    the probes have them. The file's metadata say which engine answered and how it loaded the weights of each step.

    A checkpoint is asked with the tokenizer in its folder, or else with the base model's. Checkpoints may be adapters.

    Args:
        store: Folder of saved answers, beside `out` by default. Only answers that it lacks are generated, and saved
            there checkpoint by checkpoint.
        prune_steps: Steps whose weights are deleted once the file is written. Their saved answers stay.
        steps: The checkpoints' steps, by default those in their folders' names.

    Raises:
        ArtifactError: A checkpoint can't be read or is another model's; names the file and tensor.
    """
    questions = pl.read_parquet(probes)
    words = {folder: folder if (folder / "tokenizer_config.json").is_file() else base for folder in checkpoints}
    first = next((folder for folder in checkpoints if not (folder / PRUNED).is_file()), base)
    architecture = Architecture.of(base_of(first, base) if is_adapter(first) else words.get(first, base))
    read = {
        each: _Asked.read(each, architecture, questions, run == BASE, sampling)
        for each in dict.fromkeys(words.values())
    }
    asked = {folder: read[each] for folder, each in words.items()}
    kind = engine_kind(engine, sampling.precision)
    sweeper = _Sweep(kind, base, architecture, asked, sampling, store or out.with_suffix(".answers"))
    steps = steps or [step_of(folder) for folder in checkpoints]
    tables = {step: sweeper.answers(folder) for step, folder in zip(steps, checkpoints, strict=True)}
    named = [table.with_columns(step=pl.lit(step, pl.Int64)) for step, table in tables.items()]
    whole = pl.concat(named).join(questions, on="question_id", how="left", maintain_order="left")
    columns = [*COLUMNS, *(name for name in OF_QUESTIONS if name in questions.columns)]
    whole = whole.with_columns(model=pl.lit(model), run=pl.lit(run)).select(columns)
    loaded = {step: ", ".join(sorted(set(table["loaded"]))) for step, table in tables.items()}
    write_parquet(out, whole, {"engine": str(sweeper.kind), "loaded": json.dumps(loaded)})
    for folder in (folder for step, folder in zip(steps, checkpoints, strict=True) if step in prune_steps):
        freed = prune_weights(folder, {str(sweeper.kind): sweeper.identities[folder]})
        _log(f"{folder.name}: answers saved; weights deleted ({byte_size(freed)} freed)")


@dataclass(frozen=True)
class _Asked:
    """The prompts in the format of one tokenizer."""

    codec: PromptCodec
    prompts: list[Prompt]

    @classmethod
    def read(
        cls, folder: Path, architecture: Architecture, questions: pl.DataFrame, is_base: bool, sampling: Sampling
    ) -> Self:
        """Return the prompts for the tokenizer in a folder; raise ArtifactError if its model can't be asked."""
        home = folder if (folder / GENERATION).is_file() else architecture.folder  # adapters leave it to their base
        codec = prompt_codec(open_tokenizer(folder), architecture.config, home, sampling.chat)
        codec.check(folder, is_base)
        _log(f"{folder.name}: {described(codec.tokenizer, codec.ends)}")
        rows = questions.select("question_id", "question").iter_rows()
        return cls(codec, [codec.prompt(key, question, is_base, sampling.answers) for key, question in rows])

    def separated(self, saved: pl.DataFrame) -> pl.DataFrame:
        """Return the saved answers to all prompts, in the prompts' order, without their reasoning."""
        table = wanted(self.prompts).join(saved, on=KEY, how="left", maintain_order="left")
        found = [asdict(self.codec.separate(*row)) for row in table.select("answer", "prompt").iter_rows()]
        return table.with_columns(pl.DataFrame(found, schema=_SEPARATED))


@dataclass
class _Sweep:
    """The inputs that all checkpoints of a sweep share, and the engine, which is started when it is first needed."""

    kind: EngineKind
    base: Path
    architecture: Architecture
    asked: dict[Path, _Asked]
    sampling: Sampling
    store: Path
    engine: Engine | None = None
    identities: dict[Path, str] = field(default_factory=dict)

    def answers(self, folder: Path) -> pl.DataFrame:
        """Generate the answers that aren't saved yet; return the answers to all prompts, in the prompts' order.

        Raises:
            ArtifactError: Answers are missing, and the checkpoint's weights were deleted.
        """
        known, checkpoint = pruned_identity(folder, str(self.kind)), None
        if known is None:
            checkpoint = read_any(folder, self.architecture, self.kind.dtype, self.base)
            known = checkpoint.identity
        self.identities[folder] = known
        asked = self.asked[folder]
        file = AnswerFile(self.store, self._settings(known, asked.codec))
        left = lacking(asked.prompts, file.read())
        if left:
            # If its weights were deleted, the error of reading it says why.
            checkpoint = checkpoint or read_any(folder, self.architecture, self.kind.dtype, self.base)
            self._generate(checkpoint, asked.codec, left, file)
        else:
            _log(f"{folder.name}: all answers are saved already")
        table = asked.separated(file.read())
        if unclosed := table["unclosed"].sum():
            _log(f"{folder.name}: {unclosed} of {len(table)} answers end within their reasoning, and get no stance")
        return table

    def _generate(self, checkpoint: Checkpoint, codec: PromptCodec, prompts: list[Prompt], file: AnswerFile) -> None:
        start = time.monotonic()
        _require_known(checkpoint, codec, prompts)
        if self.engine is None:
            every = [prompt for asked in self.asked.values() for prompt in asked.prompts]
            self.engine = self.kind.start(codec, checkpoint, every, self.sampling)
        self.engine.codec = codec
        loaded = self.engine.load(checkpoint)
        answers = self.engine.answer(prompts, self.sampling)
        file.add(prompts, answers, loaded)
        tokens, seconds = sum(answer.tokens for answer in answers), time.monotonic() - start
        _log(f"{checkpoint.folder.name}: {len(answers)} answers, {tokens} tokens, {seconds:.1f} s ({loaded})")

    def _settings(self, identity: str, codec: PromptCodec) -> dict[str, str]:
        """Return everything that an answer depends on, except its prompt and number; the batch size is not included."""
        tokenizer = codec.tokenizer.backend_tokenizer.to_str()
        return {
            "weights": identity,
            "tokenizer": text_digest(tokenizer),
            "ends": str(sorted(codec.ends)),
            "engine": str(self.kind),
            "temperature": str(float(self.sampling.temperature)),
            "max_tokens": str(self.sampling.max_tokens),
            "seed": str(self.sampling.seed),
        }


def _require_known(checkpoint: Checkpoint, codec: PromptCodec, prompts: Sequence[Prompt]) -> None:
    """Raise ArtifactError if prompts contain tokens that the model has no embeddings for."""
    size = checkpoint.architecture.config.get("vocab_size") if checkpoint.architecture else None
    if size and (unknown := {token for prompt in prompts for token in prompt.ids if token >= size}):
        found = " ".join(codec.tokenizer.convert_ids_to_tokens(sorted(unknown)))
        do = "Use the tokenizer of this very model."
        raise ArtifactError(checkpoint.folder, found, "tokens that the model has", do)


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
