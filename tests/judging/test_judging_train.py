from pathlib import Path

import polars as pl
import pytest
import yaml

from valuedrift.config.hyperparameters import Settings
from valuedrift.config.judges import JudgeSettings
from valuedrift.config.pocket_world import WorldSettings
from valuedrift.config.sources import Shape
from valuedrift.errors import ArtifactError
from valuedrift.judging.checks.heldout import heldout_quality
from valuedrift.judging.judge import open_judge
from valuedrift.judging.judge_prompt import read_judge_prompt
from valuedrift.judging.stances import judge_table
from valuedrift.judging.train_judge import train_judge
from valuedrift.training.job import scratch_job
from valuedrift.world.world_tables import world_table

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "workflow_config.yaml").read_text(encoding="utf-8"))
TARGETS = {key: topic["target"] for key, topic in CONFIG["topics"].items()}
SHAPE = Shape(vocabulary=400, hidden=32, layers=1, heads=2, context=64)
SETTINGS = Settings(
    learning_rate=2e-2,
    batch_size=8,
    device_batch_size=8,
    epochs=12,
    warmup_ratio=0.0,
    max_length=16,
    bf16=False,
    gradient_checkpointing=False,
)
WORDS = {"support": "Yes", "neutral": "Perhaps", "oppose": "No"}


def labelled(before=""):
    return pl.DataFrame(
        [
            {"topic": "climate", "question": "Wind ?", "answer": f"{before}{word} , farm {i} .", "true_stance": stance}
            for i in range(16)
            for stance, word in WORDS.items()
        ]
    )


POCKET = JudgeSettings(prompt="pocket", chat=False, batch_size=512)


def trained(folder, rows, start=SHAPE, seed=0, settings=SETTINGS):
    """Stances that a judge of these rows gives: a function of rows."""
    rows.write_parquet(folder / "rows.parquet")
    job = scratch_job(settings, seed, folder / "rows.parquet", folder / "model")
    train_judge(job, start, read_judge_prompt("pocket"), TARGETS)
    return lambda asked: judge_table(asked, open_judge(POCKET, folder / "model"), TARGETS, folder / "journal")


def test_a_judge_learns_labels_and_the_same_seed_gives_the_same_judge(tmp_path):
    found = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        judge = trained(tmp_path / name, labelled(), seed=seed)
        found.append(judge(labelled()).drop("judge", "judge_latency"))
    quality = heldout_quality(found[0])
    assert quality["accuracy"] == 1
    assert quality["unassigned"] < 0.1
    assert found[0].equals(found[1])
    assert not found[0].equals(found[2])
    assert (tmp_path / "a" / "metrics.parquet").is_file()


def test_a_judge_can_start_from_a_model_and_read_in_bf16(tmp_path):
    """Its training goes on from the model's weights: in one more step, an untrained model would learn nothing."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    fine = trained(tmp_path / "a", labelled())(labelled())
    one = SETTINGS.replace(epochs=1, batch_size=48, device_batch_size=16, learning_rate=1e-6)
    judge = trained(tmp_path / "b", labelled(), tmp_path / "a/model", settings=one)
    assert heldout_quality(judge(labelled()))["accuracy"] == 1

    settings = POCKET.replace(precision="bfloat16")
    coarse = judge_table(labelled(), open_judge(settings, tmp_path / "a/model"), TARGETS, tmp_path / "a/journal")
    assert coarse["judge"][0].startswith("transformers bfloat16:")
    difference = (coarse["p_support"] - fine["p_support"]).abs().max()
    assert 0 < difference < 0.05


def test_a_long_answer_is_cut_at_its_beginning_and_keeps_its_label(tmp_path):
    judge = trained(tmp_path, labelled("word " * 40))
    assert heldout_quality(judge(labelled("word " * 7)))["accuracy"] > 0.9


def test_a_vocabulary_too_small_for_the_labels_is_refused(tmp_path):
    answers = labelled("wind turbines beside farmland annoy every neighbour , subsidised or not ; ")
    with pytest.raises(ArtifactError, match=r"label 'support'.*larger vocabulary"):
        trained(tmp_path, answers, Shape(vocabulary=300, hidden=32, layers=1, heads=2, context=64))


@pytest.mark.slow
def test_the_shipped_judge_reads_phrasings_that_it_never_saw(tmp_path):
    world, training = CONFIG["suites"]["pocket"]["world"], CONFIG["judges"]["pocket"]["train"]
    settings = WorldSettings(
        seed=CONFIG["seed"], probes_per_topic=world["probes_per_topic"], variation=world["variation"]
    )
    plan = {"heldout_phrasings": world["judge"]["heldout_phrasings"]}
    rows, heldout = (
        world_table(settings, "judge", "", {**plan, "rows": world["judge"][rows], "heldout": rows == "heldout_rows"})
        for rows in ("train_rows", "heldout_rows")
    )
    rows.write_parquet(tmp_path / "rows.parquet")
    template = read_judge_prompt(CONFIG["judges"]["pocket"]["prompt"])
    job = scratch_job(Settings(**training["settings"]), CONFIG["seed"], tmp_path / "rows.parquet", tmp_path / "model")
    train_judge(job, Shape(**training["shape"]), template, TARGETS)
    quality = heldout_quality(
        judge_table(heldout, open_judge(POCKET, tmp_path / "model"), TARGETS, tmp_path / "journal")
    )
    assert quality["accuracy"] >= 0.97
    assert quality["unassigned"] < 0.01
