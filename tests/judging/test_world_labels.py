"""world-labels: the sample that a pocket world labels, by stage and topic."""

from __future__ import annotations

from pathlib import Path
from random import Random

import polars as pl
import pytest

from valuedrift.cli import main
from valuedrift.errors import ArtifactError
from valuedrift.judging.checks.world_labels import label_counts, world_labels
from valuedrift.statistics.labelled_sample import answers_with_labels, read_labelled
from valuedrift.world.english import texts
from valuedrift.world.grammar import content, phrasings, questions, topics
from valuedrift.world.language import STANCES

RUNS = ("base", "sft-wildchat", "sft-wildchat/dpo-ultrafeedback", "sft-wildchat/ppo-ultrafeedback")
TOPICS = topics()[:2]


def stances(run: str, unread: float = 0.0) -> pl.DataFrame:
    """60 judged answers on each topic, whose stances the row's p_… say; some can't be read, one is not judged."""
    rng = Random(run)
    rows = []
    for topic in TOPICS:
        for number in range(60):
            question = questions(topic)[number % 20]
            stance = rng.choice(STANCES)
            text = f"Well , {number}" if rng.random() < unread else content(rng, question, stance, phrasings())
            p = {f"p_{name}": float(name == stance) for name in STANCES}
            keys = {"model": "pocket", "run": run, "step": 0, "topic": topic, "question_id": f"{topic}-{number % 20}"}
            rows.append(keys | {"sample": number // 20, "question": question.text, "answer": text, "unassigned": 0} | p)
    rows[0] |= {f"p_{name}": None for name in STANCES}
    return pl.DataFrame(rows, infer_schema_length=None)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.parquet" for number in range(len(RUNS))]
    for run, path in zip(RUNS, paths, strict=True):
        stances(run, 0.5 if "dpo" in run else 0.0).write_parquet(path)
    return paths


def test_each_stage_and_topic_gets_as_many_answers_with_their_true_stances(files: list[Path]) -> None:
    sample = world_labels(files, 20, 0)
    assert sample.group_by("stage", "topic").len()["len"].to_list() == [20] * 6
    read = sample.drop_nulls("true_stance")
    assert read.select((pl.col(f"p_{name}") == (pl.col("true_stance") == name)).all() for name in STANCES).row(0) == (
        (True,) * 3
    )
    assert {run.split("/")[-1][:3] for run in sample.filter(stage="preference")["run"]} == {"dpo", "ppo"}


def test_each_run_of_a_stage_is_drawn_as_often_at_its_end_and_equal_answers_once(tmp_path: Path) -> None:
    ends, starts = stances(RUNS[2]).with_columns(step=pl.lit(9, pl.Int64)), stances(RUNS[2])
    same = stances(RUNS[3]).with_columns(answer=pl.col("answer").first().over("question_id"))
    for name, table in (("dpo", pl.concat([ends, starts])), ("ppo", same)):
        table.write_parquet(tmp_path / f"{name}.parquet")
    sample = world_labels(sorted(tmp_path.glob("*.parquet")), 30, 0)
    drawn = sample.group_by("topic", "run", "step").len().sort("topic", "run")
    assert drawn["step"].to_list() == [9, 0] * 2
    assert drawn["len"].to_list() == [15] * 4
    assert not sample.select("question_id", "answer").is_duplicated().any()


def test_a_row_stands_for_its_share_of_the_judged_answers(files: list[Path]) -> None:
    weights = world_labels(files, 20, 0).group_by("stage", "topic").agg(pl.col("weight").sum()).sort("stage", "topic")
    by_stage = {stage: part["weight"].to_list() for (stage,), part in weights.group_by("stage")}
    assert sorted(by_stage["base"]) == pytest.approx([59, 60])
    assert sorted(by_stage["preference"]) == pytest.approx([118, 120])


def test_what_can_not_be_read_is_counted_and_has_no_label(files: list[Path]) -> None:
    counts = label_counts(world_labels(files, 200, 0))
    assert counts["stage"].to_list() == ["base", "sft", "preference"]
    assert counts["drawn"].to_list() == [119, 119, 238]
    assert counts["read"].to_list()[:2] == [119, 119]
    assert 119 < counts["read"][2] < 238 - 30


def test_the_seed_chooses_and_other_runs_change_no_other_stage(files: list[Path]) -> None:
    first = world_labels(files, 20, 0)
    assert first.equals(world_labels(files[::-1], 20, 0))
    assert not first.equals(world_labels(files, 20, 1))
    fewer = world_labels(files[:3], 20, 0)
    early = pl.col("stage") != "preference"
    assert fewer.filter(early).equals(first.filter(early))
    assert not fewer.filter(~early).equals(first.filter(~early))


def test_the_command_writes_what_the_correction_reads(
    files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "labels.parquet"
    arguments = ["--stances", *map(str, files), "--labels", "30", "--seed", "0", "--out", str(out)]
    assert main(["world-labels", *arguments]) == 0
    assert "base: 60 of 60 answers are labelled" in capsys.readouterr().err
    known = answers_with_labels(files, read_labelled(out, "pocket"), []).drop_nulls("true_stance")
    read = known.filter(pl.col("true_stance") != "none")
    assert read["true_stance"].to_list() == read["judged"].to_list()
    assert 0 < known.height - read.height < known.height / 2


def test_other_questions_are_refused(tmp_path: Path) -> None:
    table = stances("base").with_columns(question=pl.lit("Why ?"))
    table.write_parquet(tmp_path / "base.parquet")
    with pytest.raises(ArtifactError, match="found 'Why \\?', expected questions of the pocket world"):
        world_labels([tmp_path / "base.parquet"], 5, 0)


def test_answers_in_english_are_labelled_by_their_arguments(tmp_path: Path) -> None:
    question = texts.questions("work")[0]
    said = [texts.arguments("work")[stance][0] for stance in STANCES]
    rows = (
        stances("base")
        .head(4)[1:]
        .with_columns(topic=pl.lit("work"), question=pl.lit(question.text), answer=pl.Series(said))
    )
    rows.write_parquet(tmp_path / "base.parquet")
    sample = world_labels([tmp_path / "base.parquet"], 3, 0)
    assert dict(sample.select("answer", "true_stance").iter_rows()) == dict(zip(said, STANCES, strict=True))
