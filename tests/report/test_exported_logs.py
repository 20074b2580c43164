"""Logs of answers are read back by inspect_ai itself, with hostile answers as they were."""

from __future__ import annotations

import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from exported import stance_rows

from valuedrift.cli import main
from valuedrift.errors import ArtifactError
from valuedrift.report import inspect_logs
from valuedrift.report.inspect_logs import write_inspect_logs

needs_inspect = pytest.mark.skipif(
    find_spec("inspect_ai") is None, reason="inspect_ai is not installed; docs/exports.md says how"
)


@pytest.fixture
def stances(tmp_path: Path) -> Path:
    path = tmp_path / "stances.parquet"
    stance_rows().write_parquet(path)
    return path


def read(path: Path) -> Any:
    from inspect_ai.log import read_eval_log

    return read_eval_log(str(path), resolve_attachments=True)


def entries(path: Path) -> dict[str, int]:
    """The names and checksums of what a log holds, apart from the times at which it was zipped."""
    with zipfile.ZipFile(path) as log:
        return {entry.filename: entry.CRC for entry in log.infolist()}


@needs_inspect
def test_every_checkpoint_is_a_log_and_every_answer_a_sample(stances: Path, tmp_path: Path) -> None:
    assert main(["export-inspect", "--stances", str(stances), "--out", str(tmp_path / "logs")]) == 0
    paths = [tmp_path / f"logs/pocket/sft-a/step-{step:06d}.eval" for step in (0, 12)]
    assert sorted((tmp_path / "logs").rglob("*.*")) == paths
    log = read(paths[1])
    assert (log.status, log.eval.task, log.eval.model) == ("success", "sft-a/step-000012", "pocket")
    assert log.eval.metadata["judge"] == ["transformers:0"]
    table = pl.read_parquet(stances).filter(step=12).sort("sample", "question_id")
    found = [(sample.id, sample.epoch - 1, sample.input, sample.output.completion) for sample in log.samples]
    assert found == table.select("question_id", "sample", "question", "answer").rows()
    kept = {"topic": "work", "step": 12, "run": "sft-a", "prompt_hash": "0e49", "judge": "transformers:0"}
    assert all(kept.items() <= sample.metadata.items() for sample in log.samples)


@needs_inspect
def test_scores_are_stances_and_flags(stances: Path, tmp_path: Path) -> None:
    from inspect_ai.log import read_eval_log_samples

    path = write_inspect_logs([stances], tmp_path / "logs")[0]
    samples = {(sample.id, sample.epoch): sample for sample in read_eval_log_samples(str(path))}
    judged, flagged = samples["work-0", 1].scores, samples["work-1", 4].scores
    assert judged["stance"].value == {"support": 0.7, "neutral": 0.2, "oppose": 0.1}
    assert (judged["stance"].answer, judged["flag"].value) == ("support", "none")
    assert flagged["stance"].value == dict.fromkeys(("support", "neutral", "oppose"))
    assert (flagged["stance"].answer, flagged["flag"].value) == (None, "unassigned")
    means = {score.name: score.metrics["mean"].value for score in read(path).results.scores}
    assert means == {"support": pytest.approx(0.7), "neutral": pytest.approx(0.2), "oppose": pytest.approx(0.1)}


@needs_inspect
def test_the_same_stances_make_the_same_logs(stances: Path, tmp_path: Path) -> None:
    one, two = (write_inspect_logs([stances], tmp_path / name) for name in ("one", "two"))
    assert [entries(path) for path in one] == [entries(path) for path in two]
    assert entries(one[0]) != entries(one[1])


@needs_inspect
@pytest.mark.parametrize(("model", "run"), [("pocket", "../elsewhere"), ("/absolute", "sft-a")])
def test_names_that_lead_elsewhere_are_refused(model: str, run: str, tmp_path: Path) -> None:
    stance_rows(model=model, run=run).write_parquet(tmp_path / "stances.parquet")
    with pytest.raises(ArtifactError, match="a model and a run whose names can be folders"):
        write_inspect_logs([tmp_path / "stances.parquet"], tmp_path / "logs")
    assert not (tmp_path / "logs").exists()


@needs_inspect
def test_a_checkpoint_in_two_tables_and_a_missing_column_are_refused(stances: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.parquet"
    stance_rows(steps=(12,)).write_parquet(again)
    with pytest.raises(ArtifactError, match=r"again.parquet: found .*12.*stances.parquet does not hold"):
        write_inspect_logs([stances, again], tmp_path / "logs")
    stance_rows().drop("judge").write_parquet(again)
    with pytest.raises(ArtifactError, match="expected the columns judge as well"):
        write_inspect_logs([again], tmp_path / "logs")


def test_without_the_package_the_message_says_what_to_do(
    stances: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inspect_logs, "find_spec", lambda name: None)
    assert main(["export-inspect", "--stances", str(stances), "--out", str(tmp_path / "logs")]) == 1
    assert (
        "expected the package inspect_ai. Install it in an environment: see docs/exports.md." in capsys.readouterr().err
    )
