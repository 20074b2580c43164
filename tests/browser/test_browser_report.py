"""The report in a real browser: charts, drill-down, filters, comparison, keyboard, and hostile answers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from doubles.report import INPUTS, RUNS, TOPICS, answer
from doubles.results import STANCES, drift_row, health, values
from hostile import HOSTILE

from valuedrift.report.page import write_report
from valuedrift.visible_text import visible

if TYPE_CHECKING:
    from conftest import Watched
    from playwright.sync_api import Page

DESKTOP = {"viewport": {"width": 1440, "height": 900}}
TABLET = {"viewport": {"width": 1024, "height": 768}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    write_report(INPUTS, out)
    return out


@pytest.fixture(scope="module")
def wide_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report with long names of topics, and a badge of unhealthy answers at each drift."""
    out = tmp_path_factory.mktemp("wide")
    topics = {key: {**topic, "name": f"{topic['name']} and All That"} for key, topic in INPUTS.display.topics.items()}
    display = replace(INPUTS.display, topics=topics)
    write_report(replace(INPUTS, display=display, drift=INPUTS.drift.with_columns(unhealthy=pl.lit(0.36))), out)
    return out


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hostile")
    rows = [
        answer(text, run, step, place) | {"question": text[:5_000]}
        for run, step in (("base", 0), (RUNS[0], 200))
        for place, text in enumerate(HOSTILE)
    ]
    expressed = INPUTS.expressed["paper"]
    example = expressed.nearest.drop("question", "answer")
    texts = pl.DataFrame({"question": HOSTILE, "answer": HOSTILE})
    nearest = example.join(texts, how="cross").select(expressed.nearest.columns)
    inputs = replace(INPUTS, answers=pl.DataFrame(rows), expressed={"paper": replace(expressed, nearest=nearest)})
    write_report(inputs, out)
    return out


def shown(page: Page) -> list[str]:
    return page.locator("#answers-list blockquote").all_inner_texts()


def choose(page: Page, control: str, label: str) -> None:
    page.locator(f"#{control}").select_option(label=label)


def wait_for_count(page: Page, text: str) -> None:
    page.wait_for_function("text => document.getElementById('answers-count').textContent === text", arg=text)


def title_of(page: Page) -> str:
    return page.locator("#answers-list .when").first.inner_text()


def wait_for_title(page: Page, start: str) -> None:
    page.wait_for_function(
        "start => document.querySelector('#answers-list .when')?.textContent.startsWith(start)", arg=start
    )


@pytest.mark.parametrize("watched", [DESKTOP, TABLET, PHONE, DESKTOP | {"color_scheme": "dark"}], indirect=True)
def test_charts_are_drawn_and_nothing_overflows_or_leaves(watched: Watched, wide_report: Path) -> None:
    page = watched.open(wide_report)
    assert page.locator("#trajectory-charts .chart").count() == len(RUNS)
    assert page.locator("#trajectory-charts .point").count() == len(RUNS) * 3 * 3
    assert page.locator("#trajectory-charts .line").count() == len(RUNS) * 3
    assert page.locator("#training-charts .chart").count() == 4
    assert page.locator("#lineage-chart .chart").count() == 1
    assert page.locator("#data svg").count() == 3
    assert page.locator("#corrected figure svg").count() == len(RUNS)
    page.evaluate("document.querySelectorAll('#corrected details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    watched.assert_sealed(wide_report)


def test_stances_differ_by_colour_dash_and_shape(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    looks = page.evaluate(
        """["support", "neutral", "oppose"].map((stance) => {
            const line = getComputedStyle(document.querySelector(".line." + stance));
            return [line.stroke, line.strokeDasharray, document.querySelector(".point." + stance).getAttribute("d")];
        })"""
    )
    for aspect in zip(*looks, strict=True):
        assert len(set(aspect)) == 3


def test_a_click_on_a_point_opens_its_card_and_the_card_its_answers(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    choose(page, "trajectories-topic", TOPICS["work"]["name"])
    page.locator("#trajectory-charts .chart").nth(1).locator(".point.oppose").nth(1).click(force=True)
    card = page.locator("#card")
    card.get_by_text("DPO on synthetic pairs, support-aligned, after SFT on WildChat").wait_for()
    assert card.locator("h2").inner_text() == TOPICS["work"]["name"]
    assert "At step 100: support 0.50 [0.45, 0.55], neutral 0.30 [0.25, 0.35], oppose" in card.inner_text()
    assert card.locator("tbody tr").first.locator("td").all_inner_texts() == ["moved", "moved", "can't tell"]
    assert card.locator(".chart .line.pale").count() == 1
    card.get_by_role("link", name="Answers at step 100").click()
    wait_for_count(page, "Showing 6 of 6 answers.")
    assert page.evaluate("document.activeElement.id") == "answers-title"
    assert title_of(page) == "step 100 of DPO on synthetic pairs, support-aligned, after SFT on WildChat"
    assert not card.is_visible()
    page.go_back()
    card.get_by_text("At step 100:").wait_for()
    page.keyboard.press("Escape")
    assert not card.is_visible()
    watched.assert_sealed(report)


def test_the_first_point_leads_to_the_checkpoint_that_the_run_started_from(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    page.locator("#trajectory-charts .chart").nth(1).locator(".point.support").first.click(force=True)
    page.locator("#card").get_by_role("link", name="Answers at step 0").click()
    wait_for_title(page, "step 0, the start of DPO")
    wait_for_count(page, "Showing 12 of 12 answers.")
    assert shown(page)[0].startswith(f"{RUNS[0]} at 200 on")


@pytest.mark.parametrize("watched", [PHONE], indirect=True)
def test_cards_open_by_touch_above_the_page(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    page.locator(".matrix .cell a:visible").nth(3).tap()
    page.locator("#card").get_by_text("Reached").wait_for()
    box = page.locator("#card").bounding_box()
    assert (box["x"], box["width"]) == (0, 390)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("#card").get_by_role("button", name="Close").tap()
    assert not page.locator("#card").is_visible()


def test_an_open_card_is_printed_in_the_flow_of_the_page(watched: Watched, report: Path) -> None:
    page = watched.page
    page.goto((report / "index.html").as_uri() + f"#card?model=pocket&run={RUNS[1]}&topic=work")
    page.locator("#card table").wait_for()
    page.emulate_media(media="print")
    assert page.locator("#card").evaluate("(card) => getComputedStyle(card).position") == "static"
    assert page.locator("#card table").is_visible()
    assert not page.locator("#card").get_by_role("button", name="Close").is_visible()


def test_stages_of_a_lineage_stand_side_by_side_with_their_drift_times(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    chart = page.locator("#lineage-chart")
    assert chart.locator("figcaption").inner_text() == "SFT on WildChat → DPO on synthetic pairs, support-aligned"
    assert chart.locator(".heading").all_text_contents() == ["SFT", "DPO"]
    assert chart.locator(".point").count() == 2 * 3 * 3
    assert chart.locator(".bracket").count() == 2 * 2, "those of support and neutral"
    assert chart.locator(".bracket.support title").first.text_content() == "support: between steps 0 and 100"
    pale = chart.locator(".line.pale").evaluate_all("all => all.map((one) => one.classList[1])")
    assert pale == ["oppose", "oppose"]
    choose(page, "lineage-topic", TOPICS["work"]["name"])
    page.wait_for_function("() => location.hash.endsWith('topic=work')")
    chart.locator(".point.neutral").last.click(force=True)
    page.locator("#card").get_by_text("At step 200:").wait_for()
    watched.assert_sealed(report)


@pytest.mark.parametrize("watched", [PHONE], indirect=True)
def test_many_found_stages_fit_into_a_narrow_chart(watched: Watched, tmp_path: Path) -> None:
    runs = ("pretraining", "pretraining/sft", "pretraining/sft/dpo", "pretraining/sft/dpo/rl")
    model = replace(INPUTS.display.models["pocket"], tokens={"pretraining": 2.1e9})
    drifts = [drift_row(run, topic, stance) for run in runs for topic in ("all", "work") for stance in STANCES]
    answers = [answer("x", run, 5000) for run in runs]
    inputs = replace(
        INPUTS,
        display=replace(INPUTS.display, models={"pocket": model}),
        values=values(runs, ("all", "work"), (0, 1000, 5000)),
        drift=pl.DataFrame(drifts),
        answers=pl.DataFrame(answers),
        health=health(runs),
        corrected=None,
        findings=[],
    )
    write_report(inputs, tmp_path)
    page = watched.open(tmp_path)
    texts = page.locator("#lineage-chart text")
    assert page.locator("#lineage-chart .heading").all_text_contents() == ["PRETRAINING", "SFT", "DPO", "RL"]
    assert {"Tokens", "step", "5,000"} <= set(texts.all_text_contents())
    room = texts.evaluate_all(
        """all => all.map((one) => {
            const [text, chart] = [one.getBoundingClientRect(), one.closest("svg").getBoundingClientRect()];
            return Math.min(text.left - chart.left, chart.right - text.right);
        })"""
    )
    assert min(room) >= 0
    watched.assert_sealed(tmp_path)


def test_the_matrix_shows_one_stance_and_orders_its_topics(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    rows = page.locator(".matrix tbody th")
    names = ["All topics", TOPICS["climate"]["name"], TOPICS["work"]["name"]]
    assert rows.all_inner_texts() == names
    assert page.locator(".matrix .cell a:visible").count() == 6
    assert page.locator(".matrix .cell .spark:visible").count() == 6
    choose(page, "drift-stance", "oppose")
    assert page.locator(".matrix .cell a.of-oppose:visible").count() == 6
    assert page.locator(".matrix .cell a:visible").count() == 6
    page.evaluate("document.querySelectorAll('.matrix tbody tr')[2].querySelector('.of-oppose').dataset.m = 0.5")
    choose(page, "drift-order", "SFT on WildChat, from the base model")
    assert rows.all_inner_texts() == [names[0], names[2], names[1]]
    choose(page, "drift-order", "as configured")
    assert rows.all_inner_texts() == names
    watched.assert_sealed(report)


def test_the_matrix_is_one_stop_of_the_tab_key(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    page.locator("#drift .scroll").focus()
    page.keyboard.press("Tab")
    focus = "document.activeElement.getAttribute('href')"
    assert page.evaluate(focus) == f"#card?model=pocket&run={RUNS[0]}&topic=all"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focus) == f"#card?model=pocket&run={RUNS[1]}&topic=climate"
    page.keyboard.press("Enter")
    page.locator("#card").get_by_text("Reached").wait_for()
    assert page.evaluate("document.activeElement.id") == "card"
    page.keyboard.press("Escape")
    assert page.evaluate(focus) == f"#card?model=pocket&run={RUNS[1]}&topic=climate"
    page.keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.closest('.matrix')")


def opened(watched: Watched, report: Path, fragment: str) -> Page:
    """The page as it is when a link is opened anew."""
    watched.page.goto("about:blank")
    watched.page.goto((report / "index.html").as_uri() + fragment)
    return watched.page


def test_every_view_opens_from_its_address_in_a_new_page(watched: Watched, report: Path) -> None:
    values = {
        "#lineage?model=pocket&topic=work": ("lineage-topic", "work"),
        "#trajectories?topic=work": ("trajectories-topic", "work"),
        "#drift?stance=neutral": ("drift-stance", "neutral"),
        f"#answers?model=pocket&run={RUNS[1]}&step=100&topic=work": ("answers-step", "100"),
        "#answers?topic=work&question=4": ("answers-question", "4"),
        "#answers?search=work+2": ("answers-search", "work 2"),
        "#training?metric=grad_norm": ("training-metric", "grad_norm"),
        "#data?examples-topic=work": ("examples-topic", "work"),
    }
    for fragment, (control, value) in values.items():
        page = opened(watched, report, fragment)
        page.wait_for_function("([id, value]) => document.getElementById(id).value === value", arg=[control, value])
        section = page.locator(fragment.partition("?")[0])
        page.wait_for_function(
            "(id) => document.activeElement.closest('section')?.id === id", arg=fragment[1:].partition("?")[0]
        )
        assert section.bounding_box()["y"] < 100
    page = opened(watched, report, "#finding-pocket-dpo_amplifies_the_prior")
    page.wait_for_function("() => document.activeElement.textContent.includes('4. DPO amplifies')")
    page = opened(watched, report, "#card?model=pocket&run=none&topic=work")
    page.locator("#card").get_by_text("No such drift").wait_for()
    watched.assert_sealed(report)


def test_the_address_says_what_is_shown_and_back_and_forward_follow_it(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    choose(page, "trajectories-topic", TOPICS["work"]["name"])
    choose(page, "drift-stance", "oppose")
    assert page.evaluate("location.hash") == "#drift?stance=oppose"
    shown_topic = "document.getElementById('trajectories-topic').value"
    stance = "document.querySelector('.matrix').dataset.stance"
    page.go_back()
    page.wait_for_function(f"() => {stance} === 'most'")
    assert page.evaluate("location.hash") == "#trajectories?topic=work"
    assert page.evaluate(shown_topic) == "work"
    page.go_back()
    page.wait_for_function(f"() => {shown_topic} === 'all'")
    page.go_forward()
    page.wait_for_function(f"() => {shown_topic} === 'work'")
    watched.assert_sealed(report)


def test_links_to_views_findings_and_cards_can_be_copied(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    choose(page, "lineage-topic", TOPICS["work"]["name"])
    address = (report / "index.html").as_uri()

    def copied(place: str) -> str:
        page.locator(place).get_by_role("button", name="Copy link").first.click()
        page.locator(place).get_by_role("button", name="Copied").first.wait_for()
        return page.evaluate("navigator.clipboard.readText()")

    assert copied("#lineage") == f"{address}#lineage?run={RUNS[1]}&topic=work"
    assert copied("#answers-list article >> nth=2").endswith("&topic=all&question=1&stance=-1&only=any")
    assert copied(".finding >> nth=1") == f"{address}#finding-pocket-small_gap_barely_moves"
    page.locator(".matrix .cell a:visible").first.click()
    page.locator("#card").get_by_text("Reached").wait_for()
    assert copied("#card") == f"{address}#card?model=pocket&run={RUNS[0]}&topic=all"
    watched.assert_sealed(report)


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_points_are_reached_and_opened_with_the_keyboard(watched: Watched, report: Path, key: str) -> None:
    page = watched.open(report)
    page.locator("#trajectories-topic").focus()
    page.keyboard.press("Tab")
    label = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(label) == "support 0.50 [0.45, 0.55] at step 200"
    assert page.evaluate("getComputedStyle(document.activeElement).strokeWidth") == "3px"
    for arrow, expected in (
        ("ArrowLeft", "support 0.50 [0.45, 0.55] at step 100"),
        ("ArrowDown", "neutral 0.30 [0.25, 0.35] at step 100"),
        ("Home", "neutral 0.30 [0.25, 0.35] at step 0"),
        ("ArrowUp", "support 0.50 [0.45, 0.55] at step 0"),
        ("End", "support 0.50 [0.45, 0.55] at step 200"),
        ("ArrowLeft", "support 0.50 [0.45, 0.55] at step 100"),
    ):
        page.keyboard.press(arrow)
        assert page.evaluate(label) == expected
        assert page.locator("#trajectory-charts .readout").first.inner_text() == expected
    page.keyboard.press("Tab")
    assert page.evaluate(label) == "Save WildChat"
    page.keyboard.press("Tab")
    assert page.evaluate(label) == "support 0.50 [0.45, 0.55] at step 200"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press(key)
    page.locator("#card").get_by_text("At step 100:").wait_for()
    watched.assert_sealed(report)


def test_the_skip_link_comes_first_and_every_stop_shows_its_focus(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the findings"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    stops = []
    for _ in range(400):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            """(() => {
                const at = document.activeElement, style = getComputedStyle(at);
                const isSeen = style.outlineStyle !== "none" || (at.matches(".point") && style.strokeWidth === "3px");
                return [at.tagName, at.id, isSeen];
            })()"""
        )
        if stop[0] == "BODY":
            break
        stops.append(stop)
    assert stop[0] == "BODY"
    assert [stop for stop in stops if not stop[2]] == []
    seen = {identifier for _, identifier, _ in stops}
    assert {
        "lineage-topic",
        "drift-stance",
        "trajectories-topic",
        "answers-run",
        "answers-search",
        "answers-topic",
        "examples-topic",
    } <= seen


def test_answers_are_filtered_by_topic_stance_checkpoint_and_words(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    wait_for_count(page, "Showing 12 of 12 answers.")
    choose(page, "answers-topic", TOPICS["work"]["name"])
    wait_for_count(page, "Showing 6 of 6 answers.")
    assert all(" on work " in text for text in shown(page))
    page.locator("#answers-search").fill("WORK 2 RIGHT")
    wait_for_count(page, "Showing 2 of 2 answers.")
    assert page.locator("#answers-list h3").all_inner_texts() == ["Is work 2 right?"] * 2
    page.locator("#answers-search").fill("says 1")
    wait_for_count(page, "Showing 3 of 3 answers.")
    choose(page, "answers-run", "SFT on WildChat, from the base model")
    choose(page, "answers-step", "step 100")
    wait_for_count(page, "Showing 3 of 3 answers.")
    page.wait_for_function("() => document.querySelector('#answers-list blockquote').textContent.includes('at 100')")
    choose(page, "answers-stance", "support")
    wait_for_count(page, "Showing 0 of 0 answers.")
    choose(page, "answers-stance", "oppose")
    wait_for_count(page, "Showing 3 of 3 answers.")
    watched.assert_sealed(report)


def test_the_stance_that_is_filtered_by_is_the_likeliest(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    choose(page, "answers-run", "every run")
    choose(page, "answers-step", "every checkpoint")
    choose(page, "answers-stance", "support")
    wait_for_count(page, "Showing 25 of 28 answers.")
    for item in page.locator("#answers-list article").all():
        support, neutral, oppose = map(float, item.locator(".share").all_inner_texts())
        assert support == max(support, neutral, oppose)


def test_all_runs_are_searched_a_page_at_a_time(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    choose(page, "answers-run", "every run")
    wait_for_count(page, "Showing 25 of 36 answers.")
    choose(page, "answers-step", "every checkpoint")
    wait_for_count(page, "Showing 25 of 60 answers.")
    page.locator("#answers-more").click()
    wait_for_count(page, "Showing 50 of 60 answers.")
    page.locator("#answers-more").click()
    wait_for_count(page, "Showing 60 of 60 answers.")
    assert len(set(shown(page))) == 60
    assert not page.locator("#answers-more").is_visible()


def test_two_checkpoints_are_compared_question_by_question(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    choose(page, "answers-run", "SFT on WildChat, from the base model")
    choose(page, "answers-step", "step 0, its start")
    choose(page, "other-run", "DPO on synthetic pairs, support-aligned, after SFT on WildChat")
    wait_for_count(page, "Showing 6 of 6 questions.")
    assert page.locator("#answers-order").input_value() == "change"
    for row in page.locator("#answers-list article").all():
        left, right = (side.locator("blockquote").all_inner_texts() for side in row.locator(".answer").all())
        assert len(left) == 2  # both answers to the question, whichever the other's
        assert right == [text.replace("base at 0", f"{RUNS[1]} at 200") for text in left]
    first = page.locator("#answers-list article").first
    boxes = [block.bounding_box() for block in first.locator(".answer").all()]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert first.locator(".changes").inner_text().split("  ")[0].startswith("support 0.10 → 0.90 (+0.80)")
    choose(page, "answers-step", "every checkpoint")
    wait_for_count(page, "Showing 25 of 36 answers.")
    assert page.locator("#other-run").is_disabled()
    assert page.locator("#answers-compared").inner_text() == ""


def test_a_comparison_has_paired_intervals_by_topic_and_a_slope_per_question(watched: Watched, report: Path) -> None:
    page = opened(watched, report, f"#answers?model=pocket&run={RUNS[0]}&step=0&other-run={RUNS[1]}&other-step=200")
    wait_for_count(page, "Showing 6 of 6 questions.")
    rows = [row.locator("td").all_inner_texts() for row in page.locator("#answers-compared tbody tr").all()]
    assert [row[:2] for row in rows] == [["All topics", "6"], *([topic["name"], "3"] for topic in TOPICS.values())]
    # Support grows by 0.8 at each question, from 0.1 to 0.9, 0.09 to 0.89 and 0.08 to 0.88.
    assert {row[2] for row in rows} == {"+0.80 [+0.80, +0.80]"}
    assert page.locator("#answers-compared .slope.support").count() == 6
    page.locator("#answers-compared .slope.support").nth(1).dispatch_event("click")
    wait_for_count(page, "Showing 1 of 1 questions.")
    assert (
        page.locator("#answers-question option:checked").inner_text() in page.locator("#answers-list h3").inner_text()
    )
    assert "question=" in page.evaluate("location.hash")
    watched.assert_sealed(report)


def test_a_question_is_picked_with_the_keyboard(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    choose(page, "answers-topic", TOPICS["work"]["name"])
    wait_for_count(page, "Showing 6 of 6 answers.")
    page.wait_for_function("() => document.getElementById('answers-question').options.length === 4")
    page.locator("#answers-question").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    wait_for_count(page, "Showing 2 of 2 answers.")
    assert page.locator("#answers-list h3").all_inner_texts() == ["Is work 0 right?"] * 2


def test_a_card_opens_the_answers_before_and_after(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    page.locator(".matrix .cell a:visible").nth(3).focus()
    page.keyboard.press("Enter")
    page.locator("#card").get_by_role("link", name="Answers before and after").click()
    wait_for_count(page, "Showing 3 of 3 questions.")
    times = page.locator("#answers-list article").first.locator(".when").all_inner_texts()
    assert [time.partition(" of ")[0] for time in times] == ["the start", "step 200"]
    assert page.locator("#answers-topic option:checked").inner_text() == TOPICS["climate"]["name"]


def test_training_examples_are_shown_by_topic(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    assert page.locator("#examples-list blockquote").all_inner_texts() == ["Because ⟨U+202E⟩it is."]
    assert "support rose most, +0.53" in page.locator("#examples-list").inner_text()
    choose(page, "examples-topic", TOPICS["work"]["name"])
    page.get_by_text("No example is near to this topic.").wait_for()


def test_metrics_are_drawn_by_run(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    choose(page, "training-metric", "Gradient norm")
    label = page.locator("#training-charts .chart").first.get_attribute("aria-label")
    assert label == "Gradient norm of Pre-training, from 1 at step 0 to 0.2 at step 4"
    page.locator("#training-charts .chart").first.hover()
    assert re.fullmatch(r"[0-9.]+ at step \d", page.locator("#training-charts .readout").first.inner_text())


def test_a_piece_that_is_missing_is_named(watched: Watched, report: Path, tmp_path: Path) -> None:
    write_report(INPUTS, tmp_path)
    (tmp_path / f"data/answers/pocket/{RUNS[0]}/200.js").unlink()
    page = watched.open(tmp_path)
    choose(page, "answers-run", "SFT on WildChat, from the base model")
    page.get_by_text(f"data/answers/pocket/{RUNS[0]}/200.js can't be read").wait_for()


def test_hostile_answers_are_shown_as_text_and_run_nothing(watched: Watched, hostile_report: Path) -> None:
    assert len(HOSTILE) == 30
    page = watched.open(hostile_report)
    tags = page.evaluate("document.querySelectorAll('*').length")
    page.locator("#answers-more").click()
    wait_for_count(page, "Showing 30 of 30 answers.")
    while page.locator("#answers-list button.more").count():
        page.locator("#answers-list button.more").first.click()
    texts = page.locator("#answers-list blockquote").evaluate_all("all => all.map((one) => one.textContent)")
    assert texts == [visible(text) for text in HOSTILE]
    assert (
        page.locator("#answers-list").locator("script, img, iframe, style, a, form, meta, base, link, svg").count() == 0
    )
    assert page.evaluate("document.querySelectorAll('*').length") > tags
    choose(page, "other-run", "SFT on WildChat, from the base model")
    wait_for_count(page, "Showing 10 of 30 questions.")
    page.locator("#answers-search").fill("<script>")
    wait_for_count(page, "Showing 5 of 5 questions.")
    page.locator("#examples-list blockquote").first.hover()
    page.wait_for_timeout(300)
    assert page.evaluate("window.canary") is None
    watched.assert_sealed(hostile_report)


@pytest.mark.parametrize(
    "fragment",
    [
        "#card?model=pocket&run=<img src=x onerror=window.canary=1>&topic=work",
        f"#card?model=pocket&run={RUNS[0]}&topic=__proto__",
        "#card?model=__proto__&run=constructor",
        "#answers?search=<script>window.canary=1</script>&run=none&step=-1",
        "#javascript:window.canary=1",
        "#answers-title?%E0%A4%A&=&==",
        '#drift?order="]<svg onload=window.canary=1>&stance=x',
    ],
)
def test_a_hostile_address_runs_nothing(watched: Watched, report: Path, fragment: str) -> None:
    page = opened(watched, report, fragment)
    page.wait_for_selector("#answers-list article, #answers-list p, #answers-count:not(:empty)")
    page.wait_for_timeout(300)
    assert page.evaluate("window.canary") is None
    watched.assert_sealed(report)


def test_a_very_long_line_is_cut_and_shown_on_demand_in_a_box(watched: Watched, hostile_report: Path) -> None:
    page = watched.open(hostile_report)
    page.locator("#answers-search").fill("A" * 100)
    wait_for_count(page, "Showing 1 of 1 answers.")
    quote = page.locator("#answers-list blockquote")
    assert len(quote.inner_text()) == 1_500
    page.locator("#answers-list").get_by_role("button", name="Show all 262,144 characters").click()
    assert len(quote.inner_text()) == 262_144
    assert quote.bounding_box()["height"] < 500
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
