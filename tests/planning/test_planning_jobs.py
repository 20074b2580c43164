"""Which trainings count as finished before."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from valuedrift.workflow.plan_jobs import Job, jobs_to_run


class Persistence:
    """Snakemake's memory of one output."""

    def __init__(self, cut_off: bool) -> None:
        self.cut_off = cut_off

    def _filter_incomplete_keys(self, keys: list[str]) -> set[str]:
        return set(keys) if self.cut_off else set()


def jobs(
    stage: str,
    *,
    cut_off: bool = False,
    gpu: int | None = None,
    folder: str = "results/benchmarks",
) -> list[Job]:
    resources = {} if gpu is None else {"gpu": gpu}
    rule = SimpleNamespace(name="some_rule")
    benchmark = f"{folder}/{stage}/pocket/sft-alpaca.tsv" if stage else None
    job = SimpleNamespace(benchmark=benchmark, output=["out"], resources=resources, rule=rule, is_norun=False)
    target = SimpleNamespace(is_norun=True)
    dag = SimpleNamespace(needrun_jobs=lambda: [job, target])
    return jobs_to_run(SimpleNamespace(dag=dag, persistence=Persistence(cut_off)))


@pytest.mark.parametrize("left", ["out", "results/benchmarks/sft/pocket/sft-alpaca.tsv"])
def test_a_training_that_left_anything_was_finished(left: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not jobs("sft")[0].retrained
    Path(left).mkdir(parents=True)
    assert jobs("sft")[0].retrained


def test_one_that_was_cut_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()
    assert not jobs("sft", cut_off=True)[0].retrained


def test_only_trainings_are_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()
    assert jobs("stances") == [Job("stances", "pocket/sft-alpaca")]
    assert jobs("") == [Job("some_rule", "some_rule")]
    assert jobs("sft", folder="elsewhere") == [Job("some_rule", "some_rule")]


@pytest.mark.parametrize(("given", "gpus"), [(None, 1), (0, 1), (8, 8)])
def test_gpus_are_those_of_the_profile(given: int | None, gpus: int) -> None:
    assert jobs("stances", gpu=given)[0].gpus == gpus
