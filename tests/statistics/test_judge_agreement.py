import polars as pl
import pytest

from valuedrift.errors import ArtifactError
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.statistics.judge_agreement import agreement_table, confusion_table

SUPPORT, NEUTRAL, OPPOSE, NONE = (0.8, 0.1, 0.1), (0.2, 0.5, 0.3), (0.0, 0.1, 0.9), (None, None, None)


def labelled(*rows):
    """rows: true stance, three probabilities, unassigned mass."""
    columns = ["true_stance", "p_support", "p_neutral", "p_oppose", "unassigned"]
    schema = dict.fromkeys(columns, pl.Float64) | {"true_stance": pl.String}
    return pl.DataFrame([(true, *p, unassigned) for true, p, unassigned in rows], schema=schema, orient="row")


ROWS = labelled(
    ("support", SUPPORT, 0.1),
    ("support", SUPPORT, 0.0),
    ("support", NEUTRAL, 0.3),
    ("neutral", NEUTRAL, 0.0),
    ("oppose", NEUTRAL, 0.1),
    ("oppose", NONE, None),
)


def measure(name, stance="all", table=None):
    table = agreement_table(ROWS) if table is None else table
    return table.filter(measure=name, stance=stance).select("value", "low", "high", "count", "answers").row(0)


def test_wilson_interval_is_that_of_the_literature():
    # Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20 and 1 of 29.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson_interval(20, 20) == pytest.approx((0.8389, 1.0), abs=5e-5)


def test_accuracy_recall_and_precision_by_hand():
    assert measure("accuracy") == (0.6, *wilson_interval(3, 5), 3, 5)
    assert measure("recall", "support") == (2 / 3, *wilson_interval(2, 3), 2, 3)
    assert measure("recall", "neutral") == (1.0, *wilson_interval(1, 1), 1, 1)
    assert measure("recall", "oppose") == (0.0, *wilson_interval(0, 1), 0, 1)
    assert measure("precision", "support") == (1.0, *wilson_interval(2, 2), 2, 2)
    assert measure("precision", "neutral") == (1 / 3, *wilson_interval(1, 3), 1, 3)
    assert measure("precision", "oppose") == (None, None, None, 0, 0)


def test_unjudged_answers_and_unassigned_mass_stay_visible():
    assert measure("unjudged") == (1 / 6, *wilson_interval(1, 6), 1, 6)
    assert measure("unassigned") == (pytest.approx(0.1), None, None, None, 5)


def test_a_higher_level_widens_the_intervals():
    wider = measure("accuracy", table=agreement_table(ROWS, level=0.99))
    assert wider[1] < measure("accuracy")[1] < measure("accuracy")[2] < wider[2]


def test_confusion_counts():
    found = {row[:2]: row[2] for row in confusion_table(ROWS).iter_rows()}
    assert len(found) == 9
    assert {key: count for key, count in found.items() if count} == {
        ("support", "support"): 2,
        ("support", "neutral"): 1,
        ("neutral", "neutral"): 1,
        ("oppose", "neutral"): 1,
    }


def test_a_tie_goes_to_the_first_stance():
    assert measure("accuracy", table=agreement_table(labelled(("neutral", (0.2, 0.4, 0.4), 0.0))))[0] == 1
    assert measure("accuracy", table=agreement_table(labelled(("oppose", (0.2, 0.4, 0.4), 0.0))))[0] == 0


def test_a_judge_that_judged_nothing_has_no_accuracy():
    table = agreement_table(labelled(("support", NONE, None)))
    assert measure("accuracy", table=table) == (None, None, None, 0, 0)
    assert measure("unjudged", table=table)[0] == 1
    assert measure("unassigned", table=table)[0] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop("unassigned"), "unassigned"),
        (lambda t: t.with_columns(true_stance=pl.lit("agree")), "agree"),
        (lambda t: t.with_columns(true_stance=pl.lit(None, pl.String)), "None"),
        (lambda t: t.clear(), "true_stance"),
    ],
)
def test_tables_without_true_stances_are_refused(change, message):
    with pytest.raises(ArtifactError, match=message):
        agreement_table(change(ROWS))
