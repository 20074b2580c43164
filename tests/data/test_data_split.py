import random

import polars as pl
import pytest

from valuedrift.config.data_sets import train_count
from valuedrift.data.split import shuffle


def table(ids):
    return pl.DataFrame({"id": ids, "note": [str(place) for place in range(len(ids))]})


@pytest.mark.parametrize(
    ("rows", "validation", "train"),
    [
        (284_168, 0.1, 255_751),  # WildChat, appendix B.1
        (52_002, 0.1, 46_801),  # Alpaca, appendix B.1
        (60_908, 0.0, 60_908),
        (10, 0.1, 9),
        (90, 0.3, 63),  # (1 - 0.3) * 90 is 62.99999999999999 in floating point
        (50_000, 0.9, 5_000),
        (9, 0.1, 8),
        (1, 0.1, 0),
        (3, 1e-05, 2),
    ],
)
def test_train_count_is_exact(rows, validation, train):
    assert train_count(rows, validation) == train


def test_order_depends_only_on_the_seed_and_the_ids():
    ids = [f"{number:016x}" for number in range(500)]
    mixed = random.Random(0).sample(ids, len(ids))
    assert shuffle(table(ids), 3)["id"].equals(shuffle(table(mixed), 3)["id"])
    assert not shuffle(table(ids), 3)["id"].equals(shuffle(table(ids), 4)["id"])
    assert sorted(shuffle(table(ids), 3)["id"]) == ids


def test_a_smaller_sample_is_part_of_a_larger_one():
    ordered = shuffle(table([f"{number:016x}" for number in range(500)]), 3)
    without_some = shuffle(table([f"{number:016x}" for number in range(0, 500, 2)]), 3)
    assert [id for id in ordered["id"] if int(id, 16) % 2 == 0] == without_some["id"].to_list()


def test_rows_that_share_an_id_are_ordered_by_their_other_columns():
    rows = table(["a" * 16] * 7 + ["b" * 16] * 13).with_columns(plan=pl.struct("note"), notes=pl.concat_list("note"))
    for columns in (["id", "note"], ["id", "plan"], ["id", "notes"]):
        some = rows.select(columns)
        assert shuffle(some, 5).equals(shuffle(some.reverse(), 5))
