"""Snakemake's benchmark files as stage costs."""

from __future__ import annotations

import pytest
from valuedrift.report.stage_costs import StageCost, read_stage_costs

from valuedrift.errors import DataError

HEADER = "s\th:m:s\tmax_rss\tmax_vms\n"


def write(folder, place, *lines):
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines))


def test_stages_sum_seconds_and_keep_the_largest_peak(tmp_path):
    write(tmp_path, "train/sft-alpaca.tsv", "10.5\t0:00:10\t512.0\t900")
    write(tmp_path, "train/sft-alpaca/dpo-hh-rlhf.tsv", "20.25\t0:00:20\t768.5\t900", "1.0\t0:00:01\t-\t-")
    write(tmp_path, "judge/a.tsv", "0.1\t0:00:00\tnan\tNA", "0.2\t0:00:00\tNA\t-")
    write(tmp_path, "report.tsv", "3.0\t0:00:03\t100.0\t200")
    (tmp_path / "train" / "notes.txt").write_text("not a benchmark")
    assert read_stage_costs(tmp_path) == [
        StageCost("judge", 2, 0.3, None),
        StageCost("report", 1, 3.0, 100.0),
        StageCost("train", 3, 31.75, 768.5),
    ]


def test_without_benchmarks_there_are_no_stages(tmp_path):
    assert read_stage_costs(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seconds\tmax_rss\n1\t2\n", "row 1, field 's'.*a column 's'"),
        ("s\tmax_rss\n-\t2\n", "row 1, field 's'.*wall seconds"),
        ("s\tmax_rss\n1.0\tmuch\n", "field 'max_rss'.*'much'"),
    ],
)
def test_a_file_that_is_no_benchmark_is_named(tmp_path, text, message):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "bad.tsv").write_text(text)
    with pytest.raises(DataError, match=f"bad.tsv.*{message}"):
        read_stage_costs(tmp_path)
