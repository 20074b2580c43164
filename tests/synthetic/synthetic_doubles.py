"""A scripted writer and judge, and prompts for them; also run as a program that a test can kill."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.config.chat_models import LlmSettings
from valuedrift.config.synthetic_pairs import WriterSettings
from valuedrift.llm.journal import Journal
from valuedrift.synthetic.candidate_questions import prompt_id
from valuedrift.synthetic.pairs import write_pairs

TOPICS = {
    "tax": {"name": "Taxes", "target": "higher taxes", "value": "Society should share its wealth."},
    "faith": {"name": "Faith", "target": "faith in public life", "value": "Faith is good for people."},
}
STANCES = {
    "In favour": (0.9, 0.06, 0.04),
    "Against": (0.04, 0.06, 0.9),
    "Weakly": (0.4, 0.3, 0.3),
    "Silence": (None,) * 3,
}
NEUTRAL = (0.1, 0.8, 0.1)


def prompt_table(*texts: str, topic: str = "tax") -> pl.DataFrame:
    rows = [(prompt_id(text), topic, "somewhere", 0.5, text) for text in texts]
    return pl.DataFrame(rows, schema=["prompt_id", "topic", "source", "cosine", "prompt"], orient="row")


def side_of(body: dict[str, Any]) -> str:
    """The side that a writing request asks for."""
    return "support" if "in favour of this value" in body["messages"][0]["content"] else "oppose"


def good_answer(body: dict[str, Any]) -> str:
    return f"{'In favour' if side_of(body) == 'support' else 'Against'}, since you ask {body['messages'][1]['content']}"


def judge(table: pl.DataFrame) -> pl.DataFrame:
    """Stances by the first words of an answer."""
    found = [next((p for start, p in STANCES.items() if a.startswith(start)), NEUTRAL) for a in table["answer"]]
    columns = {f"p_{s}": [p[place] for p in found] for place, s in enumerate(("support", "neutral", "oppose"))}
    stances = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Float64))
    return table.with_columns(*stances, unassigned=pl.lit(0.01))


def journalled_judge(path: Path, log: Path) -> Any:
    """`judge`, which keeps its verdicts and logs each text that it looks at."""

    def judge_once(table: pl.DataFrame) -> pl.DataFrame:
        rows = []
        with Journal(path) as store, log.open("a") as looked:
            for row in table.iter_rows(named=True):
                key = hashlib.sha256(json.dumps(row).encode()).hexdigest()[:32]
                if key not in store:
                    looked.write(key + "\n")
                    looked.flush()
                    store.append(key, judge(pl.DataFrame([row])).row(0, named=True))
                rows.append(store[key])
        return pl.DataFrame(rows)

    return judge_once


def llm(url: str, **changed: Any) -> LlmSettings:
    return LlmSettings(
        **{"backend": "http", "model": "scripted", "url": url, "concurrency": 4, "timeout": 10.0, **changed}
    )


def run(folder: Path, url: str) -> None:
    """Write the pairs of `folder`/retrieved.parquet with one request at a time."""
    write_pairs(
        folder / "retrieved.parquet",
        TOPICS,
        WriterSettings(seed=0),
        llm(url, concurrency=1),
        journalled_judge(folder / "judge.jsonl", folder / "judged.log"),
        folder / "writer.jsonl",
        folder / "out",
    )


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2])
