"""Every command, configuration snippet and link of the documentation works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from doubles import forks
from safetensors.numpy import save_file

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "README.md"
PAGES = [README, REPOSITORY / "config/README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
WORKFLOW = ("Snakefile", "rules", "envs", "profiles", "workflow_config.yaml")

_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", flags=re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
# Variables, then the program: `NAME=value snakemake …`.
_SNAKEMAKE = re.compile(r"(\w+=\S+ )*snakemake ")
# Instead of being started, a program's words and variables are printed.
_STARTED = """start() { printf '%s\\0' "$@" ''; env -0; }
snakemake() { start snakemake "$@"; }
valuedrift() { start valuedrift "$@"; }
"""


def blocks(page: Path) -> list[tuple[str, str]]:
    """Fenced blocks of a page as (language, text), in its order."""
    return [(language, text) for _, language, text in _BLOCK.findall(page.read_text())]


def commands() -> Iterator[tuple[str, str]]:
    """Every line of a page's `bash` blocks, and the configuration snippet before it if the line names its file.

    The README's lines are run in their order.
    """
    for page in PAGES[1:]:
        snippet = ""
        for language, text in blocks(page):
            if language == "yaml":
                snippet = text
            elif language == "bash":
                for line in map(str.strip, text.splitlines()):
                    yield line, snippet if "--configfile mine.yaml" in line else ""


COMMANDS = list(dict.fromkeys(commands()))
SCRIPTS = [(f"./scripts/{name}", "") for name in ("setup", "test", "test-all")]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workflow without results, its profiles linked as the set-up links them."""
    folder = tmp_path_factory.mktemp("copy")
    for name in WORKFLOW:
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    for profile in ("local", "gpus", "slurm"):
        (folder / profile).symlink_to(f"profiles/{profile}")
    for name in ("tests/tutorial", "mine"):
        shutil.copytree(REPOSITORY / "tests/tutorial", folder / name)
    real = yaml.safe_load((REPOSITORY / "workflow_config.yaml").read_text())["suites"]["real"]
    files = [real["probes"]["file"], *(file for entry in real["data"].values() for file in entry["files"])]
    for file in files:
        data = Path(file.replace("$VALUEDRIFT_DATA", str(folder / "home/data")))
        data.parent.mkdir(parents=True, exist_ok=True)
        data.touch()
    (folder / "config").mkdir()
    shutil.copy(REPOSITORY / "config/trajectories.yaml", folder / "config")
    for model in ("models/base", "runs/sft/checkpoint-10", "runs/sft/checkpoint-20", "runs/dpo/checkpoint-5"):
        (folder / model).mkdir(parents=True)
        (folder / model / "config.json").write_text("{}")
        save_file({"weight": np.zeros(1)}, folder / model / "model.safetensors")
    # Something to verify and to pack.
    succeed(folder, "valuedrift configuration --settings '{}' --out results/tables/table_1.csv")
    return folder


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """What a shell makes of a command; the program that it would start runs in a fork."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(folder / "home")}
    done = subprocess.run(
        ["bash", "-c", _STARTED + command], capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    words, is_program, variables = done.stdout.partition("\0\0")
    if not is_program:
        return done
    pairs = (variable.split("=", 1) for variable in variables.removesuffix("\0").split("\0"))
    return forks.run(words.split("\0"), folder, dict(pairs))


def succeed(folder: Path, command: str) -> str:
    """What a command that ends well prints."""
    done = run(folder, command)
    assert done.returncode == 0, command + done.stdout[-4000:] + done.stderr[-8000:]
    return done.stdout + done.stderr


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone, whose set-up finds an environment: commands in .venv that run those of this one."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name, follow_symlinks=False)
    commands = tmp_path / ".venv/bin"
    commands.mkdir(parents=True)
    (commands / "python").symlink_to(sys.executable)
    (commands / "activate").write_text(f'PATH="{commands}:$PATH"')
    for name in ("snakemake", "valuedrift"):
        options = ' ${DRY-} "$@"' if name == "snakemake" else ' "$@"'
        (commands / name).write_text(f"#!/usr/bin/env bash\nexec {sys.executable} -m {name}{options}\n")
        (commands / name).chmod(0o755)
    state = 'echo "$(cat pyproject.toml constraints.txt | sha256sum) $(readlink -f .venv/bin/python) $PWD"'
    subprocess.run(["bash", "-c", f"{state} > .venv/.setup"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize("dry", [pytest.param("-n", id="dry"), pytest.param("", id="real", marks=pytest.mark.slow)])
def test_the_readme_works_as_typed(dry: str, clone: Path) -> None:
    """Its blocks in their order, in one shell; only the clone itself is made beforehand."""
    parts = {"bash": "{}", "yaml": "cat > mine.yaml <<'END'\n{}END\n"}
    script = "\n".join(parts[language].format(text) for language, text in blocks(README) if language in parts)
    variables = {**os.environ, "DRY": dry, "PYTHONPATH": str(clone / "src"), "PYTHON": "false"}
    command = ["bash", "-exo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False, env=variables)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "training of pocket/sft-helpful: " in done.stdout
    assert "Installing" not in done.stderr
    if not dry:
        assert (clone / "results/report/index.html").is_file()
        assert (clone / "results/stances/pocket/sft-helpful.parquet").is_file()


@pytest.mark.parametrize(("command", "snippet"), COMMANDS + SCRIPTS)
def test_a_command_works(command: str, snippet: str, copy: Path) -> None:
    if "$VALUEDRIFT_DATA" in command and command.startswith("valuedrift") and not os.environ.get("VALUEDRIFT_DATA"):
        pytest.skip("VALUEDRIFT_DATA names no folder of real slices")
    if command.startswith("./"):
        assert os.access(REPOSITORY / command, os.X_OK)
        command = f"bash -n {REPOSITORY / command}"
    elif _SNAKEMAKE.match(command):
        (copy / "mine.yaml").write_text(snippet)
        if "--unlock" not in command:
            command = re.sub(r"\bsnakemake\b", "snakemake -n", command, count=1)
    else:
        assert command.startswith(("valuedrift ", "cp "))
    succeed(copy, command)


@pytest.mark.parametrize("profile", ["local", "gpus", "slurm"])
def test_profiles_are_found_by_name(profile: str, copy: Path) -> None:
    said = succeed(copy, f"snakemake -n --profile {profile} results/drift/pocket")
    assert f"Using profiles {profile} and workflow specific profile profiles/default" in said


def local_rules() -> set[str]:
    """Rules of a second or two, which Snakemake runs itself wherever it runs."""
    rules = "".join(path.read_text() for path in (REPOSITORY / "rules").glob("*.smk"))
    return {text.split(":")[0] for text in rules.split("\nrule ")[1:] if "\n    localrule: True\n" in text}


@pytest.fixture(scope="module")
def plan(copy: Path) -> str:
    """Snakemake's dry run of the paper's grid for one model, with its probe set and synthetic pairs, from nothing."""
    return run(copy, "snakemake -n --profile slurm results/drift/qwen3_4b").stdout


def test_the_grid_of_a_model_is_few_jobs_on_the_cluster(plan: str) -> None:
    rules = re.findall(r"^rule (\w+):", plan, re.MULTILINE)
    named = [re.sub("train_qwen3_4b_.*", "train", rule) for rule in rules]
    jobs = Counter(rule for rule in named if rule not in local_rules())
    assert jobs == {
        "train": 34,
        "generate": 39,
        "stances": 27,
        "data": 6,
        **dict.fromkeys(("fetch_base", "fetch_judge", "fetch_llm", "health", "statistics", "drift"), 1),
        **{f"synthetic_{step}": 1 for step in ("candidates", "retrieve", "pairs")},
        **{f"vprism_{step}": 1 for step in ("questions", "embed", "reduce", "cluster", "name", "filter")},
    }


def test_training_jobs_ask_for_a_gpu_and_named_rules_for_what_they_need(plan: str) -> None:
    resources = dict(re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: (.*)$", plan, flags=re.MULTILINE))
    gpus = {rule: re.search(r"gpu=(\d)", text)[1] for rule, text in resources.items()}
    trained = {rule for rule in resources if rule.startswith("train_qwen3_4b_")}
    assert len(trained) == 34
    with_gpu = {rule for rule, count in gpus.items() if count == "1"}
    assert with_gpu == {*trained, "generate", "stances", "synthetic_retrieve"}


def headings(page: Path) -> set[str]:
    """What the headings of a page are linked by."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    links = _LINK.findall(page.read_text())
    missing = [path for path, _ in links if not (page.parent / path).exists()]
    assert missing == []
    targets = [(page.parent / path if path else page, heading) for path, heading in links if heading]
    assert [heading for target, heading in targets if heading not in headings(target)] == []


def test_the_book_lists_every_page_and_the_readme_is_short() -> None:
    book = REPOSITORY / "docs/README.md"
    listed = {path for path, _ in _LINK.findall(book.read_text())}
    assert listed == {page.name for page in (REPOSITORY / "docs").glob("*.md")} - {book.name}
    assert len(README.read_text().splitlines()) < 130


def test_the_catalogue_is_told_how_the_workflow_is_used() -> None:
    usage = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment", "report"}
    assert yaml.safe_load((REPOSITORY / "config/config.yaml").read_text()).keys() >= {"models", "suites"}
