"""A table's Markdown, CSV and LaTeX."""

from __future__ import annotations

import re
import shutil
import subprocess

import polars as pl
import pytest

from valuedrift.files import write_text
from valuedrift.paper.latex import latex_text
from valuedrift.paper.table_formats import Table, header_rows, latex, latex_document, markdown, write_tables

HOSTILE = r"50% of A&B_c #1 {x} ~ ^ $5 \input{/etc/passwd} <b> | [z]"
WIDE = Table(
    "wide",
    "Drift, η & M",
    pl.DataFrame(
        {
            "Topic": ["Work", HOSTILE],
            "WildChat / support / M": ["-0.02", "+0.38"],
            "WildChat / support / η": ["no drift", "0.09"],
            "Alpaca / support / M": ["—", "0.00"],
        }
    ),
)
HOSTILE_ANSWERS = [
    HOSTILE,
    '=HYPERLINK("https://example.org")',
    "![x](https://example.org/x.png) [y](javascript:alert(1)) <script>alert(1)</script> ~~gone~~ $x$",
    "right\u202eto left, zero\u200bwidth, line\nbreak\ttab",
    "Zürich, naïve, Łódź, 中文, \U0001f600, €, “quoted” — “dashed” …",
    "A" * 3000,
    r"\end{longtable}\immediate\write18{id}^^41",
    "?` !` -- ' \" `",
]
PROSE = Table(
    "prose",
    "Table 5. Answers",
    pl.DataFrame({"Model": ["-1"] * 8, "Text": HOSTILE_ANSWERS, "M": ["-0.02"] * 8}),
    ("A note, with 50 %.",),
    ("Text",),
)
LONG = Table("long", "Many rows", pl.DataFrame({"run": [f"sft-{n}" for n in range(60)], "low": [0.12345] * 60}))


def columns(line: str) -> int:
    """How many columns a line of a LaTeX table body fills."""
    cells = re.split(r"(?<!\\)&", line)
    return sum(int(found[1]) if (found := re.search(r"\\multicolumn\{(\d+)\}", cell)) else 1 for cell in cells)


def test_header_levels_span_their_columns():
    assert header_rows(WIDE.frame.columns) == [
        [("", 1), ("WildChat", 2), ("Alpaca", 1)],
        [("", 1), ("support", 2), ("support", 1)],
        [("Topic", 1), ("M", 1), ("η", 1), ("M", 1)],
    ]


def test_markdown_escapes_and_sets_minus_signs():
    lines = markdown(WIDE).splitlines()
    assert lines[2] == "| Topic | WildChat · support · M | WildChat · support · η | Alpaca · support · M |"
    assert lines[4] == "| Work | −0.02 | no drift | — |"
    assert lines[5].startswith(r"| 50% of A&B_c #1 {x} ~ ^ $5 \\input{/etc/passwd} &lt;b> \| [z] |")


def test_csv_keeps_numbers_that_programs_read(tmp_path):
    write_tables([WIDE, LONG], tmp_path)
    assert pl.read_csv(tmp_path / "wide.csv")["WildChat / support / M"].to_list() == [-0.02, 0.38]
    assert pl.read_csv(tmp_path / "long.csv")["low"][0] == 0.12345


def test_prose_means_nothing_to_markdown():
    lines = markdown(PROSE).splitlines()
    assert lines[6].startswith("| −1 | !&#91;x&#93;(https&#58;//example.org/x.png) &#91;y&#93;(javascript")
    assert "&#60;script&#62;" in lines[6]
    assert not re.search(r"[<>\[\]`$~]", "".join(lines[4:12]))
    assert lines[7] == "| −1 | right⟨U+202E⟩to left, zero⟨U+200B⟩width, line break tab | −0.02 |"
    assert lines[-1] == "A note, with 50 %."


def test_prose_is_no_formula_and_other_cells_stay_numbers(tmp_path):
    write_tables([PROSE], tmp_path)
    found = pl.read_csv(tmp_path / "prose.csv")
    assert found["Text"][1] == '\'=HYPERLINK("https://example.org")'
    assert found["Text"][3].splitlines() == ["right⟨U+202E⟩to left, zero⟨U+200B⟩width, line", "break\ttab"]
    assert found["M"].to_list() == [-0.02] * 8


def test_captions_keep_the_papers_numbers_in_latex():
    assert r"\setcounter{table}{4}" in latex(PROSE)
    assert r"\caption{Answers}\label{tab:prose}" in latex(PROSE)
    assert r"\caption*{Many rows}" in latex(LONG)


def test_each_table_has_its_three_files(tmp_path):
    written = write_tables([WIDE], tmp_path / "tables")
    assert [path.name for path in written] == ["wide.md", "wide.csv", "wide.tex"]
    assert all(path.stat().st_size for path in written)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("A&B_c", r"A\&B\_c"),
        ("50% #1 $5", r"50\% \#1 \$5"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("−0.02 η —", r"$-$0.02 $\eta$ ---"),
        ("a\u202eb\x00", "ab"),
        ("é ß Ł ç", r"\'{e} \ss{} \L{} \c{c}"),
        ("中", r"{[}U+4E2D{]}"),
        ("a" * 40, "a" * 30 + r"\hspace{0pt}" + "a" * 10),
    ],
)
def test_latex_escapes(text, escaped):
    assert latex_text(text) == escaped


def test_every_line_of_a_latex_table_has_the_same_number_of_columns():
    lines = [line for line in latex(WIDE).splitlines() if line.endswith(r"\\")]
    assert len(lines) == 5
    assert {columns(line) for line in lines} == {4}
    assert r"\cmidrule(lr){2-3}\cmidrule(lr){4-4}" in latex(WIDE)
    assert all(rule in latex(WIDE) for rule in (r"\toprule", r"\midrule", r"\bottomrule"))


def test_a_table_that_fits_no_page_breaks_over_pages():
    assert r"\begin{longtable}" in latex(LONG)
    assert r"\begin{longtable}" not in latex(WIDE)
    assert "0.123" in latex(LONG)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(tmp_path):
    write_tables([WIDE, PROSE, LONG], tmp_path)
    write_text(tmp_path / "tables.tex", latex_document(["wide", "prose", "long"]))
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "tables.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:]
    assert "Overfull" not in run.stdout
