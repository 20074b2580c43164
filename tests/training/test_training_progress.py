"""The progress that a run prints, and the metrics that it leaves."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl
import pytest
from training_rows import PAPER, Finished, MakeJob, logged
from transformers import TrainerControl, TrainerState, TrainingArguments

from valuedrift.errors import ConfigError
from valuedrift.training.metrics import entry, write_metrics
from valuedrift.training.progress_lines import Progress
from valuedrift.training.train import train


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def walk(progress: Progress, folder: Path, first: int = 0) -> None:
    """A run of four steps that logs at every second one."""
    arguments = TrainingArguments(output_dir=str(folder / "unused"), use_cpu=True, report_to="none")
    control, state = TrainerControl(), TrainerState(global_step=first, max_steps=4)
    progress.on_train_begin(arguments, state, control)
    for step in range(first + 1, 5):
        state.global_step = step
        progress.on_step_end(arguments, state, control)
        if step % 2 == 0:
            progress.on_log(arguments, state, control, logs={"loss": 1 / step, "tokens_per_second": 1234.5})
    progress.on_log(arguments, state, control, logs={"train_runtime": 3.0})


def test_a_log_gets_plain_lines_where_something_was_logged(tmp_path: Path) -> None:
    stream = io.StringIO()
    walk(Progress(stream), tmp_path)
    assert stream.getvalue() == (
        "step 2/4, loss 0.5, 1,234 tokens/s, 0.0 s left\nstep 4/4, loss 0.25, 1,234 tokens/s, 0.0 s left\n"
    )


def test_a_terminal_gets_one_line_that_changes(tmp_path: Path) -> None:
    stream = Terminal()
    walk(Progress(stream), tmp_path)
    text = stream.getvalue()
    assert text.count("\n") == 1 and text.endswith("\n")
    lines = text.rstrip("\n").split("\r")[1:]
    assert [line.split(",")[0] for line in lines] == ["step 1/4", "step 2/4", "step 3/4", "step 4/4"]
    assert "loss" not in lines[0] and "loss 0.5" in lines[2]


def test_the_time_left_counts_only_the_steps_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A continued run did not take the steps before its point."""
    clock = iter([100.0, 110.0, 120.0])
    monkeypatch.setattr("valuedrift.training.progress_lines.time.monotonic", lambda: next(clock))
    stream = Terminal()
    walk(Progress(stream), tmp_path, first=2)
    assert "step 3/4, 10 s left" in stream.getvalue()


@pytest.mark.parametrize("algorithm", PAPER)
def test_a_run_prints_its_progress(make_job: MakeJob, capsys: pytest.CaptureFixture[str], algorithm: str) -> None:
    job = make_job(algorithm)
    train(job)
    last = job.steps[-1]
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("step ")]
    assert [line.split(",")[0] for line in lines] == [f"step {step}/{last}" for step in range(1, last + 1)]
    assert all("loss " in line and " tokens/s" in line and line.endswith(" left") for line in lines)
    assert "{'loss'" not in captured.out, "the trainers' own lines would say it twice"


def test_tokens_are_those_that_were_trained_on_without_padding(
    make_job: MakeJob, finished: Finished, data: dict[str, Path], base: Path
) -> None:
    from transformers import AutoTokenizer

    from valuedrift.training.encode_rows import encode_conversation

    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = pl.read_parquet(data["sft"]).to_dicts()
    tokens = sum(len(encode_conversation(tokenizer, row["messages"], 80)["input_ids"]) for row in rows)
    assert logged(finished("sft"), "num_tokens")[-1] == 2 * tokens  # two epochs


def test_metrics_have_one_name_over_the_algorithms(tmp_path: Path) -> None:
    entries = [
        entry(
            1, {"lr": 0.5, "loss/policy_avg": 2, "objective/kl": 0.25, "eps": 7, "note": "text", "var": float("nan")}
        ),
        entry(2, {"rewards/margins": 1.5}),
        entry(3, {"margin": 2.5}),
    ]
    write_metrics(tmp_path / "metrics.parquet", entries)
    assert pl.read_parquet(tmp_path / "metrics.parquet").rows() == [
        (1, "kl", 0.25),
        (1, "learning_rate", 0.5),
        (1, "loss", 2.0),
        (2, "reward_margin", 1.5),
        (3, "reward_margin", 2.5),
    ]


def test_a_reporter_that_is_not_installed_is_named(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("valuedrift.trackers.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"found 'wandb', expected an installed package. Install it: pip install"):
        train(make_job("sft", job={"report_to": ("wandb",)}))
