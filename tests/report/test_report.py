"""The report's page and its summary."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from doubles.display import display
from doubles.pages import Page
from doubles.report import DISPLAY, INPUTS, RUNS, TOPICS, answer
from doubles.results import HEALTHY, STANCES

from valuedrift.errors import DataError
from valuedrift.paper.table_formats import Table
from valuedrift.report.charts import recovery_panels
from valuedrift.report.data_evidence import Expressed, Predicted
from valuedrift.report.page import report_page, report_summary, write_report
from valuedrift.report.page_script import SCRIPT
from valuedrift.report.sections import about, calibration_summary

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; base-uri 'none'; form-action 'none'"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    write_report(INPUTS, out)
    return out


@pytest.fixture(scope="module")
def parsed(folder: Path) -> Page:
    return Page((folder / "index.html").read_text())


EMPTY: dict[str, Any] = {
    "calibration": INPUTS.calibration.clear(),
    "expressed": {"paper": Expressed(*(table.clear() for table in vars(INPUTS.expressed["paper"]).values()))},
    "predicted": Predicted(*(table.clear() for table in vars(INPUTS.predicted).values())),
    "training": INPUTS.training.clear(),
    "planned": INPUTS.planned.clear(),
}


def page(**changes: Any) -> Page:
    """The page with other inputs; without what isn't asked for, as still charts take the time."""
    return Page(report_page(replace(INPUTS, **EMPTY | changes), [], []))


def assert_sealed(parsed: Page) -> None:
    """The page loads the script and the style beside it and nothing else, and nothing else can run."""
    assert parsed.scripts == []
    assert [tag for tag, _ in parsed.tags if tag in ("img", "iframe", "object", "embed", "base", "style")] == []
    assert [a["src"] for tag, a in parsed.tags if tag == "script"] == [SCRIPT]
    assert [a["href"] for tag, a in parsed.tags if tag == "link"] == ["report.css"]
    for tag, attributes in parsed.tags:
        assert not {"srcset", "action", "xlink:href", "style"} & set(attributes)
        assert "src" not in attributes or tag == "script"
        assert not [name for name in attributes if name.startswith("on")]
        assert tag == "link" or (attributes.get("href") or "#").startswith(("#", "../exports"))
    assert [a["content"] for _, a in parsed.tags if a.get("http-equiv") == "Content-Security-Policy"] == [POLICY]


def test_the_page_loads_only_the_files_beside_it(folder: Path, parsed: Page) -> None:
    assert_sealed(parsed)
    style = (folder / "report.css").read_text()
    assert "@import" not in style
    assert "url(" not in style
    assert (folder / SCRIPT).is_file()


def test_no_text_of_others_is_in_the_page(folder: Path) -> None:
    assert "says 0" not in (folder / "index.html").read_text()
    assert "it is." not in (folder / "index.html").read_text()


def test_the_scripts_write_texts_as_text_only(folder: Path) -> None:
    script = (folder / SCRIPT).read_text()
    assert "textContent" in script
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "srcdoc"):
        assert way not in script


def test_hostile_names_and_settings_are_escaped() -> None:
    bad = "</script><img src=x onerror=alert(1)>"
    texts = {key: {"name": bad, "target": bad, "value": bad} for key in TOPICS}
    model = replace(DISPLAY.models["pocket"], title=bad)
    found = page(
        display=replace(DISPLAY, topics=texts, models={"pocket": model}),
        configuration={**INPUTS.configuration, "note": bad},
        versions={bad: bad},
        commit=bad,
    )
    assert_sealed(found)
    assert bad in found.text


def test_the_sections_stand_in_order_and_are_linked(parsed: Page) -> None:
    sections = [attributes["id"] for tag, attributes in parsed.tags if tag == "section"]
    assert sections == [
        "findings", "lineage", "phases", "drift", "trajectories", "answers", "drifts", "tables", "health", "recovery",
        "judge", "corrected", "data", "training", "cite", "internals",
    ]  # fmt: skip
    linked = {attributes["href"] for tag, attributes in parsed.tags if tag == "a"}
    assert {place for place in linked if not re.match(r"#card\?|#answers\?|\.\./exports", place)} == {
        f"#{name}" for name in sections
    }


def test_every_control_has_a_label_and_identifiers_are_unique(parsed: Page) -> None:
    controls = {attributes["id"] for tag, attributes in parsed.tags if tag in ("select", "input")}
    assert controls == set(parsed.values("for"))
    identifiers = parsed.values("id")
    assert len(identifiers) == len(set(identifiers))


def test_verdicts_numbers_and_marks_are_shown(parsed: Page) -> None:
    for text in (
        *("✓ holds 1. SFT sets the values, early", "✗ does not hold 2.", "– not measured 3.", "? undecided 4."),
        *("t50 of WildChat", "0.19 (0.17 to 0.21)✓ below 0.50", "0.30 (0.20 to 0.40)✗ below 0.10"),
        *("0.05 (−0.10 to 0.20)? above 0.00", "It needs DPO, SimPO and PPO on the support-aligned pairs"),
    ):
        assert text in parsed.text
    assert {"finding-pocket-sft_sets_values_early", "finding-pocket-dpo_amplifies_the_prior"} <= set(
        parsed.values("id")
    )


def test_the_first_screen_says_what_was_traced_with_what_and_what_it_does_not_show(parsed: Page) -> None:
    text = re.sub(r"\s+", " ", parsed.text)
    for fact in (
        "Value drift of pocket",
        "Modelpocket, about 120,000 parameters",
        "Runs2, with 5 checkpoints",
        "Questions3, 5 answers each at temperature 0.7",
        "Judgegpt, right on 88 % (Base model), 88 % (SFT), 88 % (Preference optimisation) of these answers",
        "Seed17",
        "Answers judged on2026-11-29",
        "Program0123abc",
        "What this does not show. Whether other training seeds, questions or judges give the same. Findings",
    ):
        assert fact in text


def test_a_toy_is_called_a_toy_and_other_seeds_are_counted() -> None:
    statistics = {"barely": 0.1, "seeds": ["../one", "../two"]}
    models = {"pocket": {"scratch": {"layers": 2}, "suite": "paper"}}
    found = page(configuration={**INPUTS.configuration, "statistics": statistics, "models": models}, corrected=None)
    text = re.sub(r"\s+", " ", found.text)
    assert "pocket is a toy of about 120,000 parameters, made here and trained on invented sentences" in text
    assert "Seeds17, and results with 2 others" in text
    assert "Whether other questions or judges give the same. pocket" in text
    assert "Judgegpt, not measured on these answers" in text


@pytest.mark.parametrize(
    ("count", "text"), [(118_224, "120,000"), (3.99e9, "4 billion"), (135e6, "140 million"), (999_900, "1 million")]
)
def test_sizes_have_two_digits(count: float, text: str) -> None:
    assert about(count) == f"about {text}"


def test_each_run_says_what_moved_how_much_when_and_how_sure(parsed: Page) -> None:
    text = re.sub(r"\s+", " ", parsed.text)
    line = "support 0.30 → 0.83+0.53 ●[+0.43, +0.63]η 0.50, t50 0.50 [0.50, 0.50]between steps 0 and 100 of 2002 of 2"
    assert text.count(line) == len(RUNS)


def test_a_cell_of_the_matrix_has_its_drift_and_leads_to_its_card(parsed: Page) -> None:
    links = [attributes for tag, attributes in parsed.tags if tag == "a" and "data-run" in attributes]
    cells = [(topic, run) for topic in ("all", *TOPICS) for run in RUNS]
    assert [link["href"] for link in links if "most" in (link["class"] or "").split()] == [
        f"#card?model=pocket&run={run}&topic={topic}" for topic, run in cells
    ]
    assert [link["class"] for link in links[:3]] == [
        "of-support most moved rose s10", "of-neutral moved fell s9", "of-oppose open fell s0"
    ]  # fmt: skip
    assert [link["data-m"] for link in links[:3]] == ["0.5300", "-0.5000", "-0.0300"]
    assert "+0.53●η 0.50" in re.sub(r"\s+", "", parsed.text).replace("η", "η ")
    assert "can't tell" in parsed.text


def test_findings_of_several_models_stand_under_their_names() -> None:
    drift, values = (pl.concat([one, one.with_columns(model=pl.lit("other"))]) for one in (INPUTS.drift, INPUTS.values))
    findings = [{**finding, "model": model} for model in ("pocket", "other") for finding in INPUTS.findings]
    text = page(drift=drift, values=values, findings=findings, display=display("pocket", "other", topics=TOPICS)).text
    section = text[text.rindex("Findings", 0, text.index("1. SFT")) :]
    headings = ("1. SFT sets the values, early", "3. Pairs", "4. DPO")
    for mark in ("pocket", *headings, "other", *headings):
        section = section[section.index(mark) + len(mark) :]
    assert "5. " not in section[: section.index("What moved")]


def test_recovery_of_several_models_is_drawn_for_each() -> None:
    calibration = pl.concat([INPUTS.calibration, INPUTS.calibration.with_columns(model=pl.lit("other"))])
    titles = [panel.title for panel in recovery_panels(calibration, display("pocket", "other"))]
    assert titles == [f"{model}, WildChat, mean absolute error 0.200" for model in ("pocket", "other")]


def test_recovery_is_compared_with_naming_each_set_s_mean_and_the_least_correlation_counts() -> None:
    shares = {"support": ([0.2, 0.4, 0.6], [0.3, 0.5, 0.7]), "oppose": ([0.5, 0.3, 0.1], [0.1, 0.1, 0.4])}
    rows = [
        {"model": "m", "data": "a", "topic": str(topic), "stance": stance, "planted": planted, "measured": measured}
        for stance, columns in shares.items()
        for topic, (planted, measured) in enumerate(zip(*columns, strict=True))
    ]
    found = calibration_summary(pl.DataFrame(rows).with_columns(low=0.0, high=1.0))
    assert found["mae"] == pytest.approx((0.3 + 0.4 + 0.2 + 0.3) / 6)
    assert found["baseline_mae"] == pytest.approx(2 * 0.4 / 6)
    assert found["topic_correlation"] == pytest.approx(-np.sqrt(3) / 2)


def test_what_was_not_measured_is_said_with_the_reason(tmp_path: Path) -> None:
    write_report(
        replace(INPUTS, **EMPTY, judges={}, corrected=None, stages=INPUTS.stages.clear(), findings=[]), tmp_path
    )
    text = Page((tmp_path / "index.html").read_text()).text
    for reason in (
        "no finding was evaluated",
        "nothing was planted",
        "no labelled answers were given",
        "no answers of the models were labelled",
        "no rows of the training data were retrieved and judged",
        "no SFT run has both its data’s shares and its own drift",
        "no run’s metrics were found",
        "Snakemake left no benchmark files",
        "no run was planned in this folder",
    ):
        assert f"Not measured: {reason}" in text
    assert json.loads((tmp_path / "summary.json").read_text())["planned"] == []


def test_judge_stages_and_provenance_are_shown(parsed: Page) -> None:
    for text in ("0.93", "0.91 to 0.95, n = 660", "1 h 02 min", "2,048", "0123abc", "https://judge.example/v1", "17"):
        assert text in parsed.text
    assert "0.80" in parsed.text.rpartition("Predicted and measured")[2]
    rows = re.findall("support|neutral|oppose", parsed.text.partition("judged as")[2])
    assert tuple(rows[3:6]) == STANCES


def test_the_judge_is_measured_on_the_models_own_answers(parsed: Page) -> None:
    assert "SFT0.88 [0.80, 0.90]0.70 [0.80, 0.90]0.60 [0.80, 0.90]—1,2342.1 %" in parsed.text


def test_corrected_drifts_stand_beside_the_judged_ones(parsed: Page) -> None:
    text = re.sub(r"\s+", " ", parsed.text)
    assert "4 of 6 drifts have a clear direction as judged: their interval does not contain 0." in text
    assert "and the same, in 2 of 4. For 4 of all drifts the raw number is preferred" in text
    assert "support+0.53 [+0.43, +0.63]0.30 → 0.83+0.40 [+0.20, +0.60]" in text


def test_data_sets_and_their_predictions_are_drawn(parsed: Page) -> None:
    drawn = [attributes["aria-label"] for tag, attributes in parsed.tags if tag == "svg" and "aria-label" in attributes]
    assert [label for label in drawn if "above" not in label and "below" not in label] == [
        "Planted against recovered stance shares, WildChat",
        "Drifts as judged and corrected, pocket, SFT on WildChat, from the base model",
        "Drifts as judged and corrected, pocket, DPO on synthetic pairs, support-aligned, after SFT on WildChat",
        "Stances that WildChat expresses, by topic",
        "Distances of chosen and rejected answers in synthetic pairs, support-aligned",
        "Predicted and measured drift, pocket, WildChat",
    ]
    for text in ("1.41 [1.40, 1.40]", "+0.97", "its share on the topic", "0.069", "[0.046, 0.095]"):
        assert text in parsed.text


def test_suites_and_judges_that_are_shown_together_are_named() -> None:
    both = display(own=("mine",), topics=TOPICS, table_1_topics=["climate"])
    paper = INPUTS.expressed["paper"]
    own = replace(
        paper,
        shares=paper.shares.with_columns(data=pl.lit("letters")),
        gaps=paper.gaps.with_columns(data=pl.lit("for")),
        gap_summary=paper.gap_summary.with_columns(data=pl.lit("for"), value=0.125),
    )
    runs = {"sft-wildchat": "sft-letters", "sft-wildchat/dpo-synthetic-support": "sft-letters/dpo-for"}
    values, drift = (
        pl.concat([table, table.with_columns(model=pl.lit("mine"), run=pl.col("run").replace(runs))])
        for table in (INPUTS.values, INPUTS.drift)
    )
    values = values.with_columns(questions=pl.when(model=pl.lit("mine")).then(7).otherwise("questions"))
    judges = {"gpt": INPUTS.judges["gpt"], "mine": {**INPUTS.judges["gpt"], "accuracy": 0.512}}
    expressed = {"paper": paper, "own": own}
    found = page(display=both, values=values, drift=drift, judges=judges, expressed=expressed)
    text = re.sub(r"\s+", " ", found.text)
    assert "3 of suite paper, 5 answers each at temperature 0.7; 7 of suite own, 1 answer each at temperature 0" in text
    assert "gpt, of pocket Accuracy on held-out labelled answers 0.93" in text
    assert "mine, of mine Accuracy on held-out labelled answers 0.51" in text
    assert "Stance shares of the SFT data of suite own" in text
    assert "Value gap of the preference pairs of suite own" in text
    assert "For3" in text
    assert "Stances that Letters expresses, by topic" in found.values("aria-label")
    assert "DPO on For" in text or "DPO after Letters" in text


def test_the_metrics_that_runs_logged_can_be_chosen(parsed: Page) -> None:
    options = [attributes["value"] for tag, attributes in parsed.tags if tag == "option"]
    assert options == ["most", *STANCES, "wildchat", "loss", "grad_norm"]
    assert "Where PPO" not in parsed.text
    found = page(training=INPUTS.training.with_columns(metric=pl.lit("objective/scores")))
    assert "Reward model’s score" in found.text and "Where PPO passes over each batch of answers once" in found.text


def test_the_summary_has_what_programs_read(folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    assert set(summary) == {
        "findings", "calibration", "judges", "agreement", "stages", "planned", "versions", "commit", "configuration"
    }  # fmt: skip
    assert [set(finding) for finding in summary["findings"]] == [
        {"model", "name", "holds", "reason", "numbers", "healthy", "unhealthy"}
    ] * 4
    assert [(finding["holds"], finding["reason"]) for finding in summary["findings"]] == [
        (True, None), (False, None), (None, "missing"), (None, "undecided")
    ]  # fmt: skip
    assert {"bound", "threshold"} <= set(summary["findings"][3]["numbers"]["difference"])
    error = pytest.approx(0.2)
    assert summary["calibration"] == {
        "mae": error, "baseline_mae": 0, "topic_correlation": None, "covered": 0.5, "rows": 2,
        "by_data": {"wildchat": error},
    }  # fmt: skip
    assert summary["judges"]["gpt"]["accuracy"] == 0.934
    assert summary["agreement"][0]["value"] == 0.875
    assert summary["planned"][0]["ratio"] == 0.8
    assert summary["stages"] == [
        {"stage": "judge", "wall_seconds": 12.5, "peak_mib": None},
        {"stage": "train", "wall_seconds": 3725.0, "peak_mib": 2048.0},
    ]
    assert (summary["versions"], summary["commit"]) == ({"python": "3.11.7"}, "0123abc")
    assert summary["configuration"]["seed"] == 17


def test_numbers_that_are_not_finite_are_null_in_the_summary() -> None:
    finding = {"model": "pocket", "name": "x", "holds": None, "reason": "missing", "statement": "", **HEALTHY}
    finding["numbers"] = {"a": float("nan"), "b": [float("inf"), 1.0]}
    summary = report_summary(replace(INPUTS, findings=[finding], calibration=INPUTS.calibration.clear()))
    assert summary["findings"][0]["numbers"] == {"a": None, "b": [None, 1.0]}
    assert summary["calibration"]["mae"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answers": pl.DataFrame([answer("x") | {"model": "other"}])}, "'other'"),
        ({"values": INPUTS.values.with_columns(model=pl.lit("other"))}, "'other'"),
        ({"drift": INPUTS.drift.with_columns(topic=pl.lit("taxes"))}, "'taxes'"),
    ],
)
def test_models_and_topics_that_the_configuration_lacks_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        write_report(replace(INPUTS, **changes), tmp_path)


def test_judges_are_compared_in_a_section_of_their_own_if_there_are_several() -> None:
    table = Table("judges_findings_pocket", "Findings by each judge.", pl.DataFrame({"Finding": ["x"], "a": ["holds"]}))
    only = {**INPUTS.findings[0], "by_judge": " It holds by one judge only, a."}
    shown = page(judges_compared=[table], findings=[only])
    assert "Findings by each judge." in shown.text
    assert "It holds by one judge only, a." in shown.text
    assert "Judges compared" not in page().text
