"""Memory and time for judging very many answers, over an endpoint and from a journal that holds all replies.

    python benchmarks/judging.py --answers 1000000

Answers are written to a parquet file in a temporary folder, judged over a local endpoint that replies at once, and
judged again from the journal alone. Each part runs in its own process, whose peak memory is printed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

TARGETS = {"climate": "strong action against climate change"}
WORDS = 60
"""Words per answer; the paper's answers have at most 256 tokens."""

_BATCH = 50_000
_LISTED = [["support", -0.4], [" oppose", -1.5], ["neutral", -2.5], *([f"w{i}", -6.0 - i / 4] for i in range(17))]


def write_answers(path: Path, answers: int) -> None:
    """Write answers as a sweep does, each different."""
    import polars as pl
    import pyarrow.parquet as pq

    words = " ".join(f"word{i}" for i in range(WORDS))
    writer = None
    for start in range(0, answers, _BATCH):
        rows = pl.DataFrame({"sample": range(start, min(answers, start + _BATCH))}).select(
            pl.lit("pocket").alias("model"),
            pl.lit("sft-wildchat").alias("run"),
            (pl.col("sample") // 2750).alias("step"),
            pl.lit("climate").alias("topic"),
            pl.format("climate-{}", pl.col("sample") % 550).alias("question_id"),
            pl.format("Should we act on climate change, and how? ({})", pl.col("sample") % 550).alias("question"),
            "sample",
            pl.format("Answer {}: {}", pl.col("sample"), pl.lit(words)).alias("answer"),
        )
        table = rows.to_arrow()
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer:
        writer.close()


def fill_journal(folder: Path, answers: int) -> None:
    """Write the journal of judging all answers, with a reply of 20 alternatives for each."""
    import polars as pl

    from valuedrift.judging.chat_judge import ChatJudge
    from valuedrift.judging.judge import open_judge
    from valuedrift.judging.judge_prompt import fill_judge_prompt
    from valuedrift.llm.cost import value_of
    from valuedrift.llm.journal import Journal
    from valuedrift.llm.request import ChatReply

    judge = open_judge(settings("http://127.0.0.1:9/v1"))
    assert isinstance(judge, ChatJudge)
    listed = tuple((str(token), float(p)) for token, p in _LISTED)
    reply = value_of(ChatReply("support", "length", 250, 1, 0.1, listed), 0.0001)
    with Journal(folder / "journal") as store:
        for start in range(0, answers, _BATCH):
            texts = pl.scan_parquet(folder / "answers.parquet").slice(start, _BATCH).select("question", "answer")
            for question, answer in texts.collect().iter_rows():
                prompt = fill_judge_prompt(judge.template, question, answer, TARGETS["climate"])
                store.append(judge.keys(prompt)[0], reply)


def settings(url: str) -> Any:
    from valuedrift.config.judges import JudgeSettings

    llm = {"backend": "http", "model": "judge", "url": url, "concurrency": 64, "input_price": 2.5, "output_price": 10}
    return JudgeSettings.read({"prompt": "stance", "llm": llm})


def judge_answers(folder: Path, url: str) -> None:
    from valuedrift.judging.judge import open_judge
    from valuedrift.judging.stances import write_stances

    judge = open_judge(settings(url))
    write_stances([folder / "answers.parquet"], judge, TARGETS, folder / "journal", folder / "stances.parquet")


def serve(connection: Any) -> None:
    """An endpoint that gives every prompt the same reply, and repeats a label if asked to."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from doubles.endpoint import endpoint

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        word = body["messages"][0]["content"].removeprefix("Repeat this word exactly, and say nothing else: ")
        listed = [[word, -0.1]] if word in ("support", "neutral", "oppose") else _LISTED
        return {"text": "support", "top_logprobs": listed, "finish": "length", "prompt_tokens": 250}

    with endpoint(answer) as url:
        connection.send(url)
        connection.recv()


def _measure(connection: Any, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    start = time.monotonic()
    work(*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    connection.send({"seconds": round(time.monotonic() - start, 1), "peak_MiB": round(peak / 2**20)})


def measured(work: Callable[..., None], *arguments: Any) -> dict[str, float]:
    """Seconds and peak memory of a new process that runs `work`."""
    fresh = multiprocessing.get_context("spawn")
    here, there = fresh.Pipe()
    process = fresh.Process(target=_measure, args=(there, work, arguments))
    process.start()
    process.join()
    if process.exitcode:
        sys.exit("The measured process failed; see its message above.")
    found: dict[str, float] = here.recv()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--sent", type=int, default=20_000, help="answers that are judged over the endpoint")
    given = parser.parse_args()
    fresh = multiprocessing.get_context("spawn")
    here, there = fresh.Pipe()
    server = fresh.Process(target=serve, args=(there,), daemon=True)
    server.start()
    url = here.recv()
    found: dict[str, Any] = {"answers": given.answers, "sent": given.sent}
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_answers(folder / "answers.parquet", given.sent)
        found["over the endpoint"] = measured(judge_answers, folder, url)
        (folder / "journal").unlink()
        write_answers(folder / "answers.parquet", given.answers)
        fill_journal(folder, given.answers)
        found["from the journal"] = measured(judge_answers, folder, url)
        found["journal_MiB"] = round((folder / "journal").stat().st_size / 2**20)
    here.send("done")
    server.join()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
