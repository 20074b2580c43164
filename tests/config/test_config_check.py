"""A configuration is checked whole before anything runs, and errors say where, what, and what instead."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from valuedrift.config.check import read_config
from valuedrift.config.pocket_world import WorldSettings
from valuedrift.errors import ConfigError
from valuedrift.world.world_tables import planted_mix, quotas, topics

FILE = Path(__file__).parents[2] / "workflow_config.yaml"
MISSING = object()
POCKET = "suites.pocket"


@pytest.fixture(scope="module")
def repository() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return config


@pytest.fixture
def config(repository: dict[str, Any]) -> dict[str, Any]:
    """A copy to change. YAML's aliases are the same object in several places; here every place has its own."""
    copy: dict[str, Any] = json.loads(json.dumps(repository))
    return copy


def put(config: dict[str, Any], path: str, value: object) -> None:
    """Set the value at a dotted path; MISSING takes the key away."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = config
    for parent in parents:
        place = place[parent]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value


def error_of(config: dict[str, Any]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_config(config)
    return caught.value


def test_the_repositorys_configuration_passes_and_defaults_are_not_written(config: dict[str, Any]) -> None:
    before = deepcopy(config)
    read = read_config(config)
    assert config == before
    assert read.models["pocket"].title is None
    assert read.judges["pocket"].max_unassigned == 0.5
    assert read.model_dump(mode="json", exclude_unset=True, by_alias=True) == config


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("sed", 1, "one of the keys seed, machine"),
        ("report.figures", 3, "one of the keys models, table_1_topics"),
        ("models.pocket.revision", "main", "one of the keys title, suite"),
        (f"{POCKET}.world.judge.rows", 5, "one of the keys train_rows"),
        (f"{POCKET}.training.cpo", {}, "one of the keys pretrain"),
        (f"{POCKET}.training.sft.beta", 0.1, "one of the keys learning_rate"),
        (f"{POCKET}.training.dpo.gamma", 0.1, "one of the keys beta, response_length, learning_rate"),
        ("judges.pocket.train.settings.response_length", 9, "one of the keys learning_rate"),
    ],
)
def test_unknown_keys_are_named_with_the_known_ones(
    config: dict[str, Any], path: str, value: object, expected: str
) -> None:
    put(config, path, value)
    error = error_of(config)
    assert (error.key, error.found) == (path, value)
    assert error.expected.startswith(expected)
    assert str(error).startswith(f"configuration key '{path}': found {value!r}, expected {expected}")


@pytest.mark.parametrize(
    ("path", "value", "meant"),
    [
        ("sed", 1, "seed"),
        (f"{POCKET}.training.dpo.betta", 0.1, "beta"),
        (f"{POCKET}.synthetic", {"form": ["wildchat"]}, "from"),
        ("models.pocket.suite", "pockets", "pocket"),
        ("report.models", ["pocket", "pocket_reel"], "pocket_real"),
        ("report.table_1_topics", ["climates"], "climate"),
        (f"{POCKET}.grid.sft", ["wildcat"], "wildchat"),
        (f"{POCKET}.grid.support_aligned", "synthetic_support", "synthetic-support"),
        (f"{POCKET}.judge", "poket", "pocket"),
        (f"{POCKET}.data.alpaca.format", "alpacca", "alpaca"),
        (f"{POCKET}.grid.preference.0.algorithms.0", "dppo", "ppo"),
        ("suites.paper.synthetic.writer", "qwen25_7b", "qwen25_72b"),
        ("suites.paper.probes.llm", "qwen25_7b", "qwen25_72b"),
    ],
)
def test_what_was_meant_is_proposed(config: dict[str, Any], path: str, value: object, meant: str) -> None:
    put(config, path, value)
    assert f"Did you mean '{meant}'" in str(error_of(config))


def test_a_misspelt_key_is_told_before_the_one_that_is_missing(config: dict[str, Any]) -> None:
    config["suites"]["pocket"]["jugde"] = config["suites"]["pocket"].pop("judge")
    assert error_of(config).key == f"{POCKET}.jugde"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("seed", "Every random choice"),
        ("topics.climate.target", "What the judge is asked"),
        ("models.pocket.chat.eos", "The token that ends an answer"),
        (f"{POCKET}.training.sft.learning_rate", "Peak learning rate"),
        (f"{POCKET}.data.wildchat.rows", "Training rows"),
        *((f"{POCKET}.training.{name}.beta", "Scale of") for name in ("dpo", "simpo", "kto")),
        *((f"{POCKET}.training.{name}.answers", "Answers per prompt") for name in ("grpo", "rloo")),
        (f"{POCKET}.training.ppo.ppo_epochs", "Passes over each batch"),
    ],
)
def test_missing_keys_are_named_with_what_they_mean(config: dict[str, Any], path: str, expected: str) -> None:
    put(config, path, MISSING)
    error = error_of(config)
    assert (error.key, error.found) == (path, None)
    assert error.expected.startswith(f"a value: {expected}")


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("seed", "zero", "a valid integer. Every random choice"),
        ("seed", -1, "greater than or equal to 0"),
        ("seed", True, "a valid integer"),
        ("seed", None, "a value, or no such key"),
        (f"{POCKET}.checkpoints.ppo", 4.0, "a valid integer"),
        (f"{POCKET}.training.sft.learning_rate", math.inf, "a finite number"),
        (f"{POCKET}.training.sft.learning_rate", "2e-5", "a valid number"),
        (f"{POCKET}.training.sft.learning_rate", True, "a valid number"),
        (f"{POCKET}.training.sft.bf16", "no", "a valid boolean"),
        (f"{POCKET}.training.sft.bf16", 1, "a valid boolean"),
        ("statistics.level", 1, "less than 1. Coverage"),
        ("report.models", [], "at least one item"),
        ("report.models", "pocket", "a list"),
        ("models", {}, "at least one item"),
        ("report.figure_formats.0", "gif", "one of 'svg', 'png' or 'html'. Files written"),
        ("topics.climate.name", "", "a text that is not empty"),
        (f"{POCKET}.probes", "questions.csv", "a mapping. The value-laden questions"),
    ],
)
def test_values_of_the_wrong_kind_or_range_are_named(
    config: dict[str, Any], path: str, value: object, expected: str
) -> None:
    put(config, path, value)
    error = error_of(config)
    assert (error.key, error.found) == (path, value)
    assert error.expected.startswith(expected)


def test_no_item_comes_twice(config: dict[str, Any]) -> None:
    put(config, "report.figure_formats", ["svg", "png", "svg"])
    error = error_of(config)
    assert (error.key, error.found, error.expected) == ("report.figure_formats.2", "svg", "no item twice")


@pytest.mark.parametrize("key", ["key_variable", "api_key"])
def test_a_key_for_a_chat_model_is_not_shown(config: dict[str, Any], key: str) -> None:
    put(config, "llms.mine", {"backend": "http", "model": "m", key: "sk-12345"})
    assert (error_of(config).key, error_of(config).found) == (f"llms.mine.{key}", "(not shown)")


@pytest.mark.parametrize(
    ("path", "value", "found", "expected"),
    [
        ("report.models", ["pocket", "gpt"], "gpt", "a key of models: pocket, pocket_real"),
        ("report.ablation_topics", ["chess"], "chess", "a key of topics: abortion"),
        ("models.pocket.suite", "tiny", "tiny", "a key of suites: pocket, real, paper"),
        (f"{POCKET}.judge", "gpt_4o", "gpt_4o", "a key of judges: pocket, qwen25_7b"),
        (f"{POCKET}.grid.preference.0.sft", ["lima"], "lima", "a key of grid.sft: wildchat, alpaca"),
        (f"{POCKET}.grid.preference.0.data", ["hh-rlhf"], "hh-rlhf", "a key of data: wildchat"),
        ("judges.pocket.train.world", "paper", "paper", "a key of suites with a world: pocket"),
        (f"{POCKET}.grid.small_gap", ["lima"], "lima", "a key of data: wildchat"),
        (f"{POCKET}.grid.oppose_aligned", "lima", "lima", "a key of data: wildchat"),
        ("judges.mine", {"llm": "nobody", "prompt": "stance"}, "nobody", "a key of llms: qwen25_72b"),
    ],
)
def test_names_that_nothing_has_are_refused_with_those_there_are(
    config: dict[str, Any], path: str, value: object, found: str, expected: str
) -> None:
    put(config, path, value)
    error = error_of(config)
    assert error.key in (path, f"{path}.llm")
    assert error.found == found
    assert error.expected.startswith(expected)


def test_only_questions_from_prism_are_counted_out_by_topic(config: dict[str, Any]) -> None:
    put(config, f"{POCKET}.probes.per_topic", 5)
    assert (error_of(config).key, error_of(config).found) == (f"{POCKET}.probes.per_topic", 5)
    put(config, f"{POCKET}.probes.per_topic", MISSING)
    put(config, "suites.real.probes.per_topic", MISSING)
    assert (error_of(config).key, error_of(config).found) == ("suites.real.probes.per_topic", None)


@pytest.mark.parametrize(
    ("machine", "key"),
    [
        ({"keep": "every_nth"}, "machine.nth"),
        ({"keep": "final", "nth": 2}, "machine.nth"),
        ({"keep": "none"}, "machine.keep"),
        ({"resume_minutes": -1}, "machine.resume_minutes"),
        ({"report_to": ["mlflow"]}, "machine.report_to.0"),
    ],
)
def test_machine_settings_that_say_nothing_are_refused(config: dict[str, Any], machine: Any, key: str) -> None:
    config["machine"] = machine
    assert error_of(config).key == key


@pytest.mark.parametrize("machine", [{}, {"keep": "every_nth", "nth": 3}, {"keep": "final", "resume_minutes": 0.5}])
def test_machine_settings_may_be_left_out(config: dict[str, Any], machine: dict[str, Any]) -> None:
    config["machine"] = machine
    read_config(config)


def test_every_sft_set_needs_its_checkpoint_distance(config: dict[str, Any]) -> None:
    put(config, f"{POCKET}.checkpoints.sft.alpaca", MISSING)
    assert (error_of(config).key, error_of(config).found) == (f"{POCKET}.checkpoints.sft", "alpaca")


@pytest.mark.parametrize("place", [f"{POCKET}.training.dpo", "judges.pocket.train.settings"])
def test_device_batches_divide_batches(config: dict[str, Any], place: str) -> None:
    put(config, f"{place}.batch_size", 32)
    put(config, f"{place}.device_batch_size", 12)
    error = error_of(config)
    assert (error.key, error.found) == (f"{place}.device_batch_size", 12)
    assert error.expected == "a divisor of batch_size (32)"


@pytest.mark.parametrize("algorithm", ["reward", "dpo", "simpo", "ppo"])
def test_answers_leave_room_for_a_prompt(config: dict[str, Any], algorithm: str) -> None:
    put(config, f"{POCKET}.training.{algorithm}.response_length", 128)
    error = error_of(config)
    assert (error.key, error.found) == (f"{POCKET}.training.{algorithm}.response_length", 128)
    assert error.expected.startswith("less than ")


@pytest.mark.parametrize("place", [f"{POCKET}.world.pretraining", f"{POCKET}.world.sft.alpaca"])
def test_mixes_sum_to_one(config: dict[str, Any], place: str) -> None:
    mix = {"support": 0.5, "neutral": 0.3, "oppose": 0.3}
    put(config, f"{place}.mix", mix)
    error = error_of(config)
    assert (error.key, error.found) == (f"{place}.mix", mix)
    assert error.expected.endswith("that sum to 1")


@pytest.mark.parametrize(
    ("mix", "variation", "fits"),
    [
        ((0.9, 0.05, 0.05), 0.1, True),
        ((0.9, 0.05, 0.05), 0.11, False),
        ((1.0, 0.0, 0.0), 0.0, True),
        ((1.0, 0.0, 0.0), 0.01, False),
        ((0.34, 0.33, 0.33), 0.3, True),
    ],
)
def test_variation_keeps_every_topics_shares_between_0_and_1(
    config: dict[str, Any], mix: tuple[float, ...], variation: float, fits: bool
) -> None:
    """What passes the check can be planted, and what can't does not pass."""
    shares: Any = dict(zip(("support", "neutral", "oppose"), mix, strict=True))
    world = config["suites"]["pocket"]["world"]
    world["variation"], world["sft"], world["pretraining"]["mix"] = variation, {}, shares
    world["preference"] = {}
    planted = planted_mix(WorldSettings(seed=0, probes_per_topic=20, variation=variation), "pretraining", shares)
    assert all(len(quotas(100, planted[topic])) == 100 for topic in topics()) == fits
    if fits:
        read_config(config)
    else:
        error = error_of(config)
        assert (error.key, error.found) == (f"{POCKET}.world.variation", variation)


@pytest.mark.parametrize("place", ["models.pocket.scratch", "judges.pocket.train.shape"])
@pytest.mark.parametrize(("hidden", "heads"), [(48, 5), (45, 1), (48, 3), (48, 16)])
def test_heads_fit_the_width(config: dict[str, Any], place: str, hidden: int, heads: int) -> None:
    put(config, f"{place}.hidden", hidden)
    put(config, f"{place}.heads", heads)
    error = error_of(config)
    assert (error.key, error.found) == (f"{place}.heads", heads)


def test_a_model_from_scratch_needs_settings_of_its_pretraining(config: dict[str, Any]) -> None:
    put(config, f"{POCKET}.training.pretrain", MISSING)
    error = error_of(config)
    assert (error.key, error.found) == (f"{POCKET}.training.pretrain", None)
    assert "model pocket" in error.expected


@pytest.mark.parametrize("place", ["models.pocket", "judges.pocket", f"{POCKET}.data.wildchat"])
def test_exactly_one_source_is_named(config: dict[str, Any], place: str) -> None:
    put(config, f"{place}.hub", {"name": "a/b", "revision": "c", **({"split": "d"} if "data" in place else {})})
    error = error_of(config)
    assert error.key == place
    assert error.expected.startswith("exactly one of ")


@pytest.mark.parametrize("name", ["Pocket", "pocket-2", "pocket 2"])
def test_names_that_would_not_do_in_paths_are_refused(config: dict[str, Any], name: str) -> None:
    config["models"][name] = config["models"]["pocket"]
    error = error_of(config)
    assert (error.key, error.found) == (f"models.{name}", name)


@pytest.mark.parametrize("value", [None, [], "seed: 0", 3])
def test_a_configuration_that_is_no_mapping_is_refused(value: Any) -> None:
    assert error_of(value).key == "(top)"


BLOCK = {"sft": ["wildchat"], "data": ["ultrafeedback"], "algorithm": "dpo", "parameter": "beta", "values": [0.5]}


@pytest.mark.parametrize(
    ("changed", "key", "expected"),
    [
        ({"sft": ["nobody"]}, "grid.ablations.0.sft", "a key of"),
        ({"data": ["nothing"]}, "grid.ablations.0.data", "a key of"),
        ({"models": ["nobody"]}, "grid.ablations.0.models", "a key of models"),
        ({"parameter": "gamma"}, "grid.ablations.0.parameter", "a key of training.dpo that has a number"),
        ({"settings": {"gamma": 1}}, "grid.ablations.0.settings.gamma", "a key of training.dpo that has a number"),
        ({"settings": {"beta": 1}}, "grid.ablations.0.settings.beta", "it is the parameter that varies"),
        ({"settings": {"batch_size": 33}}, "grid.ablations.0.values.device_batch_size", "a divisor of batch_size (33)"),
        ({"parameter": "batch_size", "values": [33]}, "grid.ablations.0.values.device_batch_size", "a divisor of"),
        ({"parameter": "epochs", "values": [2.5]}, "grid.ablations.0.values.epochs", "a valid integer"),
    ],
)
def test_ablations_are_checked(config: dict[str, Any], changed: dict[str, Any], key: str, expected: str) -> None:
    put(config, f"{POCKET}.grid.ablations", [BLOCK])
    read_config(config)
    put(config, f"{POCKET}.grid.ablations", [{**BLOCK, **changed}])
    assert error_of(config).key == f"{POCKET}.{key}"
    assert expected in str(error_of(config))


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("training.grpo.answers", 5, "a multiple of answers (5)"),
        ("training.kto.device_batch_size", 1, "KL is estimated within it"),
        (
            "training.ppo.lora",
            {"rank": 4, "alpha": 8, "dropout": 0.1, "targets": ["q_proj"]},
            "0: PPO's trainer switches dropout off",
        ),
        ("checkpoints.dpo", MISSING, "the grid names this algorithm"),
        ("training.reward", MISSING, "settings of the reward model that ppo needs"),
    ],
)
def test_what_algorithms_need_is_checked(config: dict[str, Any], path: str, value: object, expected: str) -> None:
    put(config, f"{POCKET}.{path}", value)
    assert expected in str(error_of(config))


@pytest.mark.parametrize("llm", [{"backend": "http", "folder": "m"}, {"backend": "vllm", "model": "m"}])
def test_a_chat_model_is_where_its_backend_looks(config: dict[str, Any], llm: dict[str, Any]) -> None:
    put(config, "llms.mine", llm)
    assert (error_of(config).key, error_of(config).found) == ("llms.mine.backend", llm["backend"])


def test_keywords_are_no_secret(config: dict[str, Any]) -> None:
    put(config, "topics.climate.keywords", 3)
    assert error_of(config).found == 3
