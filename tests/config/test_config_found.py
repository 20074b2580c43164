"""What lies in the results without being asked for."""

from __future__ import annotations

import json
from pathlib import Path

from valuedrift.workflow.optional_results import measured, option, pictures, versions


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
    assert json.loads(versions([str(path)])).keys() == json.loads(before).keys()
    assert versions([str(path)]) != before


def test_an_option_quotes_its_files_and_vanishes_without_any() -> None:
    assert option("--ablations", ["a b", "c"]) == "--ablations 'a b' c"
    assert option("--ablations", []) == ""
