"""Jobs as Snakemake sees them: which trainings count as finished, and its errors in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from valuedrift.errors import ValueDriftError
from valuedrift.workflow.job_graph import Job, job_graph, jobs_to_run

RULES = """
rule made:
    output: "made/{name}"
    input: lambda w: {"known": "given"}[w.name]
rule one:
    output: "twice"
rule two:
    output: "twice"
rule broken:
    output: "broken/{name}"
    input: "first/{name}", "second"
"""


class Named(SimpleNamespace):
    """A job, which can be a key."""

    def __hash__(self) -> int:
        return id(self)


class Persistence:
    """Snakemake's memory of one output."""

    def __init__(self, cut_off: bool) -> None:
        self.cut_off = cut_off

    def _filter_incomplete_keys(self, keys: list[str]) -> set[str]:
        return set(keys) if self.cut_off else set()


def jobs(stage: str, cut_off: bool = False, gpu: int | None = None, folder: str = "results/benchmarks") -> list[Job]:
    """What runs of one job of a stage, after another one, beside a rule that only names targets."""
    resources = {} if gpu is None else {"gpu": gpu}
    rule = SimpleNamespace(name="some_rule")
    benchmark = f"{folder}/{stage}/pocket/sft-alpaca.tsv" if stage else None
    job = Named(benchmark=benchmark, output=["out"], resources=resources, rule=rule, is_norun=False)
    target = SimpleNamespace(is_norun=True, output=[], rule=rule)
    others = defaultdict(lambda: [SimpleNamespace(benchmark=None, rule=SimpleNamespace(name="world"))])
    dag = SimpleNamespace(toposorted=lambda: [[job, target]], needrun=lambda job: True, dependencies=others)
    return jobs_to_run(SimpleNamespace(dag=dag, persistence=Persistence(cut_off)))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("left", ["out", "results/benchmarks/sft/pocket/sft-alpaca.tsv"])
def test_a_training_that_left_anything_was_finished(left: str) -> None:
    assert not jobs("sft")[0].retrained
    Path(left).mkdir(parents=True)
    assert jobs("sft")[0].retrained
    assert not jobs("sft", cut_off=True)[0].retrained  # it goes on


def test_only_trainings_can_be_retrained() -> None:
    Path("out").mkdir()
    assert jobs("stances") == [Job("stances", "pocket/sft-alpaca", after=("world/world",))]
    assert jobs("")[0].key == "some_rule/some_rule"
    assert jobs("sft", folder="elsewhere")[0].key == "some_rule/some_rule"


@pytest.mark.parametrize(("given", "gpus"), [(None, 1), (0, 1), (8, 8)])
def test_gpus_are_those_of_the_rule_and_the_profile(given: int | None, gpus: int) -> None:
    assert jobs("stances", gpu=given)[0].gpus == gpus


@pytest.mark.parametrize(
    ("target", "options", "expected"),
    [
        ("nonsense", (), "No rule makes nonsense. `snakemake --list-rules`"),
        ("made/typo", (), "Rule made has no inputs for name=typo: the configuration has no 'typo'."),
        ("made/known", (), "Rule made needs files that don't exist and that no rule makes: given. Put them there"),
        ("broken/a", (), "Rule broken needs files that don't exist and that no rule makes: first/a, second."),
        ("twice", (), "AmbiguousRuleException: Rules "),
        (
            "nonsense",
            ("--configfile", "missing.yaml"),
            "missing.yaml: found 'no such file', expected a config",
        ),
        ("nonsense", ("--configfile", "broken.yaml"), "broken.yaml, line 2: did not find expected node content"),
        (
            "nonsense",
            ("--config", "seed"),
            "Invalid config definition: Config entries have to be defined as name=value",
        ),
        ("nonsense", ("--no-such-option",), "unrecognized arguments: --no-such-option"),
        ("nonsense", ("--profile", "missing"), "profile directory given (missing), but no profile.yaml"),
    ],
)
def test_snakemakes_errors_are_one_sentence(target: str, options: Sequence[str], expected: str) -> None:
    Path("Snakefile").write_text(RULES)
    Path("broken.yaml").write_text("seed: [\n")
    with pytest.raises(ValueDriftError) as caught, job_graph([target], options):
        pass
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_workflow_is_told() -> None:
    with pytest.raises(ValueDriftError, match="There is no Snakefile in this folder"), job_graph(["all"]):
        pass


def test_an_error_of_the_snakefile_is_named_with_its_line() -> None:
    Path("Snakefile").write_text("rule all:\n    input: nothing_known\n")
    message = r"NameError in file .*Snakefile\", line 2: name 'nothing_known'"
    with pytest.raises(ValueDriftError, match=message), job_graph(["all"]):
        pass
