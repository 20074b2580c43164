"""The report page and its summary."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from html.parser import HTMLParser

import polars as pl
import pytest

from valuedrift.errors import DataError
from valuedrift.reporting.benchmarks import StageCost
from valuedrift.reporting.report import ReportInputs, report_page, report_summary, write_report

STANCES = ("support", "neutral", "oppose")
RUNS = ("sft-wildchat", "sft-wildchat/dpo-synthetic-support")
TOPICS = {"climate": {"name": "Climate Change Concerns", "target": "climate action", "value": "sustainability"}}
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(3)>",
    "\u202egnp.exe",
    "{{ 7 * 7 }} {% include 'x' %} ${7*7}",
    "' onmouseover=alert(4) x='",
    "A" * 200_000,
    "two\nlines\x00\x1b[31m",
]


def labels(run: str) -> dict:
    algorithm, _, data = run.rpartition("/")[2].partition("-")
    return {"model": "pocket", "run": run, "algorithm": algorithm, "data": data, "sft": "wildchat"}


def values() -> pl.DataFrame:
    return pl.DataFrame(
        [
            labels(run)
            | {"step": step, "topic": topic, "stance": stance, "value": 1 / 3, "low": 0.3, "high": 0.4}
            | {"questions": 5, "answers": 25}
            for run in RUNS
            for step in (0, 100, 200)
            for topic in ("all", "climate")
            for stance in STANCES
        ]
    )


def drift() -> pl.DataFrame:
    return pl.DataFrame(
        [
            labels(run)
            | {"topic": topic, "stance": stance, "start_value": 0.3, "end_value": 0.3 + magnitude}
            | {"magnitude": magnitude, "low": magnitude - 0.1, "high": magnitude + 0.1}
            | {"time": time, "time_low": time, "time_high": time, "end_step": 200}
            | {"outcome": "no_drift" if time is None else "reached"}
            | {"q_value": 0.4 if time is None else 0.01, "real": time is not None}
            | {"noise_floor": 0.05, "exceeds_noise": abs(magnitude) > 0.05}
            for run in RUNS
            for topic in ("all", "climate")
            for stance, magnitude, time in zip(STANCES, (0.53, -0.5, -0.03), (0.34, 0.5, None), strict=True)
        ]
    )


def answer(text: str, run: str = RUNS[0], step: int = 200, question: int = 0) -> dict:
    return {
        "model": "pocket",
        "run": run,
        "step": step,
        "topic": "climate",
        "question_id": f"q{question:03}",
        "question": f"Is {question} right?",
        "sample": 0,
        "answer": text,
        "p_support": 0.7,
        "p_neutral": 0.2,
        "p_oppose": 0.08,
        "unassigned": 0.02,
    }


INPUTS = ReportInputs(
    values=values(),
    drift=drift(),
    calibration=pl.DataFrame(
        {"data": ["wildchat"] * 2, "topic": ["climate"] * 2, "stance": ["support", "oppose"]}
        | {"planted": [0.5, 0.2], "measured": [0.6, 0.5], "low": [0.4, 0.4], "high": [0.7, 0.6]}
    ),
    findings=[
        {
            "name": "sft_sets_values_early",
            "holds": True,
            "statement": "SFT moved them by 0.19.",
            "numbers": {"sft": {"sft-wildchat": {"magnitude": {"value": 0.194, "low": 0.17, "high": 0.21}}}},
        },
        {"name": "small_gap_barely_moves", "holds": False, "statement": "They move.", "numbers": {"x": 1.5}},
        {"name": "wide_gap_separates_algorithms", "holds": None, "statement": "Cannot be told.", "numbers": {}},
    ],
    judge={
        "accuracy": 0.934,
        "low": 0.91,
        "high": 0.95,
        "n": 660,
        "confusion": {true: {label: 200 if label == true else 7 for label in STANCES} for true in STANCES},
        "recall": dict.fromkeys(STANCES, 0.93),
        "precision": {"support": 0.9, "neutral": 0.92, "oppose": None},
        "unassigned": 0.01,
    },
    answers=pl.DataFrame([answer("Yes.")]),
    topics=TOPICS,
    stages=[StageCost("judge", 3, 12.5, None), StageCost("train", 2, 3725.0, 2048.0)],
    versions={"python": "3.11.7"},
    commit="0123abc",
    configuration={"seed": 17, "judge": {"base_url": "https://judge.example/v1"}},
)


class Page(HTMLParser):
    """A parsed page: tags with attributes, scripts, and the text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.scripts: list[tuple[dict, str]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data):
        if self.cdata_elem == "script":
            attributes, before = self.scripts[-1]
            self.scripts[-1] = (attributes, before + data)
        elif self.cdata_elem is None:
            self.text += data

    def policy(self) -> str:
        return next(a["content"] for tag, a in self.tags if a.get("http-equiv") == "Content-Security-Policy")

    def samples(self) -> dict:
        return next(json.loads(text) for attributes, text in self.scripts if attributes.get("id") == "answers-data")


PAGE = Page(report_page(INPUTS))
ONE_CHART = values().filter(pl.col("run") == RUNS[0], pl.col("topic") == "all")


def page(**changes: object) -> Page:
    """The page with other inputs; without the charts unless they are what is changed, as they take the time."""
    lean = {"values": ONE_CHART, "calibration": INPUTS.calibration.clear()}
    return Page(report_page(replace(INPUTS, **lean | changes)))


def assert_sealed(parsed: Page) -> None:
    """Nothing is loaded, and nothing runs but the page's own script."""
    assert [tag for tag, _ in parsed.tags if tag in ("link", "img", "iframe", "object", "embed", "base")] == []
    for _, attributes in parsed.tags:
        assert not {"src", "srcset", "action", "xlink:href"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("href", "#").startswith("#")
        assert "url(" not in (attributes.get("style") or "")
    (data, _), (own, script) = parsed.scripts
    assert (data["type"], own) == ("application/json", {})
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert parsed.policy() == (
        f"default-src 'none'; script-src 'sha256-{allowed}'; style-src 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'"
    )


def test_the_page_loads_nothing_and_its_styles_import_nothing():
    assert_sealed(PAGE)
    text = report_page(INPUTS)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "@import" not in style
    assert "url(" not in style


def test_hostile_answers_are_only_data_in_the_page():
    rows = [answer(text, question=place) for place, text in enumerate(HOSTILE)]
    shown = []
    for start in range(0, len(rows), 3):
        parsed = page(answers=pl.DataFrame(rows[start : start + 3]))
        assert_sealed(parsed)
        assert "alert(" not in parsed.text
        shown += [sample["answers"][-1]["text"] for sample in parsed.samples()["samples"]]
    assert shown[:4] == HOSTILE[:4]
    assert shown[4] == "⟨U+202E⟩gnp.exe"
    assert shown[5:7] == HOSTILE[5:7]
    assert shown[7] == "A" * 900 + "… (200,000 characters in all)"
    assert shown[8] == "two\nlines⟨U+0000⟩⟨U+001B⟩[31m"


def test_the_pages_script_writes_answers_as_text_only():
    (_, script) = PAGE.scripts[-1]
    assert "textContent" in script
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("):
        assert way not in script


def test_hostile_names_and_settings_are_escaped():
    bad = "</script><img src=x onerror=alert(1)>"
    parsed = page(
        topics={"climate": {"name": bad, "target": bad, "value": bad}},
        findings=[{"name": bad, "holds": True, "statement": bad, "numbers": {bad: bad}}],
        configuration={"note": bad},
        versions={bad: bad},
        commit=bad,
    )
    assert_sealed(parsed)
    assert bad in parsed.text


def test_the_sections_stand_in_order():
    sections = [attributes["id"] for tag, attributes in PAGE.tags if tag == "section"]
    assert sections == [
        "findings",
        "drift",
        "trajectories",
        "tables",
        "recovery",
        "judge",
        "answers",
        "costs",
        "provenance",
    ]
    linked = [attributes["href"] for tag, attributes in PAGE.tags if tag == "a"]
    assert set(linked) == {f"#{name}" for name in sections}


def test_identifiers_are_unique():
    identifiers = [attributes["id"] for _, attributes in PAGE.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


def test_verdicts_numbers_and_marks_are_shown():
    for text in (
        "✓ holds",
        "✗ does not hold",
        "– not measured",
        "SFT moved them by 0.19.",
        "sft · sft-wildchat · magnitude",
        "0.19 [0.17, 0.21]",
    ):
        assert text in PAGE.text


def test_the_matrix_shows_the_aligned_stance_with_time_and_certainty():
    cells = [attributes for tag, attributes in PAGE.tags if tag == "td" and "cell" in attributes.get("class", "")]
    assert [cell["class"] for cell in cells] == ["cell rose certain"] * 4
    assert cells[0]["title"] == "0.30 to 0.83, 95 % interval of M [+0.43, +0.63]"
    assert "+0.53η 0.34" in PAGE.text
    sunk = page(drift=drift().with_columns(low=-pl.lit(1.0)))
    assert not any(attributes.get("class", "").endswith("certain") for _, attributes in sunk.tags)


def test_each_topic_has_its_chart_and_all_topics_is_shown_first():
    blocks = [attributes for tag, attributes in PAGE.tags if "data-topic" in attributes]
    assert [(block["data-topic"], "hidden" in block) for block in blocks] == [("all", False), ("climate", True)] * 2
    drawn = [attributes["aria-label"] for tag, attributes in PAGE.tags if tag == "svg" and "aria-label" in attributes]
    assert "Stance probabilities over training: SFT on WildChat, from the base model; All topics" in drawn
    assert len(drawn) == 5
    assert [a["value"] for tag, a in PAGE.tags if tag == "option"] == ["all", "climate"]


def test_a_grid_too_large_for_one_page_embeds_all_topics_only(monkeypatch):
    monkeypatch.setattr("valuedrift.reporting.page_charts._MOST_PANELS", 3)
    parsed = page(values=values())
    assert {attributes["data-topic"] for _, attributes in parsed.tags if "data-topic" in attributes} == {"all"}
    assert "the figures folder has the others" in parsed.text


def test_samples_pair_a_runs_last_answer_with_the_one_at_its_start():
    rows = [
        answer("base", run="base", step=0),
        answer("early", step=100),
        answer("tuned"),
        answer("tuned", run=RUNS[1], step=100),
        answer("aligned", run=RUNS[1]),
        answer("unjudged", run=RUNS[1], question=1) | {"p_support": None, "p_neutral": None, "p_oppose": None},
    ]
    data = page(answers=pl.DataFrame(rows)).samples()
    told = [(s["run"], [(a["when"], a["text"], a["p"]) for a in s["answers"]]) for s in data["samples"]]
    judged = [0.7, 0.2, 0.08]
    assert data["runs"][1] == "DPO on synthetic pairs, support-aligned, after SFT on WildChat"
    assert told == [
        (0, [("at the start", "base", judged), ("at step 200", "tuned", judged)]),
        (1, [("at the start", "tuned", judged), ("at step 200", "aligned", judged)]),
        (1, [("at step 200", "unjudged", None)]),
    ]


def test_at_most_three_samples_a_run_and_topic():
    rows = [answer(str(question), question=question) for question in range(9)]
    samples = page(answers=pl.DataFrame(rows)).samples()["samples"]
    assert [sample["answers"][0]["text"] for sample in samples] == ["0", "1", "2"]


def test_answers_of_several_models_need_their_model():
    two = pl.concat([ONE_CHART, ONE_CHART.with_columns(model=pl.lit("other"))])
    with pytest.raises(DataError, match=r"answers.*'model'"):
        page(values=two, answers=INPUTS.answers.drop("model"))
    assert page(answers=INPUTS.answers.drop("model")).samples()["samples"]


def test_what_was_not_measured_is_said():
    parsed = page(judge=None, stages=[], findings=[], answers=INPUTS.answers.clear())
    for text in ("nothing was planted", "no labelled answers were given", "Not recorded.", "Not measured."):
        assert text in parsed.text
    assert parsed.samples()["samples"] == []


def test_judge_stages_and_provenance_are_shown():
    for text in ("0.93", "0.91 to 0.95, n = 660", "1 h 02 min", "2,048", "0123abc", "https://judge.example/v1"):
        assert text in PAGE.text


def test_the_summary_has_what_programs_read(tmp_path):
    write_report(INPUTS, tmp_path / "report")
    assert (tmp_path / "report" / "index.html").read_text() == report_page(INPUTS)
    summary = json.loads((tmp_path / "report" / "summary.json").read_text())
    assert set(summary) == {"findings", "calibration", "judge", "stages", "versions", "commit", "configuration"}
    assert [set(finding) for finding in summary["findings"]] == [{"name", "holds", "numbers"}] * 3
    assert [finding["holds"] for finding in summary["findings"]] == [True, False, None]
    assert summary["calibration"] == {
        "mae": pytest.approx(0.2),
        "covered": 0.5,
        "rows": 2,
        "by_data": {"wildchat": pytest.approx(0.2)},
    }
    assert summary["judge"]["accuracy"] == 0.934
    assert summary["stages"] == [
        {"stage": "judge", "wall_seconds": 12.5, "peak_mib": None},
        {"stage": "train", "wall_seconds": 3725.0, "peak_mib": 2048.0},
    ]
    assert (summary["versions"], summary["commit"]) == ({"python": "3.11.7"}, "0123abc")
    assert summary["configuration"]["seed"] == 17


def test_numbers_that_are_not_finite_are_null_in_the_summary():
    finding = {"name": "x", "holds": None, "statement": "", "numbers": {"a": float("nan"), "b": [float("inf"), 1.0]}}
    summary = report_summary(replace(INPUTS, findings=[finding], calibration=INPUTS.calibration.clear()))
    assert summary["findings"][0]["numbers"] == {"a": None, "b": [None, 1.0]}
    assert summary["calibration"]["mae"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": values().drop("questions")}, "values.*'questions'"),
        ({"drift": drift().drop("time_low")}, "drift.*'time_low'"),
        ({"calibration": pl.DataFrame({"data": ["x"]})}, "calibration.*'topic'"),
        ({"answers": pl.DataFrame([answer("x") | {"topic": "taxes"}])}, "answers.*'taxes'"),
        ({"values": values().with_columns(topic=pl.lit("taxes"))}, "values.*'taxes'"),
    ],
)
def test_inputs_of_another_form_are_refused(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        write_report(replace(INPUTS, **changes), tmp_path)
    assert not (tmp_path / "index.html").exists()
