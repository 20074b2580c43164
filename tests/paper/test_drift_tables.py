"""The paper's tables: which there are, and what stands in their cells."""

from __future__ import annotations

import polars as pl
import pytest
from doubles.display import MODELS, TOPICS, display
from doubles.results import STANCES, drift_row

from valuedrift.errors import DataError
from valuedrift.paper.drift_tables import drift_tables, signed
from valuedrift.paper.table_formats import Table, markdown

DISPLAY = display(*MODELS, "pocket", table_1_topics=["immigration", "climate"])


def drift(*rows: dict) -> pl.DataFrame:
    return pl.DataFrame([drift_row(**{"real": False, **row}) for row in rows], infer_schema_length=None)


def no_drift(**row: object) -> dict:
    return {"magnitude": -0.001, "time": None} | row


def table(frame: pl.DataFrame, name: str) -> Table:
    return next(table for table in drift_tables(frame, DISPLAY) if table.name == name)


def cells(table: Table, topic: str) -> dict[str, str]:
    return table.frame.filter(pl.col("Topic") == topic).row(0, named=True)


def names(frame: pl.DataFrame) -> list[str]:
    return [table.name for table in drift_tables(frame, DISPLAY)]


def test_tables_carry_the_papers_numbers_for_the_papers_models():
    frame = drift(
        {"model": "llama3_3b", "run": "sft-alpaca/dpo-synthetic-oppose"},
        {"model": "qwen3_8b", "run": "sft-wildchat"},
        {"model": "qwen3_4b", "run": "sft-wildchat/ppo-synthetic-support"},
        {"model": "pocket", "run": "sft-wildchat/ppo-synthetic-support"},
    )
    found = names(frame)
    assert {"table_09_sft_drift_llama3_3b", "table_11_sft_drift_qwen3_4b", "table_12_sft_drift_qwen3_8b"} <= set(found)
    assert "table_13_preference_drift_qwen3_4b_wildchat" in found
    assert "table_16_preference_drift_llama3_3b_alpaca" in found
    assert {"sft_drift_pocket", "preference_drift_pocket_wildchat", "drift_all"} <= set(found)
    assert "table_01_preference_drift_ultrafeedback" not in found
    assert not any("qwen3_8b_" in name for name in found)


def test_found_stages_have_a_table_and_preference_runs_after_them_have_theirs():
    frame = drift(
        {"run": "sft", "stance": "support", "magnitude": 0.25},
        {"run": "sft/rl", "stance": "support", "magnitude": -0.5},
        {"run": "sft/dpo-synthetic-support", "stance": "support", "magnitude": 0.75},
        {"run": "sft/dpo-ultrafeedback", "stance": "support", "magnitude": 0.1},
    )
    stages = cells(table(frame, "stage_drift_pocket"), "Immigration Policies")
    assert [value for key, value in stages.items() if "support" in key and key.endswith("M")] == [
        "+0.25 [+0.15, +0.35]",
        "-0.50 [-0.60, -0.40]",
    ]
    aligned = cells(table(frame, "preference_drift_pocket_sft"), "Immigration Policies")
    assert "+0.75 [+0.65, +0.85]" in aligned.values()
    assert "SFT data: SFT. " in table(frame, "table_01_preference_drift_ultrafeedback").caption
    assert "stage_drift_pocket" not in names(drift({"run": "sft-wildchat"}))


def test_sft_cells_show_magnitude_and_time_and_mark_what_is_missing():
    frame = drift(
        {"run": "sft-wildchat", "stance": "neutral", "magnitude": 0.384, "time": 0.087},
        no_drift(run="sft-wildchat", stance="support"),
        {"run": "sft-wildchat", "topic": "all", "stance": "oppose", "magnitude": -0.25},
    )
    sft = table(frame, "sft_drift_pocket")
    immigration = cells(sft, "Immigration Policies")
    assert immigration["WildChat / neutral / M"] == "+0.38 [+0.28, +0.48]"
    assert immigration["WildChat / neutral / η"] == "0.09"
    assert immigration["WildChat / support / M"] == "0.00 [-0.10, +0.10]"
    assert immigration["WildChat / support / η"] == "can't tell"
    assert immigration["WildChat / oppose / M"] == immigration["WildChat / oppose / η"] == "—"
    assert immigration["Alpaca / neutral / M"] == "—"
    assert cells(sft, "All topics")["WildChat / oppose / M"] == "-0.25 [-0.35, -0.15]"
    assert set(cells(sft, "Work and Attitudes").values()) == {"Work and Attitudes", "—"}
    assert sft.frame["Topic"].to_list() == [*(topic["name"] for topic in TOPICS.values()), "All topics"]


def test_the_papers_stated_numbers_stand_beside_ours():
    frame = drift(
        {"model": "llama3_3b", "run": "sft-wildchat", "stance": "neutral", "magnitude": 0.31, "time": 0.2},
        {"model": "llama3_3b", "run": "sft-wildchat/dpo-synthetic-oppose", "stance": "oppose", "magnitude": 0.2},
        {"model": "llama3_3b", "run": "sft-wildchat/dpo-synthetic-oppose", "stance": "support", "magnitude": -0.1},
        {"model": "pocket", "run": "sft-wildchat", "stance": "neutral", "magnitude": 0.31},
    )
    immigration = cells(table(frame, "table_09_sft_drift_llama3_3b"), "Immigration Policies")
    assert immigration["WildChat / neutral / M"] == "+0.31 [+0.21, +0.41] (paper +0.38)"
    assert immigration["WildChat / neutral / η"] == "0.20 (paper 0.09)"
    assert immigration["Alpaca / support / M"] == "— (paper +0.15)"
    assert (
        cells(table(frame, "sft_drift_pocket"), "Immigration Policies")["WildChat / neutral / M"]
        == "+0.31 [+0.21, +0.41]"
    )
    stated = table(frame, "paper_numbers").frame
    dpo = stated.filter(pl.col("Run") == "sft-wildchat/dpo-synthetic-oppose").row(0, named=True)
    assert (dpo["Stance"], dpo["Paper"], dpo["Measured"]) == ("support", "+0.46", "-0.10 [-0.20, 0.00]")
    assert stated.filter(pl.col("Run") == "sft-alpaca")["Measured"].to_list() == ["—", "—"]
    assert "paper_numbers" not in names(frame.filter(pl.col("model") == "pocket"))


def test_preference_tables_show_the_aligned_stance_only():
    frame = drift(
        {"run": "sft-alpaca/dpo-synthetic-oppose", "stance": "oppose", "magnitude": 0.4},
        {"run": "sft-alpaca/dpo-synthetic-oppose", "stance": "support", "magnitude": -0.3},
        {"run": "sft-alpaca/simpo-synthetic-support", "stance": "support", "magnitude": 0.15, "time": 0.34},
    )
    row = cells(table(frame, "preference_drift_pocket_alpaca"), "Immigration Policies")
    assert row["oppose-aligned / DPO / M"] == "+0.40 [+0.30, +0.50]"
    assert row["support-aligned / SimPO / η"] == "0.34"
    assert row["support-aligned / PPO / M"] == "—"
    assert list(row)[1:4] == ["oppose-aligned / PPO / M", "oppose-aligned / PPO / η", "oppose-aligned / DPO / M"]


def test_another_algorithm_is_shown_after_the_papers_three():
    frame = drift({"run": "sft-alpaca/grpo-synthetic-support", "stance": "support", "magnitude": 0.05})
    found = table(frame, "preference_drift_pocket_alpaca")
    assert cells(found, "Immigration Policies")["support-aligned / GRPO / M"] == "+0.05 [-0.05, +0.15]"
    assert found.frame.columns[-2:] == ["support-aligned / GRPO / M", "support-aligned / GRPO / η"]


def test_table_1_shows_the_configured_topics_of_the_first_small_gap_set():
    frame = drift({"run": "sft-wildchat/dpo-ultrafeedback", "magnitude": 0.02}, {"run": "sft-wildchat/dpo-hh-rlhf"})
    found = table(frame, "table_01_preference_drift_ultrafeedback").frame
    assert found["Topic"].to_list() == ["Immigration Policies"] * 3 + ["Climate Change Concerns"] * 3
    first = found.row(0, named=True)
    assert (first["Stance"], first["DPO / M"], first["PPO / M"]) == ("support", "+0.02 [-0.08, +0.12]", "—")
    assert "table_01_preference_drift_hh-rlhf" not in names(frame)


def test_suites_that_are_shown_together_have_their_own_tables():
    both = display(own=("mine",), table_1_topics=["work"])
    frame = drift(
        {"run": "sft-wildchat/dpo-ultrafeedback"},
        {"run": "sft-wildchat/ppo-synthetic-support"},
        {"model": "mine", "run": "sft-letters/simpo-calm", "topic": "work", "magnitude": 0.1},
        {"model": "mine", "run": "sft-letters/dpo-for", "topic": "work"},
    )
    found = {table.name: table for table in drift_tables(frame, both)}
    own = found["table_01_preference_drift_calm_own"]
    assert own.caption.startswith("Table 1. Drift by preference optimisation on Calm.")
    assert own.frame.columns[-4:] == ["DPO / M", "DPO / η", "SimPO / M", "SimPO / η"]
    assert "Model: mine. SFT data: Letters. " in own.caption
    assert own.frame.row(0) == ("Work and Attitudes", "support", "—", "—", "+0.10 [0.00, +0.20]", "0.25")
    assert "table_01_preference_drift_ultrafeedback_paper" in found
    row = cells(found["preference_drift_mine_letters"], "Work and Attitudes")
    assert row["support-aligned / DPO / M"] == "+0.20 [+0.10, +0.30]"
    assert list(found["sft_drift_mine"].frame.columns)[1] == "Letters / support / M"


def test_real_drifts_carry_a_mark_that_a_note_explains():
    rows = ({"real": True}, {"stance": "neutral", "magnitude": 0.5}, {"stance": "oppose", "real": True, "time": None})
    sft = table(drift(*({"run": "sft-wildchat"} | row for row in rows)), "sft_drift_pocket")
    row = cells(sft, "Immigration Policies")
    magnitudes, times = ([row[f"WildChat / {stance} / {column}"] for stance in STANCES] for column in "Mη")
    assert magnitudes == ["+0.20* [+0.10, +0.30]", "+0.50 [+0.40, +0.60]", "+0.20* [+0.10, +0.30]"]
    assert "*" not in "".join(times)
    assert sft.notes[0].startswith("* The drift is real: the q-value")
    assert len(sft.notes) == 1  # no answers are unhealthy
    assert sft.caption.endswith("—: not measured.")
    assert "\n\n\\* The drift is real" in markdown(sft)


def test_marks_that_do_not_occur_are_not_explained():
    rows = [
        {"run": "sft-wildchat", "topic": topic, "stance": stance} for topic in (*TOPICS, "all") for stance in STANCES
    ]
    alpaca = [row | {"run": "sft-alpaca", "unhealthy": 0.5} for row in rows]
    sft = table(drift(*rows, *alpaca), "sft_drift_pocket")
    assert sft.notes[0].startswith("No drift in this table is real (real: the q-value")
    assert sft.notes[1].startswith("† More than 10%")
    assert "—" not in sft.caption
    assert "statistics." not in sft.caption + "".join(sft.notes)


def test_the_tidy_table_keeps_every_row_with_its_intervals():
    frame = drift({"run": "sft-alpaca/dpo-hh-rlhf"}, no_drift(run="sft-alpaca"), {"run": "sft-wildchat"})
    tidy = table(frame, "drift_all")
    assert tidy.frame["run"].to_list() == ["sft-wildchat", "sft-alpaca", "sft-alpaca/dpo-hh-rlhf"]
    first = tidy.frame.filter(run="sft-wildchat").select("low", "high", "t50_high").row(0)
    assert first == pytest.approx((0.1, 0.3, 0.25))
    line = next(line for line in markdown(tidy).splitlines() if "no_drift" in line)
    assert "| — | no_drift | 200 | — | — | — | — | — | — |" in line
    assert line.endswith("| 0.400 | no | 0.020 | no | 0.020 | −0.001 | — | — |")


def test_no_rows_at_all_leave_an_empty_tidy_table():
    assert names(drift({"run": "sft-alpaca"}).clear()) == ["drift_all"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (drift({"run": "sft-alpaca"}, {"run": "sft-alpaca"}), "row 1.*each combination once"),
        (drift({"run": "sft-"}), "'sft-'.*a lineage such as"),
    ],
)
def test_a_frame_of_another_form_is_refused(frame, message):
    with pytest.raises(DataError, match=message):
        drift_tables(frame, DISPLAY)


@pytest.mark.parametrize(
    ("value", "text"), [(0.384, "+0.38"), (-0.02, "-0.02"), (-0.001, "0.00"), (0.0, "0.00"), (None, "—")]
)
def test_signs(value, text):
    assert signed(value) == text
