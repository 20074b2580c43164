"""A judge behind each kind of server that people run: what it can read, and what it says if it can't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from doubles.endpoint import raw_endpoint
from doubles.servers import SERVERS, Server
from judging_examples import TARGETS, generations

from valuedrift.config.chat_models import LlmSettings
from valuedrift.config.judges import JudgeSettings
from valuedrift.errors import ConfigError
from valuedrift.judging.judge import open_judge
from valuedrift.judging.stances import write_stances
from valuedrift.statistics.panel import PROBABILITIES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "endpoints.md"
REPEAT = "Repeat this word exactly, and say nothing else: "
TRUE = [
    ("support", 0.5),
    (" oppose", 0.2),
    ("The", 0.1),
    ("Support", 0.08),
    ("neutral", 0.06),
    ("I", 0.03),
    (" in", 0.02),
]
EXACT = (0.58 / 0.84, 0.06 / 0.84, 0.2 / 0.84)
ANSWERS = ["yes", "yes, " + "too long " * 60, "a forbidden one", "no", "too long " * 70, "too long " * 80, "maybe"]


def judged(server: Server, folder: Path, **settings: Any) -> pl.DataFrame:
    def answer(body: dict[str, Any]) -> tuple[int, str]:
        text = body["messages"][-1]["content"]
        word = text.removeprefix(REPEAT)
        return server.answer(body, TRUE if word == text else [(word, 0.9), (word[0], 0.05), ("The", 0.01)])

    with raw_endpoint(answer) as url:
        llm = LlmSettings(backend="http", model="m", url=url, attempts=2, concurrency=2, patience=5.0)
        generations(answers=ANSWERS).write_parquet(folder / "answers.parquet")
        judge = open_judge(JudgeSettings(prompt="stance", llm=llm, **settings))
        write_stances([folder / "answers.parquet"], judge, TARGETS, folder / "journal", folder / "out.parquet")
    return pl.read_parquet(folder / "out.parquet")


@pytest.mark.parametrize("name", SERVERS)
def test_stances_are_read_within_their_bound_or_samples_are_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = SERVERS[name]
    if not server.most:
        with pytest.raises(ConfigError, match=r"without log-probabilities.*`samples`"):
            judged(server, tmp_path)
        found = judged(server, tmp_path, samples=2)
        assert found["p_support"][0] == 1.0
    else:
        found = judged(server, tmp_path)
        off = [abs(p - exact) for p, exact in zip(found.select(PROBABILITIES).row(0), EXACT, strict=True)]
        assert max(off) <= found["p_bound"][0] + 1e-9
    cut, filtered = server.too_long is None, server.filtered is not None
    assert [flag is not None for flag in found["flag"]] == [False, not cut, filtered, False, not cut, not cut, False]
    shown = capsys.readouterr().err
    assert ("the server seems to cut long prompts" in shown) == cut
    assert ("say that the model" in shown) == (server.model is not None)


def test_the_page_has_a_row_for_each_server() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| **")]
    given = {row.split("|")[1].strip(" *"): row.split("|")[2].strip() for row in rows}
    assert given.keys() == SERVERS.keys()
    for name, server in SERVERS.items():
        assert given[name].startswith(str(server.most) if server.most else "none")
