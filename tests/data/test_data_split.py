import random

import polars as pl
import pytest

from valuedrift.data.split import shuffle, split, train_count


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


def test_split_gives_the_paper_s_counts():
    rows = pl.DataFrame({"id": [f"{number:016x}" for number in range(52_002)]})
    train, validation = split(shuffle(rows, 1), 0.1)
    assert (train.height, validation.height) == (46_801, 5_201)
    assert train["id"].append(validation["id"]).n_unique() == 52_002


def test_order_depends_on_the_seed_and_the_ids_alone():
    ids = [f"{number:016x}" for number in range(500)]
    mixed = random.Random(0).sample(ids, len(ids))
    assert shuffle(table(ids), 3)["id"].equals(shuffle(table(mixed), 3)["id"])
    assert not shuffle(table(ids), 3)["id"].equals(shuffle(table(ids), 4)["id"])
    assert sorted(shuffle(table(ids), 3)["id"]) == ids


def test_a_smaller_sample_is_part_of_a_larger_one():
    ordered = shuffle(table([f"{number:016x}" for number in range(500)]), 3)
    without_some = shuffle(table([f"{number:016x}" for number in range(0, 500, 2)]), 3)
    assert [id for id in ordered["id"] if int(id, 16) % 2 == 0] == without_some["id"].to_list()


def test_shared_ids_keep_counts_and_order():
    rows = table(["a" * 16] * 7 + ["b" * 16] * 13)
    train, validation = split(shuffle(rows, 5), 0.1)
    assert (train.height, validation.height) == (18, 2)
    assert validation["id"].n_unique() == 1
    assert shuffle(rows, 5).equals(shuffle(rows.reverse(), 5))


def test_no_validation_is_an_empty_table_of_the_same_schema():
    rows = table(["a", "b"])
    train, validation = split(rows, 0.0)
    assert train.equals(rows)
    assert validation.height == 0
    assert validation.schema == rows.schema
