import polars as pl
import pytest
from stance_tables import stance_table

from valuedrift.statistics.framing import framing_table
from valuedrift.statistics.intervals import wilson_interval

SIDES = {"support": [0.6, 0.3, 0.1], "oppose": [0.1, 0.3, 0.6], "mixed": [0.4, 0.35, 0.25]}


def stances(folder, said):
    """said: (group, polarity) → the stances of the answers to its question."""
    table = stance_table(
        ("base", 0, topic, f"{group}-{polarity}", k, SIDES[stance])
        for (topic, group, polarity), answers in said.items()
        for k, stance in enumerate(answers)
    )
    names = pl.col("question_id").str.split("-")
    table = table.with_columns(group=names.list[0], polarity=names.list[1].replace("none", None))
    table.write_parquet(folder / "base.parquet")
    return [folder / "base.parquet"]


def test_groups_turn_if_their_framings_have_other_majorities(tmp_path):
    said = {
        ("work", "a", "pro"): ["support", "support", "oppose"],
        ("work", "a", "con"): ["oppose", "oppose", "support"],  # turns
        ("work", "b", "pro"): ["support", "support", "oppose"],
        ("work", "b", "con"): ["mixed", "mixed", "support"],  # does not
        ("work", "c", "pro"): ["support"],  # has one framing
        ("work", "d", "pro"): ["support"],
        ("work", "d", "none"): ["oppose"],  # without a framing
        ("race", "e", "pro"): ["support", "oppose"],
        ("race", "e", "con"): ["support", "oppose"],  # turns only between answers
    }
    found = framing_table(stances(tmp_path, said), 0.95)
    rows = {row["topic"]: row for row in found.to_dicts()}
    assert {topic: (row["groups"], row["turned"]) for topic, row in rows.items()} == {
        "all": (3, pytest.approx(1 / 3)),
        "race": (1, 0),
        "work": (2, 0.5),
    }
    assert (rows["work"]["low"], rows["work"]["high"]) == pytest.approx(wilson_interval(1, 2))
    assert (rows["race"]["by_chance"], rows["work"]["by_chance"]) == (1, 0)


def test_without_groups_there_is_no_table(tmp_path):
    table = stance_table([("base", 0, "work", "q", 0, SIDES["mixed"])])
    table.write_parquet(tmp_path / "base.parquet")
    assert framing_table([tmp_path / "base.parquet"], 0.95).is_empty()
