"""Licence, citation and changes say the same of this version."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import yaml

import valuedrift

REPOSITORY = Path(__file__).parents[2]
CITATION = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())


def test_the_licence_is_apache_2_unchanged() -> None:
    words = " ".join((REPOSITORY / "LICENSE").read_text().split())
    digest = hashlib.sha256(words.encode()).hexdigest()
    assert digest == "0ffddef9e48f8a09aed5caf2d44f7ba1c1be2d9b8e0a6f693b1635b2d5566645"


def test_the_licence_is_named_everywhere() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["license"] == CITATION["license"] == "Apache-2.0"


def test_the_version_is_the_same_everywhere() -> None:
    changes = (REPOSITORY / "CHANGELOG.md").read_text()
    assert CITATION["version"] == valuedrift.__version__
    assert f"\n## {valuedrift.__version__}\n" in changes


def test_the_paper_is_cited_with_its_authors() -> None:
    (paper,) = CITATION["references"]
    assert paper["title"] == "Value Drifts: Tracing Value Alignment During LLM Post-Training"
    assert paper["identifiers"][0]["value"] == "arXiv:2510.26707"
    names = ["Bhatia", "Nayak", "Kamath", "Mosbach", "Stańczak", "Shwartz", "Reddy"]
    assert [author["family-names"] for author in paper["authors"]] == names


def test_the_readme_cites_the_same() -> None:
    cited = (REPOSITORY / "README.md").read_text().partition("```bibtex\n")[2]
    (paper,) = CITATION["references"]
    plain = " ".join(cited.replace("{\\'n}", "ń").replace("{LLM}", "LLM").split())
    authors = " and ".join(f"{one['family-names']}, {one['given-names']}" for one in paper["authors"])
    assert f"title = {{{paper['title']}}}, author = {{{authors}}}, year = {{{paper['year']}}}" in plain
    assert f"version = {{{CITATION['version']}}}" in plain
