"""A sweep over checkpoints, and the table that it writes."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from valuedrift.errors import ArtifactError
from valuedrift.generation.engine import Prompt, Sampling, TransformersEngine
from valuedrift.generation.sweep import sweep

SAMPLING = Sampling(answers=2, temperature=0.9, max_tokens=6, batch_size=3, seed=0)
QUESTIONS = {"work-2": "Do we need remote work ?", "climate-0": "Can wind farms be justified ?", "climate-1": "Why ?"}


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("probes") / "probes.parquet"
    rows = [{"topic": key.split("-")[0], "question_id": key, "question": text} for key, text in QUESTIONS.items()]
    pl.DataFrame(rows).write_parquet(file)
    return file


@pytest.fixture(scope="module")
def checkpoints(base: Path, other: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three checkpoints, of which the first and the last have the same weights."""
    folder = tmp_path_factory.mktemp("run")
    return [
        Path(shutil.copytree(source, folder / name))
        for source, name in ((base, "step-000002"), (other, "step-000004"), (base, "step-000006"))
    ]


def swept(base: Path, checkpoints: list[Path], probes: Path, folder: Path, run: str = "sft-wildchat") -> pl.DataFrame:
    sweep("pocket", run, base, checkpoints, probes, SAMPLING, folder / "answers.parquet")
    return pl.read_parquet(folder / "answers.parquet")


def test_one_row_an_answer_in_order(base: Path, checkpoints: list[Path], probes: Path, tmp_path: Path) -> None:
    table = swept(base, checkpoints, probes, tmp_path)
    assert dict(table.schema) == {
        "model": pl.String,
        "run": pl.String,
        "step": pl.Int64,
        "topic": pl.String,
        "question_id": pl.String,
        "question": pl.String,
        "sample": pl.Int64,
        "answer": pl.String,
        "tokens": pl.Int64,
        "finished": pl.Boolean,
    }
    expected = [(step, key, sample) for step in (2, 4, 6) for key in QUESTIONS for sample in (0, 1)]
    assert table.select("step", "question_id", "sample").rows() == expected
    assert set(table.select("model", "run").rows()) == {("pocket", "sft-wildchat")}
    for topic, key, question in table.select("topic", "question_id", "question").rows():
        assert (key.split("-")[0], QUESTIONS[key]) == (topic, question)


@pytest.mark.parametrize(
    ("run", "form"),
    [
        ("sft-wildchat/dpo-ultrafeedback", "<|user|>{}<|assistant|>"),
        ("sft-base", "<|user|>{}<|assistant|>"),
        ("base", "{}\nResponse:"),
    ],
)
def test_base_models_are_asked_in_plain_text_and_others_in_their_chat_format(
    base: Path, checkpoints: list[Path], probes: Path, tmp_path: Path, run: str, form: str
) -> None:
    table = swept(base, checkpoints[1:2], probes, tmp_path, run)
    prompts = [Prompt(key, form.format(question)) for key, question in QUESTIONS.items()]
    answers = TransformersEngine(base, checkpoints[1]).answer(prompts, SAMPLING)
    assert table["answer"].to_list() == [answer.text for answer in answers]
    assert table["tokens"].to_list() == [answer.tokens for answer in answers]


def test_equal_weights_answer_equally_and_others_do_not(
    base: Path, checkpoints: list[Path], probes: Path, tmp_path: Path
) -> None:
    table = swept(base, checkpoints, probes, tmp_path)
    first, second, third = (table.filter(step=step)["answer"].to_list() for step in (2, 4, 6))
    assert first == third
    assert first != second


def test_the_same_sweep_gives_the_same_bytes(base: Path, checkpoints: list[Path], probes: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        swept(base, checkpoints, probes, tmp_path / folder)
    assert (tmp_path / "one/answers.parquet").read_bytes() == (tmp_path / "two/answers.parquet").read_bytes()


def test_nothing_is_written_when_a_later_checkpoint_is_missing(
    base: Path, checkpoints: list[Path], probes: Path, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match="step-000008: found 'nothing'"):
        swept(base, [*checkpoints, tmp_path / "step-000008"], probes, tmp_path / "out")
    assert not (tmp_path / "out").exists()
