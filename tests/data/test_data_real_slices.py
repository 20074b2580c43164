"""The loaders on slices of the real data sets, where the environment variable VALUEDRIFT_DATA names their folder."""

import os
from pathlib import Path

import polars as pl
import pytest
from data_rows import settings

from valuedrift.data.prepare import prepare
from valuedrift.data_formats.canonical import Skip
from valuedrift.data_formats.formats import FORMATS
from valuedrift.errors import ArtifactError
from valuedrift.input_tables.rows import read_rows
from valuedrift.probes.questions import prism_probes

pytestmark = pytest.mark.skipif("VALUEDRIFT_DATA" not in os.environ, reason="VALUEDRIFT_DATA is not set")
ROLES = "roles do not alternate"


def load(tmp_path, format, file, rows, **changes):
    return prepare(settings(f"$VALUEDRIFT_DATA/{file}", format=format, rows=rows, **changes), 0, tmp_path)


@pytest.mark.parametrize(
    ("format", "file", "usable", "skipped"),
    [
        ("alpaca", "alpaca/alpaca_9k.json", 9_225, {"empty answer": 4}),
        ("wildchat", "wildchat/wildchat_intact.jsonl", 179, {ROLES: 3, "starts with the assistant": 5}),
        (
            "ultrafeedback",
            "ultrafeedback/ultrafeedback_1k.jsonl",
            994,
            {"chosen equals rejected": 4, "empty answer": 2},
        ),
        ("sharegpt", "ultrafeedback/sharegpt_pairs_300.json", 295, {"duplicate": 5}),
        ("hh_rlhf", "hh_rlhf/harmless-base_test.jsonl.gz", 2_299, {"empty answer": 4, "prefixes differ": 5, ROLES: 4}),
    ],
)
def test_counts(tmp_path, format, file, usable, skipped):
    counts = load(tmp_path, format, file, usable)["counts"]
    assert counts["usable"] == counts["train"] == usable
    assert counts["skipped"] == skipped
    assert counts["read"] == usable + sum(skipped.values())


def test_null_metadata_is_not_english(tmp_path):
    with pytest.raises(ArtifactError, match=r"no usable row among 402.*language is unknown 402"):
        load(tmp_path, "wildchat", "wildchat/wildchat_null_metadata.jsonl", 1)


def test_alpaca_can_keep_all_its_rows_as_the_paper_does(tmp_path):
    keep = {"duplicates": "keep", "empty_answers": "keep"}
    card = load(tmp_path, "alpaca", "alpaca/alpaca_9k.json", 8_306, validation=0.1, **keep)
    assert card["counts"]["usable"] == 9_229
    tables = [pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("train", "validation")]
    answers = [messages[-1]["content"] for messages in pl.concat(tables)["messages"]]
    assert answers.count("") == 4


def test_conversations_that_do_not_alternate_or_start_with_the_assistant():
    convert = FORMATS["wildchat"][1]
    folder = Path(os.environ["VALUEDRIFT_DATA"]) / "wildchat"
    results = [
        convert({**row, "language": "English"})
        for name in ("wildchat_intact.jsonl", "wildchat_null_metadata.jsonl")
        for _, row in read_rows(folder / name)
    ]
    reasons = [result.reason for result in results if isinstance(result, Skip)]
    assert reasons.count(ROLES) + reasons.count("starts with the assistant") == 20
    assert reasons.count("empty turn") == 1


def test_repeated_pairs_keep_the_exact_count_where_asked(tmp_path):
    file = "ultrafeedback/sharegpt_pairs_300.json"
    card = load(tmp_path, "sharegpt", file, 270, validation=0.1, duplicates="keep")
    assert card["counts"]["duplicates"] == 5
    assert (card["counts"]["train"], card["counts"]["validation"]) == (270, 30)


def test_prism():
    keywords = {"abortion": ["abortion", "abortions"], "immigration": ["immigration", "immigrants", "migrants"]}
    _, counts = prism_probes("$VALUEDRIFT_DATA/prism/prism_prompts.csv", keywords, 50, seed=1)
    assert counts["read"] == 7_393
    assert counts["duplicates"] == 0
    assert counts["questions"] == {"abortion": 50, "immigration": 50}
