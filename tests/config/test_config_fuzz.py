"""Configurations at random: each is accepted, or refused with a key and in plain words."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from valuedrift.config.yaml_files import read_yaml
from valuedrift.errors import ConfigError, ValueDriftError
from valuedrift.workflow.project import Project

CONFIG: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "workflow_config.yaml").read_text())
YAML = "ab:-[]{}&*!<>|#'\"\n ,?%@`1"
FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PYDANTIC = ("Input should", "valid integer", "valid number", "valid boolean", "valid string", "Value error")


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value of a configuration."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, each in items for deeper in paths(each, (*path, key)))]


PATHS = [path for path in paths(CONFIG) if path]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from([0, 1, -1, 2**32, 1e-5, "1e-5", "5", "", "all", "results"])
    | st.sampled_from(["pocket", "wildchat", "$X/a", "~", "{a}"]),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), each, max_size=3),
    max_leaves=4,
)


def checked(config: Any) -> None:
    """Read a configuration; the only error is one in our words, with a key of the configuration."""
    try:
        Project.read(config)
    except ConfigError as error:
        assert error.expected
        assert not [words for words in PYDANTIC if words in str(error)], str(error)
    except ValueDriftError as error:
        assert "expected" in str(error)


@FUZZ
@given(path=st.sampled_from(PATHS), value=VALUES)
@example(path=("models", "pocket", "scratch", "heads"), value=0)
@example(path=("topics",), value={"a b": {}})
@example(path=("suites", "pocket", "data", "alpaca", "validation"), value=1e-300)
@example(path=("suites", "pocket", "data", "ultrafeedback", "rows"), value=2**70)
@example(path=("suites", "paper", "synthetic", "writing", "template"), value="none")
@example(path=("suites", "paper", "synthetic", "writing"), value={})
@example(path=("suites", "paper", "grid", "ablations", 0, "models"), value=None)
def test_any_value_at_any_key_is_accepted_or_refused(path: tuple[Any, ...], value: Any) -> None:
    config = copy.deepcopy(CONFIG)
    place: Any = config
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    checked(config)


@FUZZ
@given(path=st.sampled_from([path for path in PATHS if isinstance(path[-1], str)]), name=st.text(max_size=6))
def test_any_name_of_a_key_is_accepted_or_refused(path: tuple[Any, ...], name: str) -> None:
    config = copy.deepcopy(CONFIG)
    place: Any = config
    for step in path[:-1]:
        place = place[step]
    place[name] = place.pop(path[-1])
    checked(config)


@FUZZ
@given(config=VALUES)
@example(config={"int": False})
def test_anything_is_accepted_or_refused(config: Any) -> None:
    checked(config)


@FUZZ
@given(content=st.binary(max_size=60) | st.text(YAML, max_size=40).map(str.encode))
@example(content=b"a: &x [*x]")
@example(content=b"? [a]\n: b")
@example(content=b"? {a: b}\n: c")
@example(content=b"a: !!python/object:os.system {}")
@example(content=b"- !!binary ?")
@example(content=b"a: 2000-99-99")
def test_any_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    try:
        checked(read_yaml(tmp_path / "a.yaml"))
    except ValueDriftError as error:
        assert str(tmp_path / "a.yaml") in str(error)


@pytest.mark.parametrize("key", ["seed", "models"])
def test_a_configuration_without_a_key_is_refused(key: str) -> None:
    with pytest.raises(ConfigError):
        Project.read({name: value for name, value in CONFIG.items() if name != key})
