"""The folder of a model's ablations: what is measured, tabulated and said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from ablation_rows import DISPLAY, OPPOSE, SUPPORT, ablation, stances

from valuedrift.errors import ConfigError
from valuedrift.paper.ablated_runs import number
from valuedrift.paper.ablations import write_ablations

SETTINGS = {"replicates": 50, "level": 0.95}
BETA = ablation("dpo", "beta", SUPPORT, 0.05, 0.1, 0.5, own=0.1)


def rates(data: str) -> list[dict[str, Any]]:
    """DPO's own rate is 1e-3, SimPO's and PPO's 5e-5."""
    own = {"dpo": 1e-3, "simpo": 5e-5, "ppo": 5e-5}
    return [e for name in own for e in ablation(name, "learning_rate", data, 5e-5, 1e-3, own=own[name])]


def write(folder: Path, entries: list[dict[str, Any]], ends: list[float]) -> Path:
    """Write the ablations of runs whose support ends there, after starting at 0.3."""
    shares = {entry["trajectory"]["run"]: (0.3, end) for entry, end in zip(entries, ends, strict=True)}
    write_ablations(stances(folder, shares), entries, DISPLAY, SETTINGS, 1, folder / "out")
    return folder / "out"


def table(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_csv(folder / f"{name}.csv")


def test_the_ablations_are_measured_and_written(tmp_path: Path) -> None:
    out = write(tmp_path, BETA, [0.9, 0.6, 0.4])
    drift = pl.read_parquet(out / "drift.parquet").filter(topic="all", stance="support").sort("run")
    assert drift["magnitude"].to_list() == pytest.approx([0.3, 0.6, 0.1])
    tables = {f"ablations.{kind}" for kind in ("csv", "md", "tex")}
    assert {path.name for path in out.iterdir()} == {
        *tables,
        "drift.parquet",
        "figure_16.svg",
        "figure_16.txt",
        "values.parquet",
    }
    lines = (out / "ablations.md").read_text().splitlines()
    start = "| SFT on WildChat | synthetic pairs, support-aligned | DPO |"
    assert any(line.startswith(f"{start} — | β | 0.05 | 20 | support | 0.600 |") for line in lines)
    assert any(r"| 0.1\* | 20 | support | 0.300 |" in line for line in lines)


def test_settings_that_an_ablation_shares_are_told(tmp_path: Path) -> None:
    faster = ablation("dpo", "beta", SUPPORT, 0.5, own=0.1, settings={"learning_rate": 1e-3})
    out = write(tmp_path, [*faster, BETA[2]], [0.9, 0.6])
    assert table(out, "ablations").select("Settings", "M").rows() == [
        (None, pytest.approx(0.3)),
        ("at learning rate 1e-3", pytest.approx(0.6)),
    ]


def test_what_remains_of_a_difference_at_equal_rates(tmp_path: Path) -> None:
    """Support-aligned: DPO moves 0.1 slow, 0.5 fast; SimPO 0.1 and 0.3; PPO 0 and 0."""
    out = write(tmp_path, rates(SUPPORT), [0.4, 0.8, 0.4, 0.6, 0.3, 0.3])
    found = table(out, "equal_learning_rates").select("DPO against", "Learning rates", "DPO", "other", "share")
    expected = [
        ("PPO", "1e-3 and 5e-5", 0.5, 0.0, None),
        ("PPO", "5e-5", 0.1, 0.0, 0.2),
        ("PPO", "1e-3", 0.5, 0.0, 1.0),
        ("SimPO", "1e-3 and 5e-5", 0.5, 0.1, None),
        ("SimPO", "5e-5", 0.1, 0.1, 0.0),
        ("SimPO", "1e-3", 0.5, 0.3, 0.5),
    ]
    for row, wanted in zip(found.rows(), expected, strict=True):
        assert row[:2] == wanted[:2]
        assert row[2:] == pytest.approx(wanted[2:], abs=1e-9)


def test_the_stance_that_the_data_reward_is_compared_over_data_sets(tmp_path: Path) -> None:
    """Oppose-aligned pairs are learnt by falling support."""
    out = write(tmp_path, rates(SUPPORT) + rates(OPPOSE), [0.4, 0.8, 0.4, 0.4, 0.3, 0.3, 0.3, 0.0, 0.3, 0.2, 0.3, 0.3])
    found = table(out, "equal_learning_rates").filter(
        pl.col("Learning rates") == "1e-3", pl.col("DPO against") == "SimPO"
    )
    assert found["DPO"].to_list() == pytest.approx([0.5, 0.3, 0.4])
    assert found["other"].to_list() == pytest.approx([0.1, 0.1, 0.1])
    assert found["Data"][2] == "all together"
    assert "over the data sets" in (out / "verdict.md").read_text()


@pytest.mark.parametrize(
    ("dpo", "simpo", "said"),
    [
        ([0.7, 0.7], [0.4, 0.4], "there remains 100% (100% to 100%) where both learn at 5e-5 and 100% "),
        ([0.7, 0.7], [0.4, 0.4], "it is mostly the algorithm"),
        ([0.4, 0.7], [0.4, 0.75], "0% (0% to 0%) where both learn at 5e-5 and −17% (−17% to −17%)"),
        ([0.4, 0.7], [0.35, 0.65], "it is mostly the step size"),
        ([0.4, 0.7], [0.4, 0.45], "it is both, or changes with the rate"),
    ],
)
def test_the_verdict_says_what_the_shares_say(tmp_path: Path, dpo: list[float], simpo: list[float], said: str) -> None:
    """Each list: where support ends at 5e-5, which is SimPO's own rate, and at 1e-3, DPO's own."""
    entries = [entry for entry in rates(SUPPORT) if entry["trajectory"]["algorithm"] != "ppo"]
    text = (write(tmp_path, entries, [*dpo, *simpo]) / "verdict.md").read_text()
    assert said in text
    assert text.startswith("# Llama-3 3B: is it the algorithm, or its learning rate?\n")


def test_without_a_difference_there_is_no_share(tmp_path: Path) -> None:
    out = write(tmp_path, rates(SUPPORT), [0.4] * 6)
    assert table(out, "equal_learning_rates")["share"].null_count() == 6
    assert "no difference of which a share could remain" in (out / "verdict.md").read_text()


@pytest.mark.parametrize(("steps", "said"), [((10, 20), False), ((10,), True)])
def test_unequal_numbers_of_steps_are_told(tmp_path: Path, steps: tuple[int, ...], said: bool) -> None:
    """SimPO's run ends after these steps, DPO's after 20."""
    entries = [e for e in rates(SUPPORT) if e["trajectory"]["algorithm"] != "ppo"]
    for entry in entries[2:]:
        entry["trajectory"]["steps"] = list(steps)
    text = (write(tmp_path, entries, [0.4, 0.8, 0.35, 0.6]) / "verdict.md").read_text()
    assert ("SimPO took 10 steps to DPO's 20" in text) == said


def test_own_rates_alone_say_nothing_of_equal_ones(tmp_path: Path) -> None:
    own = [entry for entry in rates(SUPPORT) if entry["own"]]
    assert "no runs of both at equal rates" in (write(tmp_path, own, [0.8, 0.4, 0.3]) / "verdict.md").read_text()


def test_a_model_without_ablations_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"grid\.ablations"):
        write_ablations([], [], DISPLAY, SETTINGS, 1, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("value", "text"),
    [(5e-7, "5e-7"), (1e-3, "1e-3"), (2.5e-5, "2.5e-5"), (0.05, "0.05"), (2.0, "2"), (0, "0"), (1e20, "1e+20")],
)
def test_settings_are_written_as_people_write_them(value: float, text: str) -> None:
    assert number(value) == text
