"""The pins of constraints.txt and envs/ are pyproject's, and each environment holds what its jobs import."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src"
RULES = "".join(path.read_text() for path in sorted((REPOSITORY / "rules").glob("*.smk")))
ENVIRONMENTS = sorted((REPOSITORY / "envs").glob("*.yaml"))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(requirements: list[str]) -> dict[str, str]:
    """Package → version. A requirement that isn't pinned exactly fails."""
    return {normal(name): version for name, version in (requirement.split("==") for requirement in requirements)}


PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
REQUIRED = pins(PROJECT["dependencies"])
DEVELOPMENT = pins(PROJECT["optional-dependencies"]["dev"])
PROBES = pins(PROJECT["optional-dependencies"]["probes"])
DOWNSTREAM = pins(PROJECT["optional-dependencies"]["downstream"])
TRACKERS = pins(PROJECT["optional-dependencies"]["trackers"])
CONSTRAINTS = pins((REPOSITORY / "constraints.txt").read_text().split())


def pip_section(environment: Path) -> list[str]:
    *_, last = yaml.safe_load(environment.read_text())["dependencies"]
    requirements: list[str] = last["pip"]
    return requirements


@cache
def imported(module: str) -> frozenset[str]:
    """Names that a module imports, anywhere in it; for `from a import b` both a and a.b."""
    path = SOURCE / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    names = set()
    for node in ast.walk(ast.parse(file.read_text())) if file.is_file() else ():
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


@cache
def distributions() -> Mapping[str, list[str]]:
    """Import name → distributions."""
    return packages_distributions()


def packages_of(modules: set[str]) -> set[str]:
    """Distributions that modules of valuedrift import, directly or through each other."""
    seen: set[str] = set()
    while modules - seen:
        module = (modules - seen).pop()
        seen.add(module)
        modules = modules | {name for name in imported(module) if name.startswith("valuedrift.")}
    foreign = {name.split(".")[0] for module in seen for name in imported(module)}
    # vLLM, the harness and inspect_ai live in environments of their own, trackers are the user's: imported only where
    # asked for.
    foreign -= {*sys.stdlib_module_names, "valuedrift", "vllm", "lm_eval", "inspect_ai", "wandb", "tensorboard"}
    return {normal(distributions()[name][0]) for name in foreign}


def commands_of(environment: str) -> set[str]:
    """Commands of the command line that the rules of an environment call."""
    rules = re.split(r"^\s*rule\b", RULES, flags=re.MULTILINE)
    own = "".join(rule for rule in rules if f"envs/{environment}.yaml" in rule)
    return set(re.findall(r"^ .*\bvaluedrift ([a-z-]+) ", own, flags=re.MULTILINE))


@cache
def modules_by_command() -> dict[str, set[str]]:
    """Command → modules that its function imports, and the command line itself."""
    files = (SOURCE / "valuedrift/cli").glob("*.py")
    functions = [
        node for file in files for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)
    ]
    imports = {
        node.name: [inner for inner in ast.walk(node) if isinstance(inner, ast.ImportFrom)] for node in functions
    }
    return {
        name.replace("_", "-"): {"valuedrift.cli.options", *(str(one.module) for one in found)}
        for name, found in imports.items()
    }


def test_constraints_hold_every_pin() -> None:
    wanted = REQUIRED | DEVELOPMENT | PROBES | TRACKERS
    assert {name: CONSTRAINTS.get(name) for name in wanted} == wanted


def test_the_set_up_page_says_what_each_package_and_extra_is_for() -> None:
    page = (REPOSITORY / "docs/setup.md").read_text()
    named = set(re.findall(r"^\| `(\S+)` \| ", page, flags=re.MULTILINE))
    assert named == {*REQUIRED, *PROJECT["optional-dependencies"]} - {"inspect"}


def test_constraints_name_no_place() -> None:
    assert not re.search(r"[/@+]|valuedrift", (REPOSITORY / "constraints.txt").read_text())


def test_rules_name_the_environments_that_there_are() -> None:
    assert set(re.findall(r'"\.\./envs/(\w+)\.yaml"', RULES)) == {path.stem for path in ENVIRONMENTS}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_has_the_pins_of_the_project(environment: Path) -> None:
    found = pins(pip_section(environment))
    known = REQUIRED | PROBES | DOWNSTREAM
    assert found == {name: known[name] for name in found}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_holds_what_its_jobs_import(environment: Path) -> None:
    commands = commands_of(environment.stem)
    assert commands
    needed = set().union(*(packages_of(modules_by_command()[command]) for command in commands))
    assert needed <= set(pins(pip_section(environment)))


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_installs_the_package_without_its_other_dependencies(environment: Path) -> None:
    script = environment.with_suffix(".post-deploy.sh").read_text()
    assert "pip install --no-deps" in script
