"""A table's Markdown, CSV and LaTeX."""

from __future__ import annotations

import re
import shutil
import subprocess

import polars as pl
import pytest

from valuedrift.reporting.table_files import Table, header_rows, latex, latex_text, markdown, write_tables

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
    write_tables([WIDE, LONG], tmp_path)
    packages = r"\usepackage{booktabs,graphicx,longtable,pdflscape}"
    body = rf"\documentclass{{article}}{packages}\begin{{document}}\input{{wide}}\input{{long}}\end{{document}}"
    (tmp_path / "main.tex").write_text(body)
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "main.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:]
