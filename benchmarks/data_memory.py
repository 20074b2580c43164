"""Time and memory for preparing a generated data set as large as WildChat.

    python benchmarks/data_memory.py                                  # 300,000 conversations as JSON lines
    python benchmarks/data_memory.py --rows 20000 --format parquet    # fewer, in the hub's parquet schema

Run it in the activated environment. Conversations have one to some tens of turns and about 3.5 KB (log-normal lengths),
so 300,000 are about 1 GB; one in a hundred repeats another, and one in a hundred has an unknown language. Prints, as
Markdown, the seconds, rows per second and peak resident memory of the child process that prepares them.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_A_GROUP = 1_000
FORMATS = ("jsonl", "json", "parquet")
CHILD = """
import json, sys
from valuedrift.data.prepare import prepare
from valuedrift.config.data_sets import DataSettings
card = prepare(DataSettings.read(json.loads(sys.argv[1])), 0, sys.argv[2])
print(json.dumps(card["counts"]))
"""


def conversations(rows: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield rows in the hub's format, including moderation scores."""
    rng = random.Random(seed)
    vocabulary = ["".join(rng.choices("etaoinshrdlucmfwypvbgk", k=rng.randint(1, 11))) for _ in range(20_000)]
    text = " ".join(rng.choices(vocabulary, k=1_000_000))
    for number in range(rows):
        repeated = number % 100 == 99
        if not repeated:
            conversation = _turns(rng, text)
        yield {
            "conversation_hash": f"{number:032x}",
            "model": "gpt-4",
            "conversation": conversation,
            "turn": len(conversation) // 2,
            "language": None if number % 100 == 50 else "English",
            "detoxify_moderation": [dict.fromkeys(("insult", "obscene", "threat"), rng.random()) for _ in conversation],
            "toxic": False,
        }


def _turns(rng: random.Random, text: str) -> list[dict[str, Any]]:
    turns = []
    for _ in range(min(20, 1 + int(rng.expovariate(0.75)))):
        for role, median in (("user", 150), ("assistant", 1_000)):
            length = 1 + int(median * rng.lognormvariate(0, 0.7))
            start = rng.randrange(len(text) - length) if length < len(text) else 0
            turn = {"content": text[start : start + length], "role": role, "language": "English", "toxic": False}
            turns.append({**turn, "turn_identifier": rng.randrange(10**6), "country": "Canada"})
    return turns


def write(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    """Write `rows` in the format of the suffix of `path`."""
    if path.suffix == ".parquet":
        _write_parquet(path, rows)
        return
    with path.open("w", encoding="utf-8") as stream:
        separator = start = "[" if path.suffix == ".json" else ""
        for row in rows:
            stream.write(f"{separator}{json.dumps(row)}\n")
            separator = "," if start else ""
        stream.write("]" if start else "")


def _write_parquet(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    group = list(islice(rows, ROWS_A_GROUP))
    schema = pa.Table.from_pylist(group).schema
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while group:
            writer.write_table(pa.Table.from_pylist(group, schema))
            group = list(islice(rows, ROWS_A_GROUP))


def expected_rows(rows: int) -> int:
    """The training rows: 90 % of those with a known language, without the repeated ones."""
    return (rows - rows // 100 - (rows + 49) // 100) * 9 // 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--format", choices=FORMATS, default="jsonl")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source, out = Path(name, f"wildchat.{given.format}"), Path(name, "out")
        write(source, conversations(given.rows))
        settings = {"name": "wildchat", "title": "Made-up WildChat", "licence": "none", "format": "wildchat"}
        settings |= {"files": [str(source)], "validation": 0.1, "rows": expected_rows(given.rows)}
        start = time.monotonic()
        subprocess.run([sys.executable, "-c", CHILD, json.dumps(settings), str(out)], check=True)
        seconds = time.monotonic() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
        megabytes = source.stat().st_size / 1e6
    print("| rows | source | MB | seconds | rows/s | peak MiB |\n| --- | --- | --- | --- | --- | --- |")
    measured = (megabytes, seconds, given.rows / seconds, peak)
    print(f"| {given.rows:,} | {given.format} | {' | '.join(f'{value:,.0f}' for value in measured)} |")


if __name__ == "__main__":
    main()
