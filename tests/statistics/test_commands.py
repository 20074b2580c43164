import numpy as np
import polars as pl
import pytest
from stance_tables import stance_table, write_healthy

from valuedrift.errors import ArtifactError
from valuedrift.files import read_json, write_json
from valuedrift.statistics.panel import most_probable
from valuedrift.statistics.write_statistics import write_corrected, write_statistics
from valuedrift.workflow.project_models import STATISTICS

SETS = {"small_gap": ["ultrafeedback"], "support_aligned": "pro", "oppose_aligned": "con"}
THRESHOLDS = {"early": 0.5, "barely": 0.1, "strong": 0.3}
RUNS = [
    {"run": run, "algorithm": "sft", "data": run, "sft": run, "start_run": "base", "start_step": 0, "steps": [10, 20]}
    for run in ("sft-w", "sft-w-again")
]


@pytest.fixture
def stances(tmp_path):
    rng = np.random.default_rng(0)
    files = []
    for run, steps in (("base", [0]), ("sft-w", [10, 20]), ("sft-w-again", [10, 20])):
        table = stance_table(
            (run, step, "topic-00000", f"q{q}", k, rng.dirichlet([1, 2, 1]).tolist())
            for step in steps
            for q in range(8)
            for k in range(2)
        )
        files.append(tmp_path / f"{run}.parquet")
        table.write_parquet(files[-1])
    write_healthy(files, tmp_path / "health.parquet")
    return files


def another_seed(folder):
    there = folder / "there"
    there.mkdir()
    write_json(there / "findings.json", [])
    return there


def test_the_tables_of_a_model_are_written(stances, tmp_path):
    out = tmp_path / "out"
    write_statistics(stances, RUNS, SETS, {}, THRESHOLDS, {"replicates": 100}, 0, tmp_path / "health.parquet", out)
    assert {file.name for file in out.iterdir()} == set(STATISTICS)
    assert pl.read_parquet(out / "values.parquet").height == 2 * 3 * 2 * 3
    drift = pl.read_parquet(out / "drift.parquet")
    assert {"p_value", "q_value", "real", "noise_floor", "exceeds_noise", "step_before"} <= set(drift.columns)
    assert pl.read_parquet(out / "distances.parquet").height == 2 * 2 * 2
    assert pl.read_parquet(out / "noise.parquet").height == 2 * 2 * 3
    found = read_json(out / "findings.json")
    assert [(finding["holds"], finding["reason"]) for finding in found] == [(None, "missing")] * 4
    write_statistics(stances, RUNS, {}, {}, THRESHOLDS, {"replicates": 100}, 0, tmp_path / "health.parquet", out)
    assert read_json(out / "findings.json") == []


def test_the_same_runs_with_another_seed_give_a_noise_floor(stances, tmp_path):
    out = tmp_path / "out"
    write_statistics(
        stances, RUNS, SETS, {}, THRESHOLDS, {"replicates": 100}, 0, tmp_path / "health.parquet", tmp_path / "here"
    )
    moved = pl.col("value") + 0.75
    there = another_seed(tmp_path)
    pl.read_parquet(tmp_path / "here" / "values.parquet").with_columns(moved).write_parquet(there / "values.parquet")
    write_statistics(
        stances, RUNS, SETS, {}, THRESHOLDS, {"replicates": 100}, 0, tmp_path / "health.parquet", out, [there]
    )
    noise = pl.read_parquet(out / "noise.parquet")
    seeds = noise.filter(source="seeds")
    assert set(noise["source"]) == {"answers", "seeds"}
    assert seeds["floor"].to_list() == pytest.approx([0.75] * 2 * 3)
    assert set(pl.read_parquet(out / "drift.parquet")["noise_floor"].round(6)) == {0.75}
    assert set(pl.read_parquet(out / "values.parquet")["run"]) == {"sft-w", "sft-w-again"}


def test_a_table_of_other_runs_is_no_other_seed(stances, tmp_path):
    write_statistics(
        stances, RUNS, SETS, {}, THRESHOLDS, {"replicates": 100}, 0, tmp_path / "health.parquet", tmp_path / "here"
    )
    values = pl.read_parquet(tmp_path / "here" / "values.parquet").with_columns(model=pl.lit("mine"))
    there = another_seed(tmp_path)
    values.write_parquet(there / "values.parquet")
    with pytest.raises(ArtifactError, match=r"there/values\.parquet: .*runs of pocket"):
        write_statistics(
            stances, RUNS, SETS, {}, THRESHOLDS, {}, 0, tmp_path / "health.parquet", tmp_path / "out", [there]
        )


def test_a_labelled_sample_adds_corrected_tables(stances, tmp_path):
    # Every answer is another text, and every answer at the ends of runs is labelled as it was judged.
    parts = []
    for number, file in enumerate(stances):
        answer = pl.format("{} {}", pl.lit(number), pl.int_range(pl.len()))
        table = pl.read_parquet(file).with_columns(answer=answer)
        table.write_parquet(file)
        parts.append(table.filter(pl.col("step") == pl.col("step").max()))
    sample = pl.concat(parts).with_columns(true_stance=most_probable(), weight=1.0)
    sample.write_parquet(tmp_path / "labelled.parquet")
    out = tmp_path / "out"
    write_statistics(stances, RUNS, SETS, {}, THRESHOLDS, {"replicates": 100}, 0, tmp_path / "health.parquet", out)
    write_corrected(stances, RUNS, tmp_path / "labelled.parquet", {"replicates": 100}, 0, out)
    values = pl.read_parquet(out / "corrected_values.parquet")
    assert values.height == 2 * 2 * 2 * 3
    raw = pl.read_parquet(out / "values.parquet").join(values, on=["run", "topic", "step", "stance"], suffix="_new")
    assert raw.height == values.height
    assert raw["value"].to_list() == pytest.approx(raw["raw"].to_list())
    assert (raw["value"] - raw["value_new"]).abs().max() > 0.1
    assert pl.read_parquet(out / "corrected_drift.parquet").height == 2 * 2 * 3
    agreement = pl.read_parquet(out / "judge_agreement.parquet")
    assert agreement["stage"].unique(maintain_order=True).to_list() == ["base", "sft"]
    assert set(agreement["model"]) == {"pocket"}
    assert set(agreement.filter(measure="accuracy")["value"]) == {1.0}
