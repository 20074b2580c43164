"""Make the table of pairs, and two training sets from it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.config.chat_models import LlmSettings
from valuedrift.config.synthetic_pairs import WriterSettings
from valuedrift.errors import ArtifactError
from valuedrift.files import write_json, write_parquet
from valuedrift.llm.complete import ask
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.synthetic.attempts import JUDGED, Judge, Written, write_answers
from valuedrift.synthetic.writer_requests import SIDES, Topics, read_writer_prompt
from valuedrift.templates import prompt_hash

_PROMPTS = ("prompt_id", "topic", "source", "cosine", "prompt")
_PARTS = ("answer", *JUDGED, "seed", "attempts")


def make_pairs(prompts: pl.DataFrame, answers: pl.DataFrame, model: str) -> pl.DataFrame:
    """Return one row per prompt that has both answers, in the order of the prompts.

    Columns: `pair_id` (the prompt's), `topic, source, cosine, prompt, model`, and for each side `support_answer,
    support_p_support, support_p_neutral, support_p_oppose, support_unassigned, support_seed, support_attempts,
    oppose_answer, …`.
    """
    pairs = prompts.select(_PROMPTS).with_columns(model=pl.lit(model))
    for side in SIDES:
        one = answers.filter(pl.col("side") == side).select("prompt_id", pl.col(_PARTS).name.prefix(f"{side}_"))
        pairs = pairs.join(one, on="prompt_id", how="inner", validate="1:1", maintain_order="left")
    return pairs.rename({"prompt_id": "pair_id"})


def given_up(written: Written) -> pl.DataFrame:
    """Return the last fault of each answer that never passed: `prompt_id, topic, prompt, side, reason, attempts`."""
    never = written.failures.join(written.answers, on=["prompt_id", "side"], how="anti", maintain_order="left")
    last = never.unique(["prompt_id", "side"], keep="last", maintain_order=True)
    return last.select("prompt_id", "topic", "prompt", "side", "reason", "attempts")


def aligned(pairs: pl.DataFrame, side: str) -> pl.DataFrame:
    """Return the pairs as canonical preference rows, with the answer of `side` as `chosen` (section 6.1).

    For the other side, the rows are the same with `chosen` and `rejected` exchanged.
    """
    other = SIDES[1 - SIDES.index(side)]
    return pairs.select(
        id="pair_id",
        prompt=_message("user", "prompt"),
        chosen=_message("assistant", f"{side}_answer"),
        rejected=_message("assistant", f"{other}_answer"),
    )


def summary(prompts: pl.DataFrame, pairs: pl.DataFrame, written: Written) -> dict[str, Any]:
    """Return the numbers of prompts, pairs and given-up answers per topic, and whether length reveals the side.

    `faults` counts failed answers per reason, over all attempts. `support_is_longer` is the share of pairs whose
    support answer has more characters, among pairs of unequal lengths, with its 95 % interval. A share far from one
    half means that length depends on stance.
    """
    lost = given_up(written)
    parts = {"prompts": prompts, "pairs": pairs, "given_up": lost}
    count = {name: dict(table["topic"].value_counts().iter_rows()) for name, table in parts.items()}
    return {
        "prompts": prompts.height,
        "pairs": pairs.height,
        "given_up": lost.height,
        "topics": {
            topic: {name: topics.get(topic, 0) for name, topics in count.items()}
            for topic in prompts["topic"].unique(maintain_order=True)
        },
        "faults": {side: _reasons(written.failures.filter(pl.col("side") == side)) for side in SIDES},
        "median_characters": {side: pairs[f"{side}_answer"].str.len_chars().median() for side in SIDES},
        "support_is_longer": _longer(pairs),
    }


def write_pairs(
    retrieved: Path, topics: Topics, settings: WriterSettings, llm: LlmSettings, judge: Judge, journal: Path, out: Path
) -> None:
    """Write pairs.parquet, given_up.parquet and summary.json into `out`.

    After an interruption, a second run requests only replies that aren't in the journal; the judge must store its own
    replies.

    Args:
        retrieved: Table of the prompts: `prompt_id, topic, source, cosine, prompt`.
        topics: Topic → its `target` and `value`.
        settings: How answers are written and checked.
        llm: The writer.
        judge: The judge.
        journal: Journal of the writer's replies.
        out: Folder to write into.

    Raises:
        ArtifactError: There are no pairs; in this case only given_up.parquet is written.
    """
    prompts = pl.read_parquet(retrieved, columns=list(_PROMPTS))
    written = write_answers(prompts, topics, partial(ask, settings=llm, journal=journal), judge, settings)
    pairs = make_pairs(prompts, written.answers, llm.model)
    write_parquet(out / "given_up.parquet", given_up(written))
    if pairs.is_empty():
        faults = _reasons(written.failures)
        raise ArtifactError(retrieved, f"no pair out of {prompts.height} prompts: {faults}", "at least one pair")
    template = prompt_hash(read_writer_prompt(settings.template))
    made_by = {"model": llm.model, "template": settings.template, "template_hash": template}
    write_parquet(out / "pairs.parquet", pairs, made_by)
    write_json(out / "summary.json", summary(prompts, pairs, written))


def write_aligned(pairs: Path, side: str, out: Path) -> None:
    """Write the pairs as training rows (see `aligned`) to a parquet file that the format `preference` reads."""
    write_parquet(out, aligned(pl.read_parquet(pairs), side))


def _message(role: str, column: str) -> pl.Expr:
    return pl.concat_list(pl.struct(role=pl.lit(role), content=pl.col(column)))


def _reasons(failures: pl.DataFrame) -> dict[str, int]:
    return dict(sorted(failures["reason"].value_counts().iter_rows()))


def _longer(pairs: pl.DataFrame) -> dict[str, Any]:
    lengths = [pairs[f"{side}_answer"].str.len_chars() for side in SIDES]
    count, total = int((lengths[0] > lengths[1]).sum()), int((lengths[0] != lengths[1]).sum())
    low, high = wilson_interval(count, total) if total else (0.0, 1.0)
    return {"share": count / total if total else None, "low": low, "high": high, "pairs": total}
