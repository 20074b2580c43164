"""The loaders on slices of the real data sets, where the environment variable VALUEDRIFT_DATA names their folder."""

import os
from pathlib import Path

import pytest

from valuedrift.data.canonical import Skip
from valuedrift.data.formats import FORMATS
from valuedrift.data.prepare import prepare, to_table
from valuedrift.data.probes import prism_probes
from valuedrift.data.rows import read_rows
from valuedrift.data.settings import DataSettings

pytestmark = pytest.mark.skipif("VALUEDRIFT_DATA" not in os.environ, reason="VALUEDRIFT_DATA is not set")


def load(format, file):
    path = Path(os.environ["VALUEDRIFT_DATA"]) / file
    kind, convert = FORMATS[format]
    table, skipped = to_table(((str(path), number, row) for number, row in read_rows(path)), kind, convert)
    return table, dict(skipped)


@pytest.mark.parametrize(
    ("format", "file", "usable", "skipped"),
    [
        ("alpaca", "alpaca/alpaca_9k.json", 9_229, {}),
        (
            "wildchat",
            "wildchat/wildchat_intact.jsonl",
            179,
            {"roles do not alternate": 3, "starts with the assistant": 5},
        ),
        ("wildchat", "wildchat/wildchat_null_metadata.jsonl", 0, {"language is unknown": 402}),
        (
            "ultrafeedback",
            "ultrafeedback/ultrafeedback_1k.jsonl",
            994,
            {"chosen equals rejected": 4, "empty turn": 2},
        ),
        ("sharegpt", "ultrafeedback/sharegpt_pairs_300.json", 300, {}),
        (
            "hh_rlhf",
            "hh_rlhf/harmless-base_test.jsonl.gz",
            2_299,
            {"empty turn": 4, "prefixes differ": 5, "roles do not alternate": 4},
        ),
    ],
)
def test_counts(format, file, usable, skipped):
    table, reasons = load(format, file)
    assert table.height == usable
    assert reasons == skipped


def test_alpaca_keeps_its_rows_without_an_answer():
    table, _ = load("alpaca", "alpaca/alpaca_9k.json")
    assert [row[-1]["content"] for row in table["messages"]].count("") == 4


def test_conversations_that_do_not_alternate_or_start_with_the_assistant():
    convert = FORMATS["wildchat"][1]
    folder = Path(os.environ["VALUEDRIFT_DATA"]) / "wildchat"
    results = [
        convert({**row, "language": "English"})
        for name in ("wildchat_intact.jsonl", "wildchat_null_metadata.jsonl")
        for _, row in read_rows(folder / name)
    ]
    reasons = [result.reason for result in results if isinstance(result, Skip)]
    assert reasons.count("roles do not alternate") + reasons.count("starts with the assistant") == 20
    assert reasons.count("empty turn") == 1


def test_repeated_pairs_keep_the_exact_count(tmp_path):
    values = {"name": "pairs", "title": "Pairs", "licence": "Apache-2.0", "format": "sharegpt", "validation": 0.1}
    files = ["$VALUEDRIFT_DATA/ultrafeedback/sharegpt_pairs_300.json"]
    card = prepare(DataSettings.from_dict({**values, "files": files, "rows": 270}), 0, tmp_path)
    assert card["counts"]["duplicates"] == 5
    assert (card["counts"]["train"], card["counts"]["validation"]) == (270, 30)


def test_prism():
    keywords = {"abortion": ["abortion", "abortions"], "immigration": ["immigration", "immigrants", "migrants"]}
    probes = prism_probes("$VALUEDRIFT_DATA/prism/prism_prompts.csv", keywords, 50, seed=1)
    assert probes.counts["read"] == 7_393
    assert probes.counts["duplicates"] == 0
    assert probes.counts["questions"] == {"abortion": 50, "immigration": 50}
