"""A sweep over checkpoints, the table that it writes, and the answers that it keeps."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from probe_table import QUESTIONS, write_probes
from safetensors.torch import load_file, save_file

from valuedrift.config.sampling import Sampling
from valuedrift.errors import ArtifactError
from valuedrift.generation.probe_prompts import Prompt, PromptCodec
from valuedrift.generation.sweep import sweep
from valuedrift.generation.transformers_engine import TransformersEngine

COLUMNS = ["model", "run", "step", "topic", "question_id", "question", "sample", "answer", "tokens", "finished"]
COLUMNS += ["reasoning", "unclosed"]
SAMPLING = Sampling(answers=2, temperature=0.9, max_tokens=6, batch_size=3, seed=0)


class Sweeper:
    """Sweeps with a store of the test's own, and remembers how many answers each checkpoint had to give."""

    def __init__(self, base: Path, checkpoints: list[Path], probes: Path, folder: Path) -> None:
        self.base, self.checkpoints, self.probes, self.folder = base, checkpoints, probes, folder
        self.generated: list[int] = []
        self.file = folder / "answers.parquet"

    def __call__(self, sampling: Sampling = SAMPLING, run: str = "sft-wildchat") -> pl.DataFrame:
        self.generated.clear()
        files = (self.probes, sampling, self.file, self.folder / "store")
        sweep("pocket", run, self.base, self.checkpoints, *files, engine="transformers")
        return pl.read_parquet(self.file)


@pytest.fixture
def swept(
    base: Path, checkpoints: list[Path], probes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Sweeper:
    sweeper = Sweeper(base, checkpoints, probes, tmp_path)
    answer = TransformersEngine.answer

    def counted(self: TransformersEngine, prompts: list[Prompt], sampling: Sampling) -> object:
        sweeper.generated.append(sum(len(prompt.samples) for prompt in prompts))
        return answer(self, prompts, sampling)

    monkeypatch.setattr(TransformersEngine, "answer", counted)
    return sweeper


def test_one_row_per_answer_in_order(swept: Sweeper) -> None:
    table = swept()
    other = {"step": pl.Int64, "sample": pl.Int64, "tokens": pl.Int64}
    other |= {"finished": pl.Boolean, "unclosed": pl.Boolean}
    assert list(table.schema.items()) == [(name, other.get(name, pl.String)) for name in COLUMNS]
    expected = [(step, key, sample) for step in (2, 4, 6) for key in QUESTIONS for sample in (0, 1)]
    assert table.select("step", "question_id", "sample").rows() == expected
    assert set(table.select("model", "run").rows()) == {("pocket", "sft-wildchat")}
    for topic, key, question in table.select("topic", "question_id", "question").rows():
        assert (key.split("-")[0], QUESTIONS[key]) == (topic, question)
    metadata = pl.read_parquet_metadata(swept.file)
    assert metadata["engine"] == "transformers float32"
    assert json.loads(metadata["loaded"]) == {"2": "in place", "4": "in place", "6": "in place"}


@pytest.mark.parametrize(
    ("run", "form"),
    [
        ("sft-wildchat/dpo-ultrafeedback", "<|user|>{}<|assistant|>"),
        ("sft-base", "<|user|>{}<|assistant|>"),
        ("base", "{}\nResponse:"),
    ],
)
def test_base_models_are_asked_in_plain_text_and_others_in_their_chat_format(
    swept: Sweeper, codec: PromptCodec, start: Callable[[Path], TransformersEngine], run: str, form: str
) -> None:
    swept.checkpoints = swept.checkpoints[1:2]
    table = swept(run=run)
    texts = {key: form.format(question) for key, question in QUESTIONS.items()}
    prompts = [Prompt(key, text, tuple(codec.tokenizer(text)["input_ids"]), (0, 1)) for key, text in texts.items()]
    answers = start(swept.checkpoints[0]).answer(prompts, SAMPLING)
    assert table["answer"].to_list() == [answer.text for answer in answers]
    assert table["tokens"].to_list() == [answer.tokens for answer in answers]


def test_equal_weights_answer_equally_and_once_and_others_do_not(swept: Sweeper) -> None:
    table = swept()
    first, second, third = (table.filter(step=step)["answer"].to_list() for step in (2, 4, 6))
    assert first == third
    assert first != second
    assert swept.generated == [6, 6]


def test_the_same_sweep_gives_the_same_bytes_with_and_without_kept_answers(swept: Sweeper) -> None:
    swept()
    first = swept.file.read_bytes()
    swept.file.unlink()
    swept()
    assert swept.generated == []
    assert swept.file.read_bytes() == first
    shutil.rmtree(swept.folder / "store")
    swept()
    assert swept.generated == [6, 6]
    assert swept.file.read_bytes() == first


def test_answers_of_another_precision_are_generated_anew(swept: Sweeper) -> None:
    fine = swept()
    coarse = swept(SAMPLING.replace(precision="bfloat16"))
    assert swept.generated == [6, 6]
    assert pl.read_parquet_metadata(swept.file)["engine"] == "transformers bfloat16"
    assert swept().equals(fine)
    assert not coarse.equals(fine)
    assert swept.generated == []


@pytest.mark.parametrize("cuts", [(1,), (2,), (1, 2)])
def test_shards_and_batches_of_any_size_give_the_same_answers(swept: Sweeper, cuts: tuple[int, ...]) -> None:
    whole, checkpoints = swept(), swept.checkpoints
    parts = []
    for number, (start, end) in enumerate(zip((0, *cuts), (*cuts, 3), strict=True)):
        swept.checkpoints, swept.folder = checkpoints[start:end], swept.folder / "other"
        parts.append(swept(SAMPLING.replace(batch_size=1 + 5 * number)))
    assert pl.concat(parts).equals(whole)


def test_for_more_answers_per_question_only_the_new_ones_are_generated(swept: Sweeper) -> None:
    two = swept()
    five = swept(SAMPLING.replace(answers=5))
    assert swept.generated == [9, 9]
    assert five.filter(pl.col("sample") < 2).equals(two)
    shutil.rmtree(swept.folder / "store")
    assert swept(SAMPLING.replace(answers=5)).equals(five)
    assert swept(SAMPLING).equals(two)
    assert swept.generated == []


def test_for_one_more_question_only_its_answers_are_generated(swept: Sweeper, tmp_path: Path) -> None:
    before = swept()
    swept.probes = write_probes(tmp_path / "more.parquet", {"work-9": "Is work right ?", **QUESTIONS})
    after = swept()
    assert swept.generated == [2, 2]
    assert after.filter(pl.col("question_id") != "work-9").equals(before)
    assert after["question_id"].to_list()[:2] == ["work-9", "work-9"]


@pytest.mark.parametrize("change", [{"temperature": 0.5}, {"max_tokens": 5}, {"seed": 1}])
def test_answers_of_other_sampling_are_generated_and_saved_separately(swept: Sweeper, change: dict[str, float]) -> None:
    first = swept()
    assert not swept(SAMPLING.replace(**change)).equals(first)
    assert swept.generated == [6, 6]
    assert swept().equals(first)
    assert swept.generated == []


def test_answers_to_another_prompt_format_are_saved_separately(swept: Sweeper) -> None:
    chat = swept()
    assert swept(run="base")["answer"].to_list() != chat["answer"].to_list()
    assert swept.generated == [6, 6]


def test_changed_weights_of_the_same_name_answer_again(swept: Sweeper, other: Path, tmp_path: Path) -> None:
    swept.checkpoints = [Path(shutil.copytree(swept.checkpoints[0], tmp_path / "step-000002"))]
    before = swept()
    shutil.copy(other / "model.safetensors", swept.checkpoints[0])
    assert not swept().equals(before)
    assert swept.generated == [6]


def test_what_was_answered_stays_when_a_later_checkpoint_stops_the_sweep(swept: Sweeper, tmp_path: Path) -> None:
    whole = swept().filter(step=2)
    shutil.rmtree(swept.folder / "store")
    swept.file.unlink()
    missing, good = tmp_path / "step-000004", swept.checkpoints
    swept.checkpoints = [good[0], missing]
    with pytest.raises(ArtifactError, match="step-000004: found 'nothing'"):
        swept()
    assert not swept.file.exists()
    shutil.copytree(good[1], missing)
    assert swept().filter(step=2).equals(whole)
    assert swept.generated == [6]


def test_no_checkpoint_answers_that_is_not_whole(swept: Sweeper, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(swept.checkpoints[1], tmp_path / "step-000004"))
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][0] = torch.nan
    save_file(tensors, folder / "model.safetensors")
    swept.checkpoints = [swept.checkpoints[0], folder, swept.checkpoints[2]]
    with pytest.raises(ArtifactError, match=r"model\.safetensors: found \"NaN or infinity in 'model\.norm\.weight'\""):
        swept()
    assert swept.generated == [6]
    assert len(list((swept.folder / "store").iterdir())) == 1


def test_the_log_says_how_many_answers_were_generated(swept: Sweeper, capsys: pytest.CaptureFixture[str]) -> None:
    swept()
    said = capsys.readouterr().err
    assert "step-000002: 6 answers, " in said
    assert "step-000006: all answers are saved already" in said
