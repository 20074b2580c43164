"""The pieces of the page: what lies in them, how they are named, and that their texts stay texts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from doubles.display import display
from doubles.report import DISPLAY, INPUTS, RUNS, TOPICS, answer, answers, expressed, predicted, read_piece, training

from valuedrift.errors import DataError
from valuedrift.report.answers import kept_steps, label_counts, write_answers
from valuedrift.report.data_evidence import write_examples
from valuedrift.report.drift_cards import write_cards
from valuedrift.report.page_index import trained_title, write_index, write_training, write_values
from valuedrift.report.pieces import piece_json, write_piece
from valuedrift.report.source_files import Sources
from valuedrift.report.sources import read_answers
from valuedrift.report.words import with_verdicts
from valuedrift.statistics.health import SIGNS
from valuedrift.statistics.panel import PROBABILITIES


def test_each_checkpoint_has_a_piece_with_its_answers(tmp_path: Path) -> None:
    kept = write_answers(answers().lazy(), DISPLAY, tmp_path)
    assert [(run.run, run.steps, run.kept) for run in kept] == [
        ("base", (0,), (0,)),
        (RUNS[0], (100, 200), (100, 200)),
        (RUNS[1], (100, 200), (100, 200)),
    ]
    piece = read_piece(tmp_path, f"answers/pocket/{RUNS[1]}/200")
    questions = read_piece(tmp_path, "questions/pocket")
    assert piece["text"][:3] == [f"{RUNS[1]} at 200 on climate {n} says {m}" for n, m in ((0, 0), (0, 1), (1, 0))]
    assert piece["sample"][:3] == [0, 1, 0]
    assert [questions["text"][place] for place in piece["question"][::2]] == [
        f"Is {topic} {n} right?" for topic in TOPICS for n in range(3)
    ]
    assert questions["topic"] == [0, 0, 0, 1, 1, 1]
    assert [column[2] for column in piece["shares"]] == [890, 0, 110]
    assert set(piece["unassigned"]) == {20}


def test_a_table_that_is_read_run_by_run_gives_the_same_pieces(tmp_path: Path) -> None:
    answers().write_parquet(tmp_path / "answers.parquet")
    eager, lazy = tmp_path / "eager", tmp_path / "lazy"
    kept = write_answers(answers().lazy(), DISPLAY, eager)
    assert write_answers(pl.scan_parquet(tmp_path / "answers.parquet"), DISPLAY, lazy) == kept
    written = sorted(path.relative_to(eager) for path in eager.rglob("*.js"))
    assert len(written) == 6
    assert all((lazy / path).read_bytes() == (eager / path).read_bytes() for path in written)


def test_refusals_and_answers_without_a_stance_are_counted_and_shown(tmp_path: Path) -> None:
    none = dict.fromkeys(("p_support", "p_neutral", "p_oppose", "unassigned"))
    rows = [answer("yes"), answer("I can't.", question=1, refusal=True), answer("?", question=2, **none)]
    (counts,) = write_answers(pl.DataFrame(rows).lazy(), DISPLAY, tmp_path)
    assert (counts.answers, counts.refusals, counts.without_stance) == (3, 1, 1)
    assert counts.unassigned == pytest.approx(0.02)
    piece = read_piece(tmp_path, f"answers/pocket/{RUNS[0]}/200")
    assert piece["refusal"] == [0, 1, 0]
    assert piece["shares"] == [[700, 700, None], [200, 200, None], [80, 80, None]]
    assert piece["unassigned"] == [20, 20, None]


def test_answers_carry_their_label_and_their_health(tmp_path: Path) -> None:
    shown = answers().drop("label", "unhealthy")
    shown.write_parquet(tmp_path / "stances.parquet")
    keys = shown.select("model", "run", "step", "topic", "question_id", "sample")
    signs = {sign: pl.col("sample") == (1 if sign == "cut_off" else 9) for sign in SIGNS}
    keys.with_columns(**signs).write_parquet(tmp_path / "health.parquet")
    labelled = keys.filter(pl.col("step") == 200, pl.col("sample") == 0, pl.col("topic") == "work")
    judged = labelled.join(shown, on=keys.columns).select(*keys.columns, *PROBABILITIES)
    stances = pl.Series("true_stance", ["support", "neutral", None] * 2)
    judged.sort(keys.columns).with_columns(stances, weight=1.0).write_parquet(tmp_path / "labels.parquet")
    files = {"health": [tmp_path / "health.parquet"], "labelled": {"pocket": tmp_path / "labels.parquet"}}
    sources = Sources(
        statistics=[],
        stances=[tmp_path / "stances.parquet"],
        quality={},
        expression={},
        benchmarks=tmp_path,
        metrics={},
        **files,
    )
    found = read_answers(sources)
    kept = write_answers(found, DISPLAY, tmp_path)
    assert {run.run: run.labelled for run in kept} == {"base": (), **dict.fromkeys(RUNS, (200,))}
    read = read_piece(tmp_path, f"answers/pocket/{RUNS[0]}/200")
    assert [label for label in read["label"] if label is not None] == [0, 1, 3]
    assert read["unhealthy"] == [0, 1] * 6
    counts = label_counts(found, kept)["pocket"]
    assert sum(counts.values()) == 6
    assert {label for label, _ in counts} == {"support", "neutral", "none"}
    assert label_counts(found, [replace(run, labelled=()) for run in kept]) == {}


def test_without_labels_or_health_answers_have_none(tmp_path: Path) -> None:
    answers().drop("label", "unhealthy").write_parquet(tmp_path / "stances.parquet")
    sources = Sources(
        statistics=[],
        stances=[tmp_path / "stances.parquet"],
        quality={},
        expression={},
        benchmarks=tmp_path,
        metrics={},
    )
    found = read_answers(sources)
    kept = write_answers(found, DISPLAY, tmp_path)
    assert label_counts(found, kept) == {}
    assert set(read_piece(tmp_path, "answers/pocket/base/0")["unhealthy"]) == {0}


def test_a_grid_with_too_many_answers_keeps_evenly_spaced_checkpoints(tmp_path: Path) -> None:
    rows = [answer("x", step=step) for step in range(10, 101, 10)]
    (counts,) = write_answers(pl.DataFrame(rows).lazy(), DISPLAY, tmp_path, most=4)
    assert counts.steps == tuple(range(10, 101, 10))
    assert counts.kept == (10, 40, 70, 100)
    assert len(list(tmp_path.rglob("answers/**/*.js"))) == 4


@pytest.mark.parametrize(
    ("count", "kept"), [(0, (50,)), (1, (50,)), (2, (10, 50)), (3, (10, 30, 50)), (5, (10, 20, 30, 40, 50))]
)
def test_kept_steps_end_with_the_last(count: int, kept: tuple[int, ...]) -> None:
    assert kept_steps((10, 20, 30, 40, 50), count) == kept


def test_texts_can_leave_neither_their_string_nor_their_script() -> None:
    hostile = ["</script><script>", "<!--", "\u2028\u2029", '"]);alert(1)//', "\\", "]]>&amp;"]
    text = piece_json(hostile)
    assert not {"<", ">", "&", "\u2028", "\u2029"} & set(text)
    assert json.loads(text) == hostile


def test_characters_that_hide_are_spelled_out(tmp_path: Path) -> None:
    rows = [answer("\u202egnp\x00 \u200b") | {"question": "a\u2066b?"}]
    write_answers(pl.DataFrame(rows).lazy(), DISPLAY, tmp_path)
    assert read_piece(tmp_path, f"answers/pocket/{RUNS[0]}/200")["text"] == ["⟨U+202E⟩gnp⟨U+0000⟩ ⟨U+200B⟩"]
    assert read_piece(tmp_path, "questions/pocket")["text"] == ["a⟨U+2066⟩b?"]


@pytest.mark.parametrize("name", ["../out", "a/../../b", "/etc/x", 'a"', "a b", "", "answers/é"])
def test_a_piece_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="a piece's name"):
        write_piece(tmp_path, name, [])
    assert list(tmp_path.iterdir()) == []


def test_the_index_says_where_each_run_starts(tmp_path: Path) -> None:
    kept = write_answers(answers().lazy(), DISPLAY, tmp_path)
    write_index(INPUTS.values, kept, {"pocket": RUNS[1]}, DISPLAY, tmp_path)
    index = read_piece(tmp_path, "index")
    assert index["topics"] == ["Climate Change Concerns", "Work and Attitudes"]
    assert index["keys"] == ["climate", "work"]
    assert index["models"][0]["first"] == RUNS[1]
    base, sft, dpo = index["models"][0]["runs"]
    assert (base["title"], base["start"], base["kept"]) == ("Base model", None, [0])
    assert (sft["phase"], sft["start"]) == ("Supervised fine-tuning", {"run": "base", "step": 0})
    assert (dpo["short"], dpo["start"]) == ("DPO after WildChat", {"run": RUNS[0], "step": 200})
    assert (dpo["own"], dpo["heading"]) == ("DPO on synthetic pairs, support-aligned", "DPO")


def test_trajectories_have_one_piece_per_model(tmp_path: Path) -> None:
    write_values(INPUTS.values, DISPLAY, tmp_path)
    lines = read_piece(tmp_path, "values/pocket")
    assert [(line["run"], line["topic"]) for line in lines] == [(run, topic) for run in RUNS for topic in (-1, 0, 1)]
    assert lines[0]["steps"] == [0, 100, 200]
    assert lines[0]["stances"][1] == {"value": [0.3] * 3, "low": [0.25] * 3, "high": [0.35] * 3}


def test_a_drift_s_card_has_its_three_stances_in_words(tmp_path: Path) -> None:
    shaky = pl.col("stance") == "oppose"
    drifts = INPUTS.drift.with_columns(unhealthy=0.36, q_value=pl.when(shaky).then(0.4).otherwise(1e-9))
    write_cards(with_verdicts(drifts, 0.1), tmp_path)
    runs = read_piece(tmp_path, "drifts/pocket")
    assert {run: list(topics) for run, topics in runs.items()} == {run: ["all", *TOPICS] for run in RUNS}
    support, neutral, oppose = runs[RUNS[1]]["climate"]
    assert [(one["stance"], one["is_real"], one["verdict"]) for one in (support, neutral, oppose)] == [
        ("support", True, "moved"), ("neutral", True, "moved"), ("oppose", False, "can't tell"),
    ]  # fmt: skip
    assert (support["reached"], oppose["reached"], support["unhealthy"]) == ([0, 100], None, "36 % unhealthy")
    assert support["lines"] == [
        ["Verdict", "moved"], ["From → to", "0.30 → 0.83"], ["M", "+0.53"], ["95 % interval", "[+0.43, +0.63]"],
        ["q-value", "< 0.001"], ["Noise floor", "0.020"], ["η", "0.50"], ["Reached", "between steps 0 and 100 of 200"],
        ["t50", "0.50 [0.50, 0.50]"], ["t90", "0.50 [0.50, 0.50]"], ["Pooled over topics", "+0.27 [0.00, +0.53]"],
        ["Among healthy answers", "+0.53 [—, —]"],
    ]  # fmt: skip
    assert dict(oppose["lines"])["η"] == "can't tell"
    assert dict(runs[RUNS[1]]["all"][0]["lines"])["Pooled over topics"] == "—"


def test_training_metrics_are_thinned_to_what_a_chart_can_show(tmp_path: Path) -> None:
    write_training(training(points=1000), DISPLAY, tmp_path)
    lines = read_piece(tmp_path, "training/pocket")
    assert {line["metric"] for line in lines} == {"loss", "grad_norm"}
    assert all(len(line["steps"]) == len(line["values"]) == 200 for line in lines)
    assert lines[0]["values"][:2] == [1.0, 0.16667]


def test_training_runs_have_names() -> None:
    assert [trained_title(DISPLAY.suites[0], run) for run in ("base", *RUNS, "sft-alpaca/reward-ultrafeedback")] == [
        "Pre-training",
        "SFT on WildChat",
        "DPO on synthetic pairs, support-aligned, after SFT on WildChat",
        "Reward model on UltraFeedback, after SFT on Alpaca",
    ]


def test_examples_come_with_the_runs_that_they_moved(tmp_path: Path) -> None:
    assert write_examples({"paper": expressed()}, predicted(), DISPLAY, tmp_path) == [("wildchat", "WildChat")]
    piece = read_piece(tmp_path, "examples/wildchat")
    (example,) = piece["examples"]
    assert (example["topic"], example["all"], example["answer"]) == (0, 7, "Because ⟨U+202E⟩it is.")
    assert example["shares"] == [900, 100, 0]
    (moved,) = piece["moved"]
    assert (moved["topic"], moved["run"]) == (0, "SFT on WildChat, from the base model")
    assert (moved["stance"], moved["change"]) == ("support", "+0.53 [+0.43, +0.63]")
    write_examples({"paper": expressed()}, replace(predicted(), movers=predicted().movers.clear()), DISPLAY, tmp_path)
    assert read_piece(tmp_path, "examples/wildchat")["moved"] == []


def test_of_several_models_each_is_named_with_its_run(tmp_path: Path) -> None:
    movers = pl.concat([predicted().movers, predicted().movers.with_columns(model=pl.lit("other"))])
    shown = display("pocket", "other", topics=TOPICS)
    write_examples({"paper": expressed()}, replace(predicted(), movers=movers), shown, tmp_path)
    named = [moved["run"] for moved in read_piece(tmp_path, "examples/wildchat")["moved"]]
    assert named == [f"{model}, SFT on WildChat, from the base model" for model in ("pocket", "other")]


def test_suites_have_examples_of_their_own(tmp_path: Path) -> None:
    both = display(own=("mine",), topics=TOPICS)
    own = expressed().nearest.with_columns(data=pl.lit("letters"))
    tables = {"paper": expressed(), "own": replace(expressed(), nearest=own)}
    found = write_examples(tables, predicted(), both, tmp_path)
    assert found == [("paper/wildchat", "WildChat, of suite paper"), ("own/letters", "Letters, of suite own")]
    assert read_piece(tmp_path, "examples/own/letters")["moved"] == []
    assert len(read_piece(tmp_path, "examples/paper/wildchat")["moved"]) == 1
