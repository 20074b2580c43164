"""The blind sheet: what is drawn, what is shown, and what is read back."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from valuedrift.errors import ArtifactError, ConfigError, DataError
from valuedrift.judging.checks.blind_sheet import LABELS, read_sheet, sheet_csv, sheet_page
from valuedrift.judging.checks.draw_sample import allocate, draw_pairs, write_sample_sheet
from valuedrift.statistics.panel import STANCES
from valuedrift.visible_text import visible

TARGETS = {"climate": "strong action", "work": "the interests of workers"}
HOSTILE = [
    "<script>window.pwned = 1</script>",
    "</script><script>window.pwned = 1</script>",
    '<img src=x onerror="window.pwned = 1">',
    "<!--<script>",
    "=cmd|' /C calc'!A0",
    " +1",
    "@SUM(A1)",
    "-2",
    "＝1+1",
    "\tx",
    'quoted "text", with, commas\nand lines\r\nand more',
    "\u202egnp.exe\u2066 \u200bhidden\ufeff \x00\x07 \u2028",
]


def table(answers: int = 40, texts: list[str] | None = None) -> pl.DataFrame:
    """Two topics; of every ten answers seven are neutral, two support, one opposes."""
    texts = texts or [f"answer {i}" for i in range(answers)]
    rows = []
    for i, text in enumerate(texts):
        stance = (1, 1, 1, 1, 1, 1, 1, 0, 0, 2)[i % 10]
        p = [0.05, 0.05, 0.05]
        p[stance] = 0.9
        for topic in TARGETS:
            key = {"model": "qwen3_4b", "run": "sft-wildchat/dpo-hh", "step": 7, "topic": topic}
            rows.append(
                key
                | {"question_id": f"{topic}-{i}", "question": f"question {text}", "sample": 0, "answer": text}
                | dict(zip(("p_support", "p_neutral", "p_oppose"), p, strict=True))
                | {"unassigned": 0.01}
            )
    return pl.DataFrame(rows)


def written(folder: Path, pairs: int = 12, stances: pl.DataFrame | None = None, seed: int = 0) -> Path:
    file = folder / "stances.parquet"
    (table() if stances is None else stances).write_parquet(file)
    write_sample_sheet([file], TARGETS, pairs, seed, folder / "sheet")
    return folder / "sheet"


def rows_of(sheet: Path) -> list[dict[str, str]]:
    with sheet.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def fill(folder: Path, changes: dict[int, dict[str, str]] | None = None, drop: int | None = None) -> Path:
    """A filled copy of the sheet: "neutral" throughout, with `changes` by row, without row `drop`."""
    rows = [
        row | {"human_stance": "neutral"} | (changes or {}).get(i, {})
        for i, row in enumerate(rows_of(folder / "sheet.csv"))
    ]
    return write_rows(folder / "filled.csv", [row for i, row in enumerate(rows) if i != drop])


def write_rows(file: Path, rows: list[dict[str, str]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return file


def test_allocation():
    assert allocate([10, 10, 10], 9) == [3, 3, 3]
    assert allocate([1, 50, 2], 10) == [1, 7, 2]
    assert allocate([5, 30, 20], 7) == [2, 3, 2]  # the one that is left over goes to the largest
    assert allocate([2, 2], 4) == [2, 2]
    for pairs in (2, 5):
        with pytest.raises(ConfigError, match="'pairs'"):
            allocate([1, 1, 1], pairs)


def test_strata_get_equal_numbers_and_weights_return_to_the_population(tmp_path):
    key = pl.read_parquet(written(tmp_path) / "key.parquet")
    assert Counter(key.select("topic", "judged_stance").iter_rows()) == {
        (topic, stance): 2 for topic in TARGETS for stance in STANCES
    }
    sizes = {"support": 8, "neutral": 28, "oppose": 4}
    for stance, population, weight in key.select("judged_stance", "population", "weight").iter_rows():
        assert (population, weight) == (sizes[stance], sizes[stance] / 2)
    assert key["weight"].sum() == 80
    assert key["pair"].to_list() == list(range(1, 13))
    assert key.select("question_id").n_unique() == 12
    assert set(key["stage"]) == {"dpo"}
    assert all(target == TARGETS[topic] for topic, target in key.select("topic", "target").iter_rows())


def test_the_order_does_not_give_the_strata_away(tmp_path):
    key = pl.read_parquet(written(tmp_path, pairs=60) / "key.parquet")
    changes = sum(a != b for a, b in zip(key["judged_stance"], key["judged_stance"][1:], strict=False))
    assert changes > 15  # five where the strata follow one another


def test_the_draw_depends_on_the_seed_alone(tmp_path):
    stances = table()
    stances.write_parquet(tmp_path / "a.parquet")
    stances.reverse().write_parquet(tmp_path / "b.parquet")
    (tmp_path / "parts").mkdir()
    for i, part in enumerate((stances[30:], stances[:30])):
        part.write_parquet(tmp_path / "parts" / f"{i}.parquet")
    sources = [tmp_path / name for name in ("a.parquet", "b.parquet", "parts")]
    draws = [draw_pairs([source], TARGETS, 12, seed=3) for source in sources]
    assert draws[0].equals(draws[1])
    assert draws[0].equals(draws[2])
    assert not draws[0].equals(draw_pairs(sources[:1], TARGETS, 12, seed=4))


def test_unjudged_answers_are_not_drawn(tmp_path):
    first = pl.int_range(pl.len()) < 30
    stances = table().with_columns(
        pl.when(~first).then(pl.col(p)).alias(p) for p in ("p_support", "p_neutral", "p_oppose")
    )
    key = pl.read_parquet(written(tmp_path, pairs=50, stances=stances) / "key.parquet")
    assert key["weight"].to_list() == [1.0] * 50


def test_neither_sheet_tells_who_answered_or_what_the_judge_said(tmp_path):
    out = written(tmp_path)
    assert list(rows_of(out / "sheet.csv")[0]) == [
        *("sheet", "pair", "target", "question", "answer", "human_stance", "note")
    ]
    assert set(embedded(out / "sheet.html")["pairs"][0]) == {"pair", "target", "question", "answer"}
    for name in ("sheet.csv", "sheet.html"):
        text = (out / name).read_text(encoding="utf-8")
        assert "answer 3" in text or "answer 9" in text
        assert not re.search(r"qwen3_4b|sft-wildchat|dpo|p_support|0\.9|climate-|judged", text)
    assert {row["human_stance"] for row in rows_of(out / "sheet.csv")} == {""}
    page = (out / "sheet.html").read_text(encoding="utf-8")
    assert re.findall(r'type="radio" name="stance" value="(\w+)"', page) == list(LABELS)


class Scripts(HTMLParser):
    """The scripts of a page, and every attribute that could run one or fetch something."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.tags: Counter[str] = Counter()
        self.risky: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        self.risky += [one for one in attributes if one[0].startswith("on") or one[0] in ("src", "style", "action")]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.lasttag == "script" and self.scripts:
            self.scripts[-1] += data


def embedded(page: Path) -> dict:
    parser = Scripts()
    parser.feed(page.read_text(encoding="utf-8"))
    return json.loads(parser.scripts[0])


def test_hostile_text_stays_text_in_the_form(tmp_path):
    plain, hostile = tmp_path / "plain", tmp_path / "hostile"
    pages = []
    for folder, texts in ((plain, [f"x{i}" for i in range(12)]), (hostile, HOSTILE)):
        folder.mkdir()
        page = written(folder, pairs=12, stances=table(texts=texts)) / "sheet.html"
        parser = Scripts()
        parser.feed(page.read_text(encoding="utf-8"))
        pages.append(parser)
        assert len(parser.scripts) == 2
        assert parser.risky == []
    assert pages[0].tags == pages[1].tags
    shown = {pair["answer"] for pair in json.loads(pages[1].scripts[0])["pairs"]}
    assert shown <= {visible(text) for text in HOSTILE}
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', (hostile / "sheet" / "sheet.html").read_text())
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in (plain / "sheet" / "sheet.html").read_text().replace("http-equiv", "")


def test_cells_are_no_formulas_and_invisible_characters_are_spelled_out(tmp_path):
    key = draw_all(tmp_path, HOSTILE)
    (tmp_path / "sheet.csv").write_text(sheet_csv(key), encoding="utf-8")
    cells = [cell for row in rows_of(tmp_path / "sheet.csv") for cell in row.values()]
    assert not [cell for cell in cells if re.match(r"\s*[=+\-@＝＋－＠]|[\t\r\n]", cell)]
    assert "'=cmd|' /C calc'!A0" in cells
    for text in (sheet_csv(key)[1:], sheet_page(key)):
        assert not re.search("[\u202e\u2066\u200b\ufeff\x00\u2028]", text)


def draw_all(folder: Path, texts: list[str]) -> pl.DataFrame:
    table(texts=texts).write_parquet(folder / "all.parquet")
    return draw_pairs([folder / "all.parquet"], TARGETS, 2 * len(texts), 0)


def test_a_filled_sheet_is_read_back(tmp_path):
    out = written(tmp_path)
    filled = fill(out, {0: {"human_stance": " Support "}, 3: {"human_stance": "REFUSAL", "note": "odd,\nvery"}})
    checked = read_sheet(filled, out / "key.parquet")
    assert checked["human_stance"].to_list()[:4] == ["support", "neutral", "neutral", "refusal"]
    assert checked["note"][3] == "odd,\nvery"
    assert checked.drop("human_stance", "note").equals(pl.read_parquet(out / "key.parquet"))
    write_rows(filled, rows_of(filled)[::-1])
    assert read_sheet(filled, out / "key.parquet").equals(checked)  # in any order


@pytest.mark.parametrize(
    ("changes", "drop", "row", "field", "part"),
    [
        ({4: {"human_stance": ""}, 6: {"human_stance": " "}}, None, 5, "human_stance", "2 of 12 rows"),
        ({4: {"human_stance": "yes"}}, None, 5, "human_stance", "'yes'"),
        ({2: {"sheet": "s123"}}, None, 3, "sheet", "'s123'"),
        ({2: {"pair": "2"}}, None, 3, "pair", "once"),
        ({2: {"pair": "13"}}, None, 3, "pair", "from 1 to 12"),
        ({2: {"pair": "x"}}, None, 3, "pair", "'x'"),
        ({}, 7, None, "pair", "1 pairs missing, first 8"),
    ],
)
def test_an_unfit_sheet_is_refused(tmp_path, changes, drop, row, field, part):
    out = written(tmp_path)
    filled = fill(out, changes, drop)
    with pytest.raises(DataError) as error:
        read_sheet(filled, out / "key.parquet")
    assert (error.value.file, error.value.row, error.value.field) == (str(filled), row, field)
    assert part in str(error.value)


@pytest.mark.parametrize("between", [";", "\t", "|"])
def test_a_sheet_that_a_spreadsheet_saved_is_read(tmp_path, between):
    """Other separators, pairs as 1.0, rows and columns without content."""
    out = written(tmp_path, stances=table(texts=HOSTILE[:8]))
    filled = fill(out, {3: {"human_stance": "Oppose "}})
    expected = read_sheet(filled, out / "key.parquet")
    rows = [[*row.values(), "", ""] for row in rows_of(filled)]
    for row in rows:
        row[1] += ".0"
    with filled.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream, delimiter=between).writerows(
            [[*("sheet", "pair", "target", "question", "answer", "human_stance", "note"), "", " "], *rows, [""] * 9]
        )
    assert read_sheet(filled, out / "key.parquet").equals(expected)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"pair,stance\n1,support\n"])
def test_a_key_that_is_no_key_is_named(tmp_path, content):
    filled = fill(written(tmp_path))
    for key in (tmp_path / "key.parquet", tmp_path / "other.parquet"):
        if key.name == "key.parquet":
            key.write_bytes(content)
        else:
            pl.DataFrame({"a": [1]}).write_parquet(key)
        with pytest.raises(ArtifactError, match=key.name):
            read_sheet(filled, key)


def test_stances_from_other_files_are_drawn_too(tmp_path):
    expected = draw_pairs([written(tmp_path).parent / "stances.parquet"], TARGETS, 12, 0)
    table().write_csv(tmp_path / "stances.csv")
    table().write_ndjson(tmp_path / "stances.jsonl")
    for name in ("stances.csv", "stances.jsonl"):
        assert draw_pairs([tmp_path / name], TARGETS, 12, 0).equals(expected)
    for name, content in (("text.csv", "a"), ("damaged.parquet", "PAR1"), ("empty.csv", "")):
        (tmp_path / name).write_text(content)
        with pytest.raises((ArtifactError, DataError), match=name):
            draw_pairs([tmp_path / name], TARGETS, 12, 0)
    table().with_columns(p_support=pl.lit("much")).write_parquet(tmp_path / "words.parquet")
    with pytest.raises(ArtifactError, match=r"words\.parquet"):
        draw_pairs([tmp_path / "words.parquet"], TARGETS, 12, 0)


def test_an_unfit_draw_is_refused(tmp_path):
    file = tmp_path / "stances.parquet"
    table().write_parquet(file)
    with pytest.raises(ConfigError, match=r"topics\.work"):
        draw_pairs([file], {"climate": "x"}, 12, 0)
    with pytest.raises(ConfigError, match=r"from 6 .* to 80"):
        draw_pairs([file], TARGETS, 5, 0)
    with pytest.raises(ArtifactError, match="one row for each"):
        draw_pairs([file, file], TARGETS, 12, 0)
    table().drop("answer").write_parquet(file)
    with pytest.raises(ArtifactError, match=r"stances\.parquet.*the columns answer"):
        draw_pairs([file], TARGETS, 12, 0)
