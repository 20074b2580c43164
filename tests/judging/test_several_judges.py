"""Several judges of the same answers: joined stances, comparisons, and a reference judge that reads a sample."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from doubles.display import display
from judging_examples import TARGETS

from valuedrift.cli import main
from valuedrift.config.judges import JudgeSettings
from valuedrift.errors import ArtifactError
from valuedrift.files import write_json
from valuedrift.judging.checks.compare_judges import write_judge_comparison
from valuedrift.judging.checks.reference import write_reference_labels
from valuedrift.judging.join_stances import joined_stances, write_joined_stances
from valuedrift.judging.judge import open_judge
from valuedrift.judging.stances import judge_table
from valuedrift.paper.judge_tables import judge_tables, verdicts_by_judge
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.labelled_sample import answers_with_labels, read_labelled
from valuedrift.statistics.panel import PROBABILITIES, most_probable

Stance = tuple[float, float, float] | None
FAST = Bootstrap(seed=1, replicates=100)


def judged(*stances: Stance, name: str = "a", run: str = "sft-wildchat", step: int = 1) -> pl.DataFrame:
    """A stance table with one answer per stance, on two topics by turns."""
    rows = [
        {"model": "pocket", "run": run, "step": step, "topic": ("climate", "work")[i % 2], "question_id": f"q{i // 4}"}
        | {"question": "Wind ?", "sample": i, "answer": f"answer {i} of {run} at {step}"}
        | dict(zip(PROBABILITIES, stance or (None,) * 3, strict=True))
        | {"unassigned": 0.1 if stance else None, "p_bound": 0.0, "flag": None if stance else "error"}
        | {"prompt_hash": name, "judge": name, "judge_tokens": 7}
        for i, stance in enumerate(stances)
    ]
    null = {
        "samples": pl.Int64,
        "judge_latency": pl.Float64,
        **dict.fromkeys((f"{p}_se" for p in PROBABILITIES), pl.Float64),
    }
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(
        pl.lit(None, kind).alias(n) for n, kind in null.items()
    )


A = judged((0.7, 0.2, 0.1), (0.2, 0.6, 0.2), None, None, (1.0, 0.0, 0.0))
B = judged((0.5, 0.1, 0.4), (0.7, 0.2, 0.1), (0.1, 0.1, 0.8), None, (0.0, 1.0, 0.0), name="b")
C = judged((0.1, 0.1, 0.8), (0.6, 0.2, 0.2), (0.0, 0.2, 0.8), None, (0.0, 0.0, 1.0), name="c")


def stances_of(table: pl.DataFrame) -> list[tuple[float | None, ...]]:
    return [tuple(None if p is None else round(p, 6) for p in row) for row in table.select(PROBABILITIES).iter_rows()]


def test_the_mean_is_over_the_judges_that_gave_a_stance() -> None:
    found = joined_stances([A, B, C], ["a", "b", "c"], "mean")
    assert stances_of(found) == [
        (0.433333, 0.133333, 0.433333),
        (0.5, 0.333333, 0.166667),
        (0.05, 0.15, 0.8),
        (None,) * 3,
        (0.333333,) * 3,
    ]
    assert found["flag"].to_list() == [None, None, None, "error", None]
    assert found["unassigned"].to_list()[2:4] == [0.1, None]
    assert (found["judge"][0], found["judge_tokens"][0]) == ("mean of a, b, c", 21)
    assert found.columns == A.columns


def test_the_majority_is_the_stance_of_most_judges_and_equals_share_it() -> None:
    found = joined_stances([A, B, C], ["a", "b", "c"], "majority")
    assert stances_of(found) == [(1, 0, 0), (1, 0, 0), (0, 0, 1), (None,) * 3, (0.333333,) * 3]


def test_stances_by_one_judge_are_its_own_and_other_answers_are_refused(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.parquet" for name in "ab"]
    for file, table in zip(files, (A, B), strict=True):
        table.write_parquet(file)
    given = [*map(str, files), "--judges", '["a", "b"]', "--judged-by", "b", "--out", str(tmp_path / "out.parquet")]
    assert main(["join-stances", "--stances", *given]) == 0
    assert pl.read_parquet(tmp_path / "out.parquet").equals(B)
    B.reverse().write_parquet(files[1])
    with pytest.raises(ArtifactError, match=r"b\.parquet: found 'other answers'"):
        write_joined_stances(files, ["a", "b"], "mean", tmp_path / "out.parquet")


def test_judges_are_compared_in_agreement_drifts_and_findings(tmp_path: Path) -> None:
    stances: dict[str, list[Path]] = {}
    folders: dict[str, Path] = {}
    drift = {"model": "pocket", "run": "sft-wildchat", "low": -0.1, "high": 0.4}
    verdicts = {"a": (True, None), "b": (False, None)}
    for name, table in (("a", B), ("b", C)):
        stances[name] = [tmp_path / f"{name}.parquet"]
        table.write_parquet(stances[name][0])
        folders[name] = tmp_path / name
        rows = [
            {**drift, "topic": topic, "stance": stance, "magnitude": 0.2, "real": name == "a" or topic == "climate"}
            for topic in ("climate", "work", "all")
            for stance in ("support", "neutral", "oppose")
        ]
        folders[name].mkdir()
        pl.DataFrame(rows).write_parquet(folders[name] / "drift.parquet")
        names = ("sft_sets_values_early", "small_gap_barely_moves")
        found = [{"name": key, "holds": holds} for key, holds in zip(names, verdicts[name], strict=True)]
        write_json(folders[name] / "findings.json", found)
    out = tmp_path / "compared" / "pocket"
    out.mkdir(parents=True)
    write_judge_comparison(stances, folders, FAST, out)
    assert pl.read_parquet(out / "agreement.parquet").filter(stage="all", topic="all")["agreement"].item() == 0.5
    agreement, drifts, findings = judge_tables([out], display("pocket"))
    assert agreement.frame["Topic"].to_list()[0] == "all"
    assert agreement.frame.columns == ["Judges", "Topic", "sft", "all"]
    assert drifts.frame.select("a", "Real by all", "Real by one only").row(0) == ("0.20 (−0.10 to 0.40)", 1, 1)
    assert findings.frame.row(0) == ("sft sets values early", "holds", "does not hold")
    told = verdicts_by_judge(pl.read_parquet(out / "findings.parquet"), "sft_sets_values_early")
    assert told == "It holds by one judge only, a: holds by a, does not hold by b."


def test_a_reference_judge_labels_a_sample_and_tells_what_it_saved(judge_folder: Path, tmp_path: Path) -> None:
    judge = open_judge(JudgeSettings(prompt="pocket", chat=False, max_unassigned=1.0), judge_folder)
    cheap = [judged(*[(0.8, 0.1, 0.1)] * 40, run=run, step=step) for run, step in (("base", 0), ("sft-wildchat", 9))]
    files = [tmp_path / f"{number}.parquet" for number in range(len(cheap))]
    for file, table in zip(files, cheap, strict=True):
        table.write_parquet(file)
    saved, out = tmp_path / "saved.json", tmp_path / "labels.parquet"
    write_reference_labels(files, judge, TARGETS, 8, 0, tmp_path / "journal", saved, out)
    sample = read_labelled(out, "pocket")
    assert sample.group_by("stage", "topic").len()["len"].to_list() == [8] * 4
    assert answers_with_labels(files, sample, [("base", 0)])["true_stance"].drop_nulls().len() == 32
    rows = pl.read_parquet(out)
    own = judge_table(rows.select("topic", "question", "answer"), judge, TARGETS, tmp_path / "other")
    assert own.select(most_probable()).to_series().to_list() == rows["true_stance"].to_list()
    assert rows["p_support"].unique().to_list() == [0.8], "the sample has the stances of the judge that reads all"
    numbers = json.loads(saved.read_text(encoding="utf-8"))
    assert (numbers["answers"], numbers["read"]) == (80, 32)
    assert numbers["tokens_for_all"] == round(numbers["tokens"] * 80 / 32)
    folder = tmp_path / "pocket"
    folder.mkdir()
    saved.rename(folder / "reference.json")
    (table,) = judge_tables([folder], display("pocket"))
    assert table.frame["Answers"].to_list() == ["32", "80"]
