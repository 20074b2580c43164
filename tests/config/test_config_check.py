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
from valuedrift.config.yaml_files import read_yaml
from valuedrift.errors import ConfigError, ValueDriftError
from valuedrift.world.grammar import topics
from valuedrift.world.world_tables import planted_mix, quotas

FILE = Path(__file__).parents[2] / "workflow_config.yaml"
MISSING = object()
POCKET = "suites.pocket"
TRAINING = f"{POCKET}.training"


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


def test_a_model_that_is_trained_has_a_format_for_it(config: dict[str, Any]) -> None:
    put(config, "models.pocket.chat", {"template": "own"})
    error = error_of(config)
    assert (error.key, error.found) == ("models.pocket.chat.template", "own")
    assert error.expected == "pocket, chatml, llama3, because its suite trains it"


def test_several_judges_and_a_reference_are_known_and_differ(config: dict[str, Any]) -> None:
    put(config, f"{POCKET}.judge", ["pocket", "english"])
    put(config, f"{POCKET}.reference", {"judge": "qwen25_7b", "labels": 40})
    for way in ("majority", "english", "mean"):
        put(config, f"{POCKET}.judged_by", way)
        assert read_config(config).model_dump(mode="json", exclude_unset=True, by_alias=True) == config
    for path, value in (
        (f"{POCKET}.judged_by", "qwen25_7b"),
        (f"{POCKET}.reference.judge", "english"),
        (f"{POCKET}.reference.judge", "gpt_4o"),
        (f"{POCKET}.judge.1", "gpt_4o"),
        (f"{POCKET}.judge.1", "pocket"),
        ("judges.qwen25_7b.effort", "low"),
    ):
        wrong = deepcopy(config)
        put(wrong, path, value)
        error = error_of(wrong)
        assert (error.key.removesuffix(".1"), error.found) == (path.removesuffix(".1"), value)


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
        # Unknown keys, and the known ones.
        ("sed", 1, "one of the keys seed, machine"),
        ("report.figures", 3, "one of the keys models, table_1_topics"),
        (f"{POCKET}.world.judge.rows", 5, "one of the keys train_rows"),
        (f"{POCKET}.checkpoints.cpo", 8, "one of the keys sft, ppo"),
        (f"{TRAINING}.cpo", {}, "one of the keys pretrain"),
        (f"{TRAINING}.dpo.gamma", 0.1, "one of the keys beta, response_length, learning_rate"),
        ("judges.pocket.train.settings.response_length", 9, "one of the keys learning_rate"),
        # Another kind of value, or one out of range.
        ("seed", 2**32, "4294967295 or less"),
        (f"{POCKET}.data.wildchat.title", 5, "text. The data set's name"),
        ("seed", "zero", "a whole number. The seed of all random"),
        ("seed", -1, "0 or more"),
        ("seed", True, "a whole number"),
        ("seed", None, "a value, or no such key"),
        (f"{POCKET}.checkpoints.ppo", 4.0, "a whole number"),
        (f"{TRAINING}.sft.learning_rate", math.inf, "a finite number"),
        (f"{TRAINING}.sft.learning_rate", "2e-5", "a number"),
        (f"{TRAINING}.sft.learning_rate", True, "a number"),
        (f"{TRAINING}.sft.bf16", "no", "true or false"),
        (f"{TRAINING}.sft.bf16", 1, "true or false"),
        ("statistics.level", 1, "less than 1. Coverage"),
        ("report.models", [], "at least one item"),
        ("report.models", "pocket", "a list"),
        ("models", {}, "at least one item"),
        ("report.figure_formats.0", "gif", "one of 'svg', 'pdf', 'png' or 'html'. Files written"),
        ("topics.climate.name", "", "a text that is not empty"),
        ("topics.climate.keywords", 3, "a list"),  # no secret, though it has "key" in its name
        (f"{POCKET}.probes", "questions.csv", "a mapping. The value-laden questions"),
        (f"{TRAINING}.dpo.max_length", 600, "at most models.pocket.scratch.context (512)"),
        (f"{POCKET}.generation.max_tokens", 512, "less than models.pocket.scratch.context (512)"),
        ("judges.pocket.train.settings.max_length", 513, "at most shape.context (512)"),
        (f"{POCKET}.judged_by", "mean", "no such key with one judge"),
        ("judges.pocket.structured", True, "false, or `samples`"),
        ("judges.pocket.classifier", "stance", "stance with train.encoder, and no such key otherwise"),
        ("judges.english_minilm.classifier", MISSING, "stance with train.encoder, and no such key otherwise"),
        ("judges.english_minilm.classifier", "entailment", "stance with train.encoder"),
        ("suites.real.data.alpaca.rows", 1799, "1800, the training rows of 2000 sampled rows"),
        # Names that nothing has.
        ("models.pocket.suite", "tiny", "a key of suites: pocket, english, smollm2, still, controls, real, paper"),
        (f"{POCKET}.judge", "gpt_4o", "a key of judges: pocket, english, english_minilm, smollm2, qwen25_7b, paper"),
        (f"{POCKET}.grid.oppose_aligned", "lima", "a key of data: wildchat"),
        ("judges.pocket.train.world", "paper", "a key of suites with a world: pocket"),
        # What an algorithm, a model or a source needs.
        (f"{TRAINING}.dpo.device_batch_size", 12, "a divisor of batch_size (32)"),
        ("judges.pocket.train.settings.device_batch_size", 12, "a divisor of batch_size ("),
        (f"{TRAINING}.reward.response_length", 128, "less than max_length (128)"),
        (f"{TRAINING}.kto.device_batch_size", 1, "2 or more. Rows per forward pass on one device, 2"),
        (f"{TRAINING}.pretrain", MISSING, "settings; model pocket needs them"),
        (f"{TRAINING}.reward", MISSING, "settings of the reward model that ppo needs"),
        (f"{POCKET}.checkpoints.dpo", MISSING, "an entry; the grid names this algorithm"),
        ("models.pocket.scratch.heads", 5, "1 or an even divisor of half of hidden (48)"),
        ("models.pocket.scratch.heads", 3, "1 or an even divisor of half of hidden (48)"),
        ("judges.pocket.train.shape.heads", 5, "1 or an even divisor of half of hidden ("),
        (f"{POCKET}.probes.per_topic", 5, "no such key with source questions"),
        ("suites.real.probes.per_topic", MISSING, "a value with source prism"),
        (f"{POCKET}.probes.file", MISSING, "a value with source questions"),
        # Missing keys, and what they mean.
        ("seed", MISSING, "a value: The seed of all random"),
        ("topics.climate.target", MISSING, "a value: What an answer can support"),
        ("models.pocket.chat.eos", MISSING, "a token with the template pocket"),
        ("models.pocket.chat.template", "none.jinja", "own, pocket, chatml, llama3, or a file that ends with .jinja"),
        ("models.pocket.chat.template", "chatlm", "own, pocket, chatml, llama3, or a file that ends with .jinja"),
        (f"{POCKET}.data.wildchat.rows", MISSING, "a value: Training rows"),
        (f"{TRAINING}.sft.learning_rate", MISSING, "a value: Peak learning rate"),
        *((f"{TRAINING}.{name}.beta", MISSING, "a value: Scale of") for name in ("dpo", "simpo", "kto")),
        *((f"{TRAINING}.{name}.answers", MISSING, "a value: Answers per prompt") for name in ("grpo", "rloo")),
        (f"{TRAINING}.ppo.ppo_epochs", MISSING, "a value: Passes over each batch"),
    ],
)
def test_what_is_wrong_is_named_with_what_fits(config: dict[str, Any], path: str, value: object, expected: str) -> None:
    put(config, path, value)
    error = error_of(config)
    assert (error.key, error.found) == (path, None if value is MISSING else value)
    assert error.expected.startswith(expected)


MIX = {"support": 0.5, "neutral": 0.3, "oppose": 0.3}
HUB = {"name": "a/b", "revision": "c"}
LORA = {"rank": 4, "alpha": 8, "dropout": 0.1, "targets": ["q_proj"]}
BLOCK = {"sft": ["wildchat"], "data": ["ultrafeedback"], "algorithm": "dpo", "parameter": "beta", "values": [0.5]}


def ablation(**changed: object) -> list[dict[str, object]]:
    return [{**BLOCK, **changed}]


@pytest.mark.parametrize(
    ("path", "value", "key", "expected"),
    [
        ("report.figure_formats", ["svg", "png", "svg"], ".2", "no item twice"),
        ("statistics.seeds", ["seed-1", "./results"], ".1", "the folder of results of another seed"),
        ("topics.all", {}, "", "another name: `all` is the mean over topics"),
        ("topics.free speech", {}, "", "a text that matches ^[a-z0-9_]+$"),
        ("topics", {1: {}}, ".1", "text"),
        (f"{POCKET}.grid.sft", ["wildchat", "ultrafeedback"], "", "a data set of conversations, to fine-tune on"),
        (f"{POCKET}.grid.preference.0.data", ["alpaca"], "", "a data set of preference pairs"),
        (f"{POCKET}.grid.small_gap", ["alpaca"], "", "a data set of preference pairs"),
        (f"{POCKET}.grid.support_aligned", "alpaca", "", "a data set of preference pairs"),
        ("suites.paper.synthetic.from", ["alpaca"], "", "a data set of preference pairs"),
        (f"{POCKET}.checkpoints.sft.wildcat", 80, f"{POCKET}.checkpoints.sft", "a key of data: wildchat"),
        (f"{TRAINING}.dpo.lora", {**LORA, "targets": ["q_prj"]}, ".targets", "a key of the layers of pocket: q_proj"),
        ("report.models", ["pocket", "gpt"], "", "a key of models: pocket, pocket_real"),
        ("report.ablation_topics", ["chess"], "", "a key of topics: abortion"),
        (f"{POCKET}.grid.preference.0.sft", ["lima"], "", "a key of grid.sft or the models' stages: wildchat, alpaca"),
        (f"{POCKET}.grid.preference.0.data", ["hh-rlhf"], "", "a key of data: wildchat"),
        (f"{POCKET}.grid.small_gap", ["lima"], "", "a key of data: wildchat"),
        (f"{POCKET}.checkpoints.sft", {"wildchat": 80}, "", "a key of checkpoints.sft: wildchat"),
        ("judges.mine", {"llm": "nobody", "prompt": "stance"}, ".llm", "a key of llms: qwen25_72b"),
        ("machine", {"keep": "every_nth"}, ".nth", "a value with `keep: every_nth`"),
        ("machine", {"keep": "final", "nth": 2}, ".nth", "a value with `keep: every_nth`"),
        ("machine", {"keep": "none"}, ".keep", "one of 'all', 'every_nth' or 'final'"),
        ("machine", {"resume_minutes": -1}, ".resume_minutes", "0 or more"),
        ("machine", {"report_to": ["mlflow"]}, ".report_to.0", "one of 'tensorboard' or 'wandb'"),
        (f"{POCKET}.world.pretraining.mix", MIX, "", "shares of support, neutral and oppose that sum to 1"),
        (f"{POCKET}.world.sft.alpaca.mix", MIX, "", "shares of support, neutral and oppose that sum to 1"),
        ("models.Pocket", {}, "", "a text that matches ^[a-z0-9_]+$"),
        ("models.pocket-2", {}, "", "a text that matches ^[a-z0-9_]+$"),
        ("models.pocket.hub", HUB, "models.pocket", "exactly one of hub, package, folder, scratch"),
        ("judges.pocket.hub", HUB, "judges.pocket", "exactly one of hub, package, folder, train, llm"),
        (f"{POCKET}.data.wildchat.hub", {**HUB, "split": "d"}, f"{POCKET}.data.wildchat", "exactly one of files, hub"),
        ("llms.mine", {"backend": "http", "folder": "m"}, ".backend", "http or batch with model"),
        ("llms.mine", {"backend": "vllm", "model": "m"}, ".backend", "http or batch with model"),
        (f"{TRAINING}.ppo.lora", LORA, ".dropout", "0: PPO's trainer switches dropout off"),
        (f"{TRAINING}.grpo.answers", 5, f"{TRAINING}.grpo.batch_size", "a multiple of answers (5)"),
        *(
            (f"{POCKET}.grid.ablations", ablation(**changed), f".0.{key}", expected)
            for changed, key, expected in (
                ({"sft": ["nobody"]}, "sft", "a key of grid.sft"),
                ({"data": ["nothing"]}, "data", "a key of data"),
                ({"models": ["nobody"]}, "models", "a key of models"),
                ({"parameter": "gamma"}, "parameter", "a key of training.dpo that has a number"),
                ({"settings": {"gamma": 1}}, "settings.gamma", "a key of training.dpo that has a number"),
                ({"settings": {"beta": 1}}, "settings.beta", "no such key: it is the parameter that varies"),
                ({"settings": {"batch_size": 33}}, "values.device_batch_size", "a divisor of batch_size (33)"),
                ({"parameter": "batch_size", "values": [33]}, "values.device_batch_size", "a divisor of batch_size"),
                ({"data": ["alpaca"]}, "data", "a data set of preference pairs"),
                ({"values": [0.1, "0.2"]}, "values.1", "a number. Values of the parameter"),
                ({"settings": {"epochs": "2"}}, "settings.epochs", "a number"),
                ({"parameter": "epochs", "values": [2.5]}, "values.epochs", "a whole number"),
            )
        ),
    ],
)
def test_the_wrong_part_of_a_value_is_named(
    config: dict[str, Any], path: str, value: object, key: str, expected: str
) -> None:
    """`key` is the error's key, or what follows the path in it."""
    put(config, f"{POCKET}.grid.ablations", ablation())
    put(config, path, value)
    error = error_of(config)
    assert error.key in (key, f"{path}{key}")
    assert error.expected.startswith(expected)


@pytest.mark.parametrize(
    ("path", "value", "meant"),
    [
        ("sed", 1, "seed"),
        (f"{TRAINING}.dpo.betta", 0.1, "beta"),
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


def test_a_number_that_yaml_reads_as_text_is_explained(config: dict[str, Any]) -> None:
    put(config, f"{TRAINING}.sft.learning_rate", "2e-5")
    assert "YAML reads 1e-5 as text, and 1.0e-5 as a number" in str(error_of(config))


def test_names_are_suggested_in_any_case(config: dict[str, Any]) -> None:
    put(config, "models.pocket.suite", "POCKET")
    assert "Did you mean 'pocket'" in str(error_of(config))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"seed: 1\nmodels:\n  a: 1\n  b: 2\n  a: 3\n",
            "line 5: the key 'a' is in the same mapping twice (first in line 3)",
        ),
        (b'{"seed": 1, "seed": 2}', "the key 'seed' is in the same mapping twice. Remove one"),
        (b"- {a: 1}\n- {b: 1, b: 1}\n", "line 2: the key 'b'"),
        (b"seed: [1\nx: 2\n", "line 2: did not find"),
        (b"", "found 'an empty file'"),
        (b"just text", "found 'just text', expected YAML or JSON with keys"),
        (b"a\x00\xff", "bytes that are not UTF-8"),
        (b"a: \x00", "expected YAML or JSON"),
        (b"[" * 100_000, "expected YAML or JSON"),
        (b"a: " + b"9" * 5_000, "expected YAML or JSON"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(ValueDriftError) as caught:
        read_yaml(file)
    assert str(caught.value).startswith(str(file))
    assert said in str(caught.value)


def test_a_path_without_a_configuration_file_is_named(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "Is a directory"), (tmp_path / "none.yaml", "no such file")):
        with pytest.raises(ValueDriftError, match=said):
            read_yaml(path)


def test_anchors_and_merged_keys_are_no_repetition(tmp_path: Path, config: dict[str, Any]) -> None:
    (tmp_path / "a.yaml").write_text("a: &x {b: 1}\nc: {<<: *x, b: 2}\nd: *x\n")
    assert read_yaml(tmp_path / "a.yaml") == {"a": {"b": 1}, "c": {"b": 2}, "d": {"b": 1}}
    assert read_yaml(FILE) == config


def test_a_misspelt_key_is_told_before_the_one_that_is_missing(config: dict[str, Any]) -> None:
    config["suites"]["pocket"]["jugde"] = config["suites"]["pocket"].pop("judge")
    error = error_of(config)
    assert str(error).startswith(f"configuration key '{POCKET}.jugde': found 'pocket', expected one of the keys world")


@pytest.mark.parametrize("key", ["key_variable", "api_key"])
def test_a_key_for_a_chat_model_is_not_shown(config: dict[str, Any], key: str) -> None:
    put(config, "llms.mine", {"backend": "http", "model": "m", key: "sk-12345"})
    assert (error_of(config).key, error_of(config).found) == (f"llms.mine.{key}", "(not shown)")


@pytest.mark.parametrize("machine", [{}, {"keep": "every_nth", "nth": 3}, {"keep": "final", "resume_minutes": 0.5}])
def test_machine_settings_may_be_left_out(config: dict[str, Any], machine: dict[str, Any]) -> None:
    read_config({**config, "machine": machine})


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
    world.update(variation=variation, sft={}, preference={})
    world["pretraining"]["mix"] = shares
    planted = planted_mix(WorldSettings(seed=0, probes_per_topic=20, variation=variation), "pretraining", shares)
    assert all(len(quotas(100, planted[topic])) == 100 for topic in topics()) == fits
    if fits:
        read_config(config)
    else:
        error = error_of(config)
        assert (error.key, error.found) == (f"{POCKET}.world.variation", variation)


def test_value_free_subjects_are_in_the_grammar_alone(config: dict[str, Any]) -> None:
    world = config["suites"]["pocket"]["world"]
    world["value_free"] = 0.1
    read_config(config)
    world["language"] = "english"
    error = error_of(config)
    assert (error.key, error.found) == (f"{POCKET}.world.value_free", 0.1)


@pytest.mark.parametrize("value", [None, [], "seed: 0", 3])
def test_a_configuration_that_is_no_mapping_is_refused(value: Any) -> None:
    assert error_of(value).key == "(top)"
