"""What rules hand to jobs."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

from snakemake.rules import Rule

from valuedrift.workflow.rule_parameters import (
    as_json,
    folders,
    measured,
    one_of,
    option,
    pictures,
    untimed,
    untracked,
    versions,
)


def make(path: Path, text: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_scores_are_found_by_model_and_run(tmp_path: Path) -> None:
    first = make(tmp_path / "pocket/sft-wildchat/dpo-x/step-000010.json")
    second = make(tmp_path / "pocket/base/step-000000.json")
    make(tmp_path / "other/base/step-000000.json")
    make(tmp_path / "pocket/base/notes.json")
    assert measured(str(tmp_path), ["pocket", "absent"]) == [str(second), str(first)]


def test_pictures_are_the_papers_ablations(tmp_path: Path) -> None:
    made = [make(tmp_path / "pocket" / name) for name in ("figure_15.svg", "figure_17.png", "figure_learning_rate.svg")]
    assert pictures(str(tmp_path), ["pocket"]) == [str(path) for path in made[:2]]


def test_a_version_changes_with_what_a_file_holds(tmp_path: Path) -> None:
    path = make(tmp_path / "a.json")
    before = versions([str(path)])
    assert versions([str(path)]) == before
    path.write_text("[]")
    assert versions([str(path)]).keys() == before.keys()
    assert versions([str(path)]) != before


def test_an_option_quotes_its_files_and_vanishes_without_any() -> None:
    assert option("--ablations", ["a b", "c"]) == "--ablations 'a b' c"
    assert option("--ablations", []) == ""


def test_folders_keep_their_order_and_stand_once() -> None:
    assert folders(["b/1", "a/2", "b/3"]) == ["b", "a"]


def test_json_depends_on_values_alone_unless_the_order_means_something() -> None:
    assert as_json({"b": 1, "a": {"d": "é", "c": 2}}) == as_json({"a": {"c": 2, "d": "é"}, "b": 1})
    assert as_json({"b": 1, "a": "é"}) == '{"a": "é", "b": 1}'
    assert as_json({"b": 1, "a": 2}, keep_order=True) == '{"b": 1, "a": 2}'


def test_snakemake_takes_an_untracked_parameter_for_derived() -> None:
    job = SimpleNamespace(run="sft")
    for value in ("sft", lambda w: w.run):
        assert Rule._is_deriving_function(untracked(value))
        assert untracked(value)(job, output=[]) == "sft"
    assert not Rule._is_deriving_function(lambda w: w.run)


def test_snakemake_takes_an_untimed_input_for_ancient() -> None:
    assert untimed("folder").flags["ancient"]
    assert untimed(lambda w: "folder").flags["ancient"]


def test_a_pattern_of_no_names_matches_nothing() -> None:
    assert [bool(re.fullmatch(one_of(["a", "b"]), name)) for name in ("a", "b", "c")] == [True, True, False]
    assert re.fullmatch(one_of([]), "") is None
