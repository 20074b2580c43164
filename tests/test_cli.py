"""The command line: every command's options, its errors, and what it hands on."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from doubles import forks

from valuedrift import __version__
from valuedrift.cli import data_jobs, main, model_jobs, people, result_jobs
from valuedrift.cli.application import application, functions

REPOSITORY = Path(__file__).parents[1]


PRUNE = ["prune", "--base", "x", "--checkpoints", "x", "--answers", "x"]


def run(command: str, **options: Any) -> int:
    """Call a command; dictionaries go as JSON, lists as several values."""
    arguments = [command]
    for name, value in options.items():
        values = value if isinstance(value, list) else [json.dumps(value) if isinstance(value, dict) else value]
        arguments += [f"--{name.replace('_', '-')}", *map(str, values)]
    return main(arguments)


def make_table(folder: Path, kind: str, plan: dict[str, Any]) -> Path:
    """A table of a small world, made by the command."""
    file = folder / f"{kind}.{'csv' if kind == 'probes' else 'parquet'}"
    settings = {"seed": 0, "probes_per_topic": 1, "variation": 0.0}
    assert run("world", settings=settings, kind=kind, name=kind, plan=plan, out=file) == 0
    return file


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[str]]]:
    """Command → the arguments that rules of the pocket, the paper's grid and some other results call it with."""
    folder = tmp_path_factory.mktemp("dry")
    package = {"name": "encoder", "version": "1.0", "file": "model", "sha256": "a" * 64}
    own = folder / "encoder.yaml"
    stages = {"sft": {"hub": {"name": "lab/tiny", "revisions": "step{step}"}, "steps": [1, 2]}}
    sampling = {"answers": 1, "temperature": 1.0, "max_tokens": 9, "batch_size": 9}
    judges = {"judge": ["pocket", "qwen25_7b"], "reference": {"judge": "english", "labels": 1}}
    suite = {"probes": {"source": "builtin", "per_topic": 9}, "generation": sampling, **judges, "controls": 1}
    suites = {"real": {"expression": {"model": {"package": package}}}, "tracing": suite}
    own.write_text(json.dumps({"models": {"theirs": {"suite": "tracing", "stages": stages}}, "suites": suites}))
    targets = (
        "results/report",
        "results/exports",
        "results/expression/pocket/recovery/shares.parquet",
        "results/ablations/pocket",
        "results/drift/qwen3_4b",
        "results/downstream/llama3_3b/sft-alpaca/step-000100.json",
        "results/data/real/documents.parquet",
        f"results/encoders/{'a' * 16}/model",
        "results/generations/theirs/sft/shard-0.parquet",
        "results/controls/theirs/drift.parquet",
        *(f"results/agreement/theirs/{name}" for name in ("agreement.parquet", "reference.json")),
    )
    options = ["-n", "-p", "--directory", folder, "--configfile", "workflow_config.yaml", own]
    shown = forks.run(["snakemake", *options, "--", *targets], REPOSITORY)
    assert shown.returncode == 0, shown.stderr
    calls: dict[str, list[list[str]]] = {}
    for text in re.findall(r"^Shell command: .*?\bvaluedrift (.*)", shown.stdout + shown.stderr, flags=re.MULTILINE):
        words = list(itertools.takewhile(lambda word: word not in (">", "2>"), shlex.split(text)))
        calls.setdefault(words[0], []).append(words)
    return calls


def test_the_commands_for_rules_are_those_that_rules_call(called: dict[str, list[list[str]]]) -> None:
    modules = (data_jobs, model_jobs, result_jobs)
    assert {command.__name__.replace("_", "-") for module in modules for command in functions(module)} == called.keys()


def test_rules_call_with_options_that_commands_have(called: dict[str, list[list[str]]]) -> None:
    app = application()
    for words in itertools.chain(*called.values()):
        app.parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_help_lists_the_commands_in_two_groups(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    people, jobs = capsys.readouterr().out.split("Commands for people")[1].split("Commands that the rules call")
    assert " why " in people and " pack " in people and " train " not in people
    assert " train " in jobs and " why " not in jobs


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_help_imports_no_torch() -> None:
    script = "import sys; from valuedrift.cli import main; main([]); main(['train', '--help'])"
    script += "; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_every_option_says_what_it_takes() -> None:
    app = application()
    for command in itertools.chain(*map(functions, (people, data_jobs, model_jobs, result_jobs))):
        options = app[command.__name__.replace("_", "-")].assemble_argument_collection(parse_docstring=True)
        assert [option.name for option in options if option.show and not option.parameter.help] == [], command.__name__


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trane"], 'Unknown command "trane". Did you mean "train"? See `valuedrift --help`.'),
        (
            ["documents", "--out", "x"],
            'Command "documents" parameter --data requires an argument. See `valuedrift documents --help`.',
        ),
        (["documents", "--data", "--out", "x"], "parameter --data requires at least 1 element. Got 0."),
        (["documents", "--data", "x", "--ouk", "y"], "Did you mean --out instead of --ouk?"),
        (["documents", "--data", "x", "--out", "y", "--colour", "red"], "Unknown option: --colour."),
        (["verify", "--no-json"], "Unknown option: --no-json. Did you mean --json?"),
        (
            ["prepare", "--settings", "{}", "--seed", "one", "--out", "x"],
            'Invalid value for --seed: unable to convert "one" into int.',
        ),
        (
            ["prepare", "--settings", "{", "--seed", "0", "--out", "x"],
            "Invalid value for --settings: Expecting property name",
        ),
        (
            ["prepare", "--settings", "[]", "--seed", "0", "--out", "x"],
            "Invalid value for --settings: found [], expected a JSON object.",
        ),
        ([*PRUNE, "--keep", "none"], 'Invalid value "none" for --keep. Choose from: "all", "every_nth", "final".'),
        ([*PRUNE, "--keep", "all", "--nth", "0"], 'Invalid value "0" for --nth. Must be > 0.'),
    ],
)
def test_bad_usage_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ") and shown.err.count("\n") == 1
    assert said in shown.err


@pytest.mark.parametrize("command", ["plan", "why", "verify"])
def test_a_folder_that_was_removed_is_told(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main([command]) == 1
    assert capsys.readouterr().err == "error: this folder was removed. Change to one that exists.\n"


@pytest.mark.parametrize("command", ["plan", "why"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["results/drift/qwen3"], "found 'qwen3', expected a model. Did you mean"),
        (["results/stances/pocket/sft-wildcat.parquet"], "found 'sft-wildcat', expected a run of pocket. Did you mean"),
        (["all", "--configfile", "absent.yaml"], "absent.yaml: found 'no such file', expected a configuration file."),
        (["all", "--configfile", "rules"], "rules: found 'Is a directory', expected a configuration file."),
        (["all", "--configfile", "pipe"], "pipe: found 'a pipe or a device', expected a configuration file. Write its"),
    ],
)
def test_a_wrong_target_is_one_sentence(
    command: str,
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("Snakefile", "rules", "profiles", "workflow_config.yaml"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    assert main([command, *arguments]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ") and shown.err.count("\n") == 1
    assert said in shown.err


def test_the_hub_is_told_nothing(tmp_path: Path) -> None:
    script = f"""
from valuedrift.cli import main
assert main(["configuration", "--settings", "{{}}", "--out", "{tmp_path / "out"}"]) == 0
import huggingface_hub.constants as constants, os
assert constants.HF_HUB_DISABLE_TELEMETRY and os.environ["DO_NOT_TRACK"] == "1"
"""
    bare = {key: value for key, value in os.environ.items() if key not in ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=bare)
    assert done.returncode == 0, done.stderr


def test_a_deliberate_error_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    settings = {"name": "x", "title": "X", "licence": "none", "format": "a\nb", "rows": 1, "files": ["x.jsonl"]}
    assert run("prepare", settings=settings, seed=0, out=tmp_path / "out") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(r"error: configuration key 'format': found 'a\nb', expected one of ")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_module_is_the_command_and_passes_the_status_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "valuedrift", "prepare", "--seed", "0", "--out", str(tmp_path / "out")]
    done = subprocess.run([*command, "--settings", "{}"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert (
        done.stderr == "error: configuration key 'title': found nothing, expected a value:"
        " The data set's name in tables and figures.\n"
    )


def test_a_terminal_without_unicode_gets_escapes() -> None:
    command = [sys.executable, "-m", "valuedrift", "configuration-reference"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert r"\u2039name\u203a" in done.stdout


def test_an_interrupted_command_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("valuedrift.workflow.plan.plan_targets", interrupt)
    assert main(["plan"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_mistake_of_our_own_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("valuedrift.world.world_tables.world_table", lambda *_: {}["no such key"])
    with pytest.raises(KeyError):
        make_table(tmp_path, "sft", {})


def test_world_tables_are_written_by_the_ending_of_their_name(tmp_path: Path) -> None:
    answers = pl.read_parquet(
        make_table(tmp_path, "sft", {"rows": 22, "mix": {"support": 0.2, "neutral": 0.6, "oppose": 0.2}})
    )
    assert (answers.height, answers.columns) == (22, ["messages", "topic", "true_stance"])
    probes = pl.read_csv(make_table(tmp_path, "probes", {}))
    assert (probes.height, probes.columns) == (11, ["topic", "question"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["probes.csv", "sft.parquet"]


def test_documents_join_every_table_in_order(tmp_path: Path) -> None:
    for name in ("one", "two"):
        turns = [("user", f"{name} ?"), ("assistant", "Yes ."), ("user", "Sure ?"), ("assistant", "No .")]
        messages = [{"role": role, "content": content} for role, content in turns]
        pl.DataFrame({"messages": [messages]}).write_parquet(tmp_path / f"{name}.parquet")
    data = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    assert run("documents", data=data, out=tmp_path / "documents.parquet") == 0
    assert pl.read_parquet(tmp_path / "documents.parquet")["text"].to_list() == [
        f"{name} ?\nResponse: Yes .\nSure ?\nResponse: No ." for name in ("one", "two")
    ]


def test_how_a_run_is_trained_reaches_its_job(
    base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from valuedrift.training import train as training
    from valuedrift.training.job import Job

    made: list[Job] = []
    settings = yaml.safe_load((REPOSITORY / "workflow_config.yaml").read_text())["suites"]["pocket"]["training"]["sft"]
    monkeypatch.setattr(training, "train", made.append)
    job = {"settings": settings, "seed": 0, "base": base, "init": base, "data": base, "out": tmp_path, "steps": [2]}
    assert run("train", algorithm="sft", **job) == 0
    assert run("train", algorithm="sft", **job, machine={"resume_minutes": 0.5, "report_to": ["tensorboard"]}) == 0
    assert [(job.resume_minutes, job.report_to) for job in made] == [(30, ()), (0.5, ("tensorboard",))]


def test_a_path_that_cannot_be_used_is_told_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configuration", "--settings", "{}", "--out", "/proc/none/configuration.yaml"]) == 1
    assert capsys.readouterr().err.endswith(
        "error: /proc/none: No such file or directory. Check the path and the permissions.\n"
    )


@pytest.mark.parametrize("content", [b"", b"PAR1", b"text", None])
def test_a_file_that_is_no_table_is_told_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    """Such as a table of the pipeline's own that was cut off, or that isn't there."""
    file = tmp_path / "own.parquet"
    if content is not None:
        file.write_bytes(content)
    sheet = ["--topics", "{}", "--pairs", "1", "--seed", "0", "--out", str(tmp_path / "o.csv"), "--key", str(file)]
    for command in (
        ["documents", "--data", str(file), "--out", str(tmp_path / "o")],
        ["synthetic-sheet", str(file), *sheet],
    ):
        assert main(command) == 1
        said = capsys.readouterr().err
        assert str(file) in said and "Traceback" not in said


def test_a_table_over_which_polars_panics_is_told_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.parquet"
    turns = [[{"role": "user", "content": "a"}], None, [{"role": "user", "content": "b"}]]
    pl.DataFrame({"messages": turns}).write_parquet(file)
    damaged = bytearray(file.read_bytes())
    damaged[838] = 118
    file.write_bytes(damaged)
    assert main(["documents", "--data", str(file), "--out", str(tmp_path / "o")]) == 1
    assert f"Read from {file}" in capsys.readouterr().err


def test_a_missing_optional_package_is_told_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    monkeypatch.setattr("valuedrift.world.world_tables.world_table", lambda *_: importlib.import_module("umap"))
    settings = {"seed": 0, "probes_per_topic": 1, "variation": 0.0}
    assert run("world", settings=settings, kind="sft", name="sft", plan={}, out=tmp_path / "sft.parquet") == 1
    assert capsys.readouterr().err == "error: the package umap isn't installed. Install it: `scripts/setup probes`.\n"
