"""What a run refuses, or stops at, and what it tells its user to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from training_rows import PAPER, MakeJob, turn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback

from valuedrift.config.sources import Shape
from valuedrift.errors import ArtifactError, DataError
from valuedrift.models.model_folder import require_model
from valuedrift.training import train as training
from valuedrift.training.pretrain import new_model
from valuedrift.training.train import train


@pytest.fixture
def wider(tokenizer: Any, tmp_path: Path) -> Path:
    """A checkpoint of another architecture, with the same tokenizer."""
    folder = tmp_path / "step-000003"
    new_model(Shape(vocabulary=300, hidden=24, layers=1, heads=2, context=64), tokenizer, 0).save_pretrained(folder)
    return folder


@pytest.fixture
def edited_base(base: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the base model whose tokenizer was changed by a function."""

    def edit(change: Callable[[Any], None]) -> Path:
        folder = Path(shutil.copytree(base, tmp_path / "base"))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        change(tokenizer)
        tokenizer.save_pretrained(folder)
        if tokenizer.chat_template is None:
            (folder / "chat_template.jinja").unlink()
        return folder

    return edit


@pytest.mark.parametrize("algorithm", PAPER)
def test_a_checkpoint_of_another_model_is_refused(make_job: MakeJob, wider: Path, algorithm: str) -> None:
    """As when pairs would be encoded by one model's tokenizer for an SFT checkpoint of another."""
    with pytest.raises(ArtifactError, match=r"step-000003: found 'hidden_size 24', expected hidden_size 16, as in .*"):
        train(make_job(algorithm, job={"init": wider}))


def test_a_reward_model_of_another_model_is_refused(make_job: MakeJob, wider: Path, tmp_path: Path) -> None:
    folder = tmp_path / "step-000004"
    AutoModelForSequenceClassification.from_pretrained(wider, num_labels=1).save_pretrained(folder)
    with pytest.raises(ArtifactError, match=r"step-000004: found 'hidden_size 24', expected hidden_size 16"):
        train(make_job("ppo", job={"reward_model": folder}))


CHANGES: dict[str, tuple[Callable[[Any], None], str]] = {
    "end": (lambda t: setattr(t, "eos_token", None), "a tokenizer without end token"),
    "padding": (lambda t: setattr(t, "pad_token", None), "a tokenizer without padding token"),
    "template": (lambda t: setattr(t, "chat_template", None), "no chat template"),
    "both one": (lambda t: setattr(t, "pad_token", t.eos_token), r"<\|end\|> as end and padding token"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("algorithm", ["sft", "dpo"])
def test_tokenizers_that_can_not_serve_are_refused(
    make_job: MakeJob, edited_base: Callable[..., Path], base: Path, algorithm: str, change: str
) -> None:
    edit, found = CHANGES[change]
    with pytest.raises(ArtifactError, match=rf"base: found '{found}'"):
        train(make_job(algorithm, job={"base": edited_base(edit), "init": base}))


@pytest.mark.parametrize(("algorithm", "of"), [("dpo", "sft"), ("sft", "dpo"), ("ppo", "sft")])
def test_data_of_another_kind_are_refused_by_their_columns(
    make_job: MakeJob, data: dict[str, Path], algorithm: str, of: str
) -> None:
    with pytest.raises(ArtifactError, match=r"\.parquet: found 'columns .*SFT reads conversations"):
        train(make_job(algorithm, job={"data": data[of]}))


def test_a_conversation_without_an_answer_is_named_by_its_row(make_job: MakeJob, tmp_path: Path) -> None:
    file = tmp_path / "one-sided.parquet"
    rows = [[turn("user", "Hello"), turn("assistant", "Hello .")], [turn("user", "Nobody ?")]]
    pl.DataFrame({"messages": rows}).write_parquet(file)
    with pytest.raises(
        DataError, match=r"one-sided\.parquet, row 1, field 'messages': found 'no word of an assistant in the first"
    ):
        train(make_job("sft", job={"data": file}))


class Poison(TrainerCallback):  # type: ignore[misc]
    """Makes the loss of step 4 not a number, as an overflow would."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 3:
            model = getattr(kwargs["model"], "policy", kwargs["model"])
            with torch.no_grad():
                next(model.parameters()).fill_(float("nan"))


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("algorithm", ["sft", "reward", "dpo", "simpo"])
def test_a_loss_that_is_not_a_number_stops_the_run_at_its_step(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, algorithm: str, resumed: bool
) -> None:
    build = training.ALGORITHMS[algorithm]
    monkeypatch.setitem(training.ALGORITHMS, algorithm, lambda job, callbacks: build(job, [*callbacks, Poison()]))
    job = make_job(algorithm, job={"resume": tmp_path / "resume" if resumed else None})
    with pytest.raises(ArtifactError, match=r"a loss or gradient of nan at step 4'.*step-000002 is whole. A lower"):
        train(job)
    kept = tmp_path / "resume" / "saved" if resumed else job.folder
    assert [path.name for path in kept.glob("step-*")] == ["step-000002"]
    require_model(kept / "step-000002")
    model = AutoModelForCausalLM.from_pretrained(kept / "step-000002")
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_diverging_ppo_run_stops_too(make_job: MakeJob) -> None:
    with pytest.raises(ArtifactError, match=r"a loss or gradient of (nan|inf) at step \d"):
        train(make_job("ppo", learning_rate=1e30))
