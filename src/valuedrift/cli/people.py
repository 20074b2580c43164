"""Commands that people type."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from valuedrift.cli.options import Json, Paths
from valuedrift.errors import ArtifactError, ConfigError


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SnakemakeOptions:
    """Options that are passed to Snakemake.

    Attributes:
        configfile: Configuration files that override the project's, as for Snakemake.
        config: KEY=VALUE pairs that override the configuration, as for Snakemake.
        profile: Profiles of Snakemake to use.
    """

    configfile: Sequence[str] = ()
    config: Sequence[str] = ()
    profile: Sequence[str] = ()

    def words(self) -> list[str]:
        """Return the options as words of Snakemake's command line."""
        return [word for name, values in vars(self).items() if values for word in (f"--{name}", *values)]


def plan(
    targets: Sequence[str] = (), /, *, json_: bool = False, options: SnakemakeOptions = SnakemakeOptions()
) -> None:
    """Estimate what targets still take: jobs, tokens, hours, disk, dollars. Fails if that exceeds the budget.

    Args:
        targets: Files, folders or rules to make; if none are given, the default target of `snakemake`.
        json_: Print JSON.
    """
    from valuedrift.workflow.plan import plan_targets, require_budget
    from valuedrift.workflow.plan_text import plan_text

    found, budget = plan_targets(targets, options.words())
    print(json.dumps(found.as_dict(), indent=2) if json_ else plan_text(found, budget))
    require_budget(found, budget)


def trace(
    places: Sequence[str] = (),
    /,
    *,
    list_: str | None = None,
    base: str | None = None,
    judge: str | None = None,
    probes: str = "50",
    answers: PositiveInt = 5,
    name: str | None = None,
    cores: str = "all",
    dry_run: bool = False,
    watch: float | None = None,
    options: SnakemakeOptions = SnakemakeOptions(),
) -> None:
    """Trace checkpoints that exist already: find them, write a configuration, print what it will take, and run it.

    Args:
        places: Folders of checkpoints and models on the hub (OWNER/NAME), in the order of the stages.
        list_: Print what looks like steps in this model on the hub, and nothing else.
        base: The model before all stages: a folder, or OWNER/NAME or OWNER/NAME@REVISION on the hub.
        judge: The judge, a key of `judges`; if omitted, the first that isn't trained by the pipeline.
        probes: Table of your own questions (CSV or JSON lines with topic, question), or how many of the package's
            questions to ask per topic.
        answers: Answers per question.
        name: Name of the traced model and of the configuration file; if omitted, that of the first place.
        cores: Cores that Snakemake uses.
        dry_run: Print what it will take, and run nothing.
        watch: Trace checkpoints as they come, until training has ended or none has come for this number of minutes.
    """
    from valuedrift.workflow.found_stages import find_stages, listing
    from valuedrift.workflow.trace import model_key, run_trace, trace_configuration, trace_judge, write_trace
    from valuedrift.workflow.watch import watch_places

    if list_:
        print(listing(list_))
        return
    if not places:
        raise ConfigError("trace", None, "folders of checkpoints, or models on the hub (OWNER/NAME)")
    stages = find_stages(places)
    key = name or model_key(stages[0])
    chosen, file = trace_judge(key, judge, options.words()), Path(f"{key}.yaml")
    write_trace(trace_configuration(key, stages, base, chosen, probes, answers), file)
    print(*stages, f"judge: {chosen}", f"configuration: {file}", "", sep="\n", flush=True)
    words = replace(options, configfile=[*options.configfile, str(file)]).words()
    if watch is None or dry_run:
        run_trace(words, None if dry_run else cores)
    else:
        watch_places(places, lambda: run_trace(words, cores), watch)


def design(
    *,
    detect: float,
    pilot: Path | None = None,
    model: str | None = None,
    power: float = 0.8,
    question_cost: float = 20,
    questions: Sequence[int] = (10, 20, 50, 100, 200, 500),
    seeds: Sequence[int] = (1, 3),
    json_: bool = False,
    options: SnakemakeOptions = SnakemakeOptions(),
) -> None:
    """Choose questions, answers and seeds for a drift that you want to detect on a single topic, with their price.

    Args:
        detect: Drift magnitude to detect, such as 0.05.
        pilot: Folder of a pilot's statistics, such as results/statistics/pocket, for the variances.
        model: Model of this project whose runs give the price: training, answers and judging.
        power: Probability of detecting it.
        question_cost: What one more question costs, in answers at every checkpoint of every seed.
        questions: Numbers of questions per topic to compare.
        seeds: Numbers of seeds to compare.
        json_: Print JSON.
    """
    from valuedrift.statistics.design import Variances, cheapest, designs, pilot_variances
    from valuedrift.workflow.design_price import design_text, priced, prices

    if not (0 < detect < 1 and 0 < power < 1 and min(*questions, 2) >= 2 and min(*seeds, 1) >= 1 and question_cost > 0):
        found = f"detect {detect}, power {power}, questions {questions}, seeds {seeds}, question cost {question_cost}"
        raise ConfigError("design", found, "detect and power between 0 and 1, 2 or more questions, 1 or more seeds")
    known = pilot_variances(pilot) if pilot else Variances()
    rates = prices(model, options.words()) if model else None
    rows = [
        priced(one, rates, best=one is best)
        for number in seeds
        for best in (cheapest(detect, number, known, power, question_cost),)
        for one in (*designs(detect, questions, number, known, power), *([best] if best else []))
    ]
    print(json.dumps({"variances": asdict(known), "designs": rows}, indent=2) if json_ else design_text(known, rows))


def why(targets: Sequence[str] = (), /, *, json_: bool = False, options: SnakemakeOptions = SnakemakeOptions()) -> None:
    """Print one sentence per job that has to run, with the reasons.

    Args:
        targets: Files, folders or rules to make; if none are given, the default target of `snakemake`.
        json_: Print JSON.
    """
    from valuedrift.workflow.why import explain, sentence, stale_jobs

    jobs = stale_jobs(targets, options.words())
    if json_:
        print(json.dumps([{**asdict(job), "sentence": sentence(job)} for job in jobs], indent=2, ensure_ascii=False))
    else:
        print(explain(jobs))


def status(*, watch: bool = False) -> None:
    """Print how far the run in this folder is: jobs by stage, the last lines of their logs, failures, time, disk.

    Args:
        watch: Print it anew every two seconds, until the run ends.
    """
    from valuedrift.workflow.status import read_statuses, status_text

    while True:
        found, width = read_statuses(), shutil.get_terminal_size((1000, 0)).columns
        text = "\n\n".join(status_text(one, width) for one in found) or "No job has been run in this folder yet."
        print(f"\033[H\033[J{text}" if watch and sys.stdout.isatty() else text, flush=True)
        if not (watch and any(one.running for one in found)):
            return
        time.sleep(2)


def verify(paths: Paths = (), /, *, archive: Path | None = None, json_: bool = False) -> None:
    """Hash artifacts again, and list those that were changed after they were made.

    Args:
        paths: Artifacts or folders of them; if none are given, all results.
        archive: Check an archive that `pack` made instead.
        json_: Print JSON.
    """
    from valuedrift.provenance.archive import verify_archive
    from valuedrift.provenance.verify import verify

    verified = verify_archive(archive) if archive else verify(paths)
    if json_:
        print(json.dumps({**asdict(verified), "sound": not verified.findings}, indent=2))
    else:
        print("\n".join([*map(str, verified.findings), f"{verified.files} files hashed"]))
    if verified.findings:
        found = f"{len(verified.findings)} files or records that are not as they were made"
        do = "Find out who changed them; to make one again, remove it and run its target."
        raise ArtifactError(verified.findings[0].path, found, "none", do)


def pack(archive: Path, paths: Paths = (), /) -> None:
    """Pack results for publication: tables, figures, statistics, stances, configuration, provenance; no weights.

    Args:
        archive: Archive to write.
        paths: Artifacts to pack; if none are given, all that belong in a publication.
    """
    from valuedrift.provenance.archive import pack

    print(f"{archive}: {len(pack(archive, paths))} files")


def judge_against_people(file: Path, /, *, json_: bool = False, out: Path | None = None) -> None:
    """Measure judges against human labels.

    Args:
        file: Table of answers with labels of people and of judges.
        json_: Print the summary as JSON.
        out: Folder to write the tables and figures into.
    """
    from valuedrift.judging.checks.against_people import (
        judges_against_people,
        quality_markdown,
        summary,
        write_against_people,
    )

    quality = judges_against_people(file)
    print(json.dumps(summary(quality), indent=2) if json_ else quality_markdown(quality))
    if out:
        write_against_people(quality, out)


def judge_exam(
    judge: str,
    /,
    *,
    answers: Path | None = None,
    robustness: bool = False,
    dry_run: bool = False,
    pay: bool = False,
    json_: bool = False,
    out: Path | None = None,
    options: SnakemakeOptions = SnakemakeOptions(),
) -> None:
    """Let a judge of the configuration read a few hundred answers of known stance, and print how well it reads.

    Args:
        judge: The judge's name, a key of `judges`.
        answers: Table of your own labelled answers: topic, question, answer, true_stance; optionally kind, polarity.
        robustness: Ask a part again with the labels in other orders, and in a second wording.
        dry_run: Ask and write nothing; print the number of requests and their cost.
        pay: Consent to the price, for a judge that costs money.
        json_: Print the numbers as JSON.
        out: Folder to write; results/exams/JUDGE if omitted.
    """
    from valuedrift.judging.exam.exam import estimate_text, require_consent, take_exam
    from valuedrift.judging.exam.exam_tables import exam_json, exam_markdown, write_exam
    from valuedrift.judging.exam.own_answers import read_own_answers
    from valuedrift.workflow.exam_settings import read_exam

    own = read_own_answers(answers) if answers else None
    exam = read_exam(judge, own, robustness, options.words())
    if dry_run:
        print(estimate_text(exam))
        return
    require_consent(exam, pay)
    numbers, judged = take_exam(exam)
    write_exam(numbers, judged, out or Path("results/exams") / judge)
    print(json.dumps(exam_json(numbers), indent=2) if json_ else exam_markdown(numbers, judged))


def bridge(*, old: Path, new: Paths, out: Path) -> None:
    """Compare judges, or prompts, on the same answers, and show how values and drifts change.

    Args:
        old: Folder of stance tables by the judge in use.
        new: Folders of stance tables by other judges.
        out: Folder to write.
    """
    from valuedrift.judging.checks.bridge import write_bridges

    write_bridges(old, new, out)


def sheet(*, stances: Paths, targets: Json, pairs: int, seed: int, out: Path) -> None:
    """Draw judged answers for a person to judge blindly: a CSV file and a form.

    Args:
        stances: Stance tables to draw from.
        targets: Target of every topic.
        pairs: Answers to draw.
        seed: Seed of the draw.
        out: Folder to write.
    """
    from valuedrift.judging.checks.draw_sample import write_sample_sheet

    write_sample_sheet(stances, targets, pairs, seed, out)


def check_sheet(*, sheet: Path, key: Path, out: Path) -> None:
    """Evaluate a filled sheet: agreement with the judge, and a labelled sample to correct values.

    Args:
        sheet: The filled sheet.
        key: The sheet's key, as `sheet` wrote it.
        out: Folder to write.
    """
    from valuedrift.judging.checks.sheet_agreement import write_check

    write_check(sheet, key, out)


def prune(
    *,
    base: Path,
    checkpoints: Paths,
    answers: Paths,
    keep: Literal["all", "every_nth", "final"],
    nth: PositiveInt = 1,
) -> None:
    """Delete the weights of a run's checkpoints that have answered, except those to keep.

    Args:
        base: The base model's folder.
        checkpoints: All checkpoints of the run.
        answers: The run's tables of answers.
        keep: Checkpoints to keep, as `machine.keep`.
        nth: With `--keep every_nth`, keep every nth checkpoint.
    """
    from valuedrift.generation.prune_command import prune_run
    from valuedrift.quantities import byte_size

    print(f"{byte_size(prune_run(base, checkpoints, answers, keep, nth))} freed")


def synthetic_sheet(file: Path, /, *, topics: Json, pairs: int, seed: int, out: Path, key: Path) -> None:
    """Draw synthetic pairs for a person to check blindly.

    Args:
        file: Table of pairs, as `synthetic-pairs` writes it.
        topics: Target and value of every topic.
        pairs: Pairs to draw.
        seed: Seed of the draw.
        out: Sheet to write (CSV); the form (HTML) is written into the same folder.
        key: Key to write (parquet); the person who fills in the sheet should not read it.
    """
    from valuedrift.synthetic.side_agreement import write_pair_sheet

    write_pair_sheet(file, topics, pairs, seed, out, key)


def synthetic_agreement(sheet: Path, /, *, key: Path, out: Path) -> None:
    """Evaluate a filled sheet of synthetic pairs.

    Args:
        sheet: The filled sheet.
        key: The sheet's key, as `synthetic-sheet` wrote it.
        out: Table to write.
    """
    from valuedrift.synthetic.side_agreement import write_agreement

    print(write_agreement(sheet, key, out))


def compare_clusters(clustered: Path, published: Path, /) -> None:
    """Compare clusters of questions with published ones by their example texts.

    Args:
        clustered: Table of clusters, as `vprism-cluster` writes it.
        published: PRISM's own table of clusters.
    """
    from valuedrift.probes.compare_clusters import compare_clusters

    print(json.dumps(compare_clusters(clustered, published), indent=2))


def export_inspect(*, stances: Paths, out: Path) -> None:
    """Write answers with their stances as logs of inspect_ai.

    Args:
        stances: Stance tables.
        out: Folder to write.
    """
    from valuedrift.report.inspect_logs import write_inspect_logs

    write_inspect_logs(stances, out)


def log_values(*, values: Paths, to: Sequence[Literal["tensorboard", "wandb"]], out: Path) -> None:
    """Log values as scalars over each run's own steps, to TensorBoard or Weights & Biases. Logs only what is new.

    Args:
        values: Tables of values, such as results/statistics/pocket/values.parquet.
        to: Installed packages that log; wandb stays offline unless WANDB_MODE is set.
        out: Folder of the logs.
    """
    from valuedrift.trackers import log_values

    log_values(values, to, out)


def configuration_reference() -> None:
    """Print the meaning of every key of the configuration as Markdown, the content of docs/configuration.md."""
    from valuedrift.config.reference import reference
    from valuedrift.config.schema import WorkflowConfig

    print(reference(WorkflowConfig), end="")
