import random
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from data_rows import answer, user

from valuedrift.data.ordering import order_rows
from valuedrift.data.split import order_key, shuffle
from valuedrift.data_formats.canonical import SCHEMAS, sft_row


def rows(count, **extras):
    return [{**sft_row([user(f"{n}?"), answer(f"{n}!")]), **extras} for n in range(count)]


def ordered(rows, folder, seed=3, keep=False):
    folder.mkdir()
    return order_rows(rows, "sft", seed, folder, keep)


def test_rows_are_those_of_the_shuffle_in_memory(tmp_path):
    some = rows(20_000)  # more than one part in each bucket
    result = ordered(iter(some), tmp_path / "a")
    assert (result.rows, result.duplicates) == (20_000, 0)
    assert result.table.collect().equals(shuffle(pl.DataFrame(some, schema=SCHEMAS["sft"]), 3))


def test_order_is_that_of_the_keys_whatever_the_order_of_the_source(tmp_path):
    some = rows(3_000)
    mixed = random.Random(0).sample(some, len(some))
    ids = [ordered(source, tmp_path / str(n)).table.collect()["id"].to_list() for n, source in enumerate((some, mixed))]
    assert ids[0] == ids[1] == sorted(ids[0], key=lambda id: order_key(3, id))


@pytest.mark.parametrize("keep", [True, False])
def test_repeated_rows(tmp_path, keep):
    some = [{**row, "note": note} for note in "cab" for row in rows(50)] + rows(10, note="a")
    results = [ordered(source, tmp_path / str(n), keep=keep) for n, source in enumerate((some, some[::-1]))]
    tables = [result.table.collect() for result in results]
    assert tables[0].equals(tables[1])
    assert tables[0].height == results[0].rows == (160 if keep else 50)
    assert results[0].duplicates == 110
    if not keep:
        assert set(tables[0]["note"]) == {"a"}


def test_columns_that_only_some_rows_have(tmp_path):
    some = [{**row, **extra} for row, extra in zip(rows(3), ({}, {"plan": {"n": 1}}, {"note": None}), strict=True)]
    table = ordered(some, tmp_path / "a").table.collect()
    assert table.columns == ["id", "messages", "plan", "note"]
    plans = {row["id"]: row["plan"] for row in table.to_dicts()}
    assert [plans[row["id"]] for row in some] == [None, {"n": 1}, None]


def test_no_rows(tmp_path):
    result = ordered([], tmp_path / "a")
    assert (result.rows, result.duplicates, result.table.collect().height) == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["jsonl", "json", "parquet"])
def test_memory_does_not_grow_with_the_rows(format):
    script = Path(__file__).parents[2] / "benchmarks" / "data_memory.py"
    command = [sys.executable, script, "--rows", "60000", "--format", format]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    peak = int(done.stdout.splitlines()[-1].split("|")[-2].replace(",", ""))
    assert peak < 600  # MiB; 60,000 rows in memory are more than 800
