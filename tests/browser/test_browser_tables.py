"""What is taken out of the report, and its tables, in a real browser: sorting, filtering, copying, files, print."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from doubles.report import INPUTS, RUNS, TOPICS
from hostile import RUN

from valuedrift.report.page import write_report

if TYPE_CHECKING:
    from conftest import Watched
    from playwright.sync_api import Page

LAPTOP = {"viewport": {"width": 1024, "height": 768}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
NAME = f"<img src=x onerror={RUN}>, =1+1"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with labels of the last answers of one run, and a topic whose name would like to be more than text."""
    out = tmp_path_factory.mktemp("report")
    is_labelled = (pl.col("run") == RUNS[0]) & (pl.col("step") == 200) & (pl.col("sample") == 0)
    answers = INPUTS.answers.lazy().with_columns(
        label=pl.when(is_labelled & (pl.col("topic") == "work"))
        .then(pl.lit("oppose"))
        .when(is_labelled)
        .then(pl.lit("neutral")),
        unhealthy=pl.col("sample") == 1,
        refusal=pl.col("question_id") == "work-1",
    )
    topics = {**INPUTS.display.topics, "work": {**INPUTS.display.topics["work"], "name": NAME}}
    write_report(replace(INPUTS, answers=answers, display=replace(INPUTS.display, topics=topics)), out)
    return out


def drifts(page: Page) -> list[list[str]]:
    page.wait_for_selector("#drifts-list tbody tr")
    return [row.locator("td").all_inner_texts() for row in page.locator("#drifts-list tbody tr").all()]


def column(page: Page, title: str) -> list[str]:
    titles = page.locator("#drifts-list thead th").all_inner_texts()
    return [row[titles.index(title)] for row in drifts(page)]


def number(text: str) -> float:
    return float(text.split(" ")[0].replace("−", "-"))


def test_all_drifts_are_sorted_and_filtered_with_the_keyboard_alone(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    assert len(drifts(page)) == INPUTS.drift.height
    page.get_by_role("button", name="M, 95 % interval").focus()
    page.keyboard.press("Enter")
    rising = [number(text) for text in column(page, "M, 95 % interval")]
    assert rising == sorted(rising)
    assert rising[0] < 0 < rising[-1]
    page.keyboard.press("Enter")
    assert [number(text) for text in column(page, "M, 95 % interval")] == rising[::-1]
    assert page.locator("#drifts-list th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.get_by_label("Only rows with the words").focus()
    page.keyboard.type("dpo OPPOSE climate")
    assert set(column(page, "Topic")) == {TOPICS["climate"]["name"]}
    assert set(column(page, "Stance")) == {"oppose"}
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Copy"
    watched.assert_sealed(report)


def test_names_in_the_table_and_its_copies_stay_text(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    assert column(page, "Topic").count(NAME) == 6
    assert page.locator("#drifts-list img").count() == 0
    assert page.evaluate("window.canary") is None
    watched.assert_sealed(report)


@pytest.mark.parametrize("kind", ["CSV", "Markdown", "LaTeX"])
def test_tables_are_copied_as_they_are_shown(watched: Watched, report: Path, kind: str) -> None:
    page = watched.open(report)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label("Only rows with the words").fill(f"support {NAME[:4]}")
    page.locator("#drifts-list .tools summary").click()
    page.locator("#drifts-list .tools").get_by_role("button", name=kind).click()
    page.get_by_text("Copied").wait_for()
    text = page.evaluate("navigator.clipboard.readText()")
    rows = drifts(page)
    assert rows
    if kind == "CSV":
        titles, *found = csv.reader(io.StringIO(text))
        assert titles[:3] == ["Run", "Topic", "Stance"]
        assert [row[:3] for row in found] == [row[:3] for row in rows]
        assert found[0][titles.index("M, 95 % interval")] == rows[0][5].replace("−", "-")
    elif kind == "Markdown":
        lines = text.splitlines()
        assert len(lines) == 2 + len(rows)
        assert all(len(re.findall(r"(?<!\\)\|", line)) == len(rows[0]) + 1 for line in lines)
        assert r"\<img src=x" in lines[2]
    else:
        assert text.startswith(r"\begin{tabular}{lll")
        assert r"\textless{}img src=x" in text
        assert text.count(r" \\") == 1 + len(rows)


def test_a_table_of_the_page_keeps_its_shape_when_it_is_copied(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tools = page.locator("#drift .tools").first
    tools.locator("summary").click()
    tools.get_by_role("button", name="CSV").click()
    page.get_by_text("Copied").wait_for()
    titles, *rows = csv.reader(io.StringIO(page.evaluate("navigator.clipboard.readText()")))
    assert titles[0] == "Topic"
    assert titles[1].startswith("Supervised fine-tuning / WildChat")
    assert [row[0] for row in rows] == ["All topics", TOPICS["climate"]["name"], NAME]
    assert {len(row) for row in rows} == {1 + len(RUNS)}


def test_charts_are_saved_as_svg_and_png(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    tools = page.locator("#trajectory-charts .tools").first
    tools.locator("summary").click()
    with page.expect_download() as saved:
        tools.get_by_role("button", name="SVG").click()
    svg = saved.value.path().read_text(encoding="utf-8")
    assert svg.startswith("<svg")
    assert re.search(r'stroke="rgb\(44, 160, 44\)"', svg)  # the look doesn't need the page's style sheet
    assert "class=" not in svg
    with page.expect_download() as saved:
        tools.get_by_role("button", name="PNG").click()
    assert saved.value.suggested_filename.endswith(".png")
    header = saved.value.path().read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    assert int.from_bytes(header[16:20]) == 4 * 340


def test_a_number_of_the_judges_errors_opens_its_answers(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    assert page.locator("#judge .confusion").last.locator("a").all_inner_texts() == ["1", "2", "1", "2"]
    page.locator("#judge .confusion").last.locator("a").nth(1).focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.getElementById('answers-count').textContent === 'Showing 2 of 2 answers.'")
    notes = page.locator("#answers-list .answer .note").all_inner_texts()
    assert all(note.startswith("label: neutral, judged: ") for note in notes)
    assert page.locator("#answers-only option:checked").inner_text().startswith("label neutral, judged ")
    for only, count in (("judge ≠ label", 4), ("with a label", 6), ("unhealthy", 6), ("refusals", 2)):
        page.locator("#answers-only").select_option(label=only)
        text = f"Showing {count} of {count} answers."
        page.wait_for_function("text => document.getElementById('answers-count').textContent === text", arg=text)
    page.locator("#answers-step").select_option(label="every checkpoint")
    page.wait_for_function("() => document.getElementById('answers-count').textContent === 'Showing 10 of 10 answers.'")
    page.locator("#answers-only").select_option(label="likeliest stance below 0.6")
    page.wait_for_function("() => document.querySelectorAll('#answers-list article').length > 0")
    watched.assert_sealed(report)


@pytest.mark.parametrize("watched", [LAPTOP, PHONE, PHONE | {"color_scheme": "dark"}], indirect=True)
def test_open_tools_and_a_comparison_fit_on_small_screens(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    drifts(page)
    page.locator("#other-run").select_option(index=1)
    page.wait_for_selector("#answers-compared .slope", state="attached")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_print_leaves_out_what_only_a_screen_can_use(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    drifts(page)
    pages = len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))
    assert 2 <= pages <= 8
    page.emulate_media(media="print")
    for hidden in ("#answers", "#drifts", "#internals", ".tools"):
        assert not page.locator(hidden).first.is_visible()
    for shown in ("#findings", "#drift .matrix", "#trajectory-charts", "#cite"):
        assert page.locator(shown).first.is_visible()


def test_this_run_is_cited_with_its_commit_configuration_seed_and_date(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy BibTeX").click()
    page.locator("#cite").get_by_text("Copied").wait_for()
    text = page.evaluate("navigator.clipboard.readText()")
    entry = re.search(r"@misc\{valuedrift-[0-9a-f]{8},.*?\n\}", text, re.DOTALL)[0]
    assert f"Commit {INPUTS.commit}, configuration " in entry
    assert f"seed {INPUTS.configuration['seed']}" in entry
    assert f"answers judged on {INPUTS.date}" in entry
    assert "eprint = {2510.26707}" in text
