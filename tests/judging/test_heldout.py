"""How well a judge reads answers whose stance is known."""

import polars as pl
import pytest

from valuedrift.errors import ArtifactError
from valuedrift.judging.checks.heldout import heldout_quality, write_heldout_quality
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.statistics.panel import PROBABILITIES

SUPPORT, NEUTRAL, NONE = (0.8, 0.1, 0.1), (0.2, 0.5, 0.3), (None, None, None)


def quality_of(*rows):
    """rows: true stance, three probabilities, unassigned mass."""
    schema = {"true_stance": pl.String, **dict.fromkeys((*PROBABILITIES, "unassigned"), pl.Float64)}
    return heldout_quality(
        pl.DataFrame([(true, *p, unassigned) for true, p, unassigned in rows], schema=schema, orient="row")
    )


def test_accuracy_recall_precision_and_confusion_by_hand():
    found = quality_of(
        ("support", SUPPORT, 0.1),
        ("support", SUPPORT, 0.0),
        ("support", NEUTRAL, 0.3),
        ("neutral", NEUTRAL, 0.0),
        ("oppose", NEUTRAL, 0.1),
        ("oppose", NONE, None),
    )
    assert (found["accuracy"], found["low"], found["high"], found["n"]) == (0.6, *wilson_interval(3, 5), 5)
    assert found["recall"] == {"support": 2 / 3, "neutral": 1.0, "oppose": 0.0}
    assert found["precision"] == {"support": 1.0, "neutral": 1 / 3, "oppose": None}
    assert found["confusion"] == {
        "support": {"support": 2, "neutral": 1, "oppose": 0},
        "neutral": {"support": 0, "neutral": 1, "oppose": 0},
        "oppose": {"support": 0, "neutral": 1, "oppose": 0},
    }
    assert found["unassigned"] == pytest.approx(0.1)


@pytest.mark.parametrize(("true", "accuracy"), [("neutral", 1), ("oppose", 0)])
def test_a_tie_goes_to_the_first_stance(true, accuracy):
    assert quality_of((true, (0.2, 0.4, 0.4), 0.0))["accuracy"] == accuracy


def test_a_judge_that_judged_nothing_has_no_accuracy():
    found = quality_of(("support", NONE, None))
    assert (found["accuracy"], found["low"], found["n"], found["unassigned"]) == (None, None, 0, None)


@pytest.mark.parametrize("change", [lambda t: t.drop("true_stance"), lambda t: t.with_columns(true_stance=pl.lit("x"))])
def test_answers_without_true_stances_are_refused(tmp_path, change):
    change(pl.DataFrame({"true_stance": ["support"]})).write_parquet(tmp_path / "labelled.parquet")
    with pytest.raises(ArtifactError, match=r"labelled\.parquet.*true_stance with support, neutral, oppose"):
        write_heldout_quality(tmp_path / "labelled.parquet", None, {}, tmp_path / "journal", tmp_path / "out.json")
