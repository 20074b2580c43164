"""How well values and drifts are corrected for the judge's errors: in simulations, and in a pocket world, as Markdown.

    python benchmarks/judge_correction.py --experiments 100
    python benchmarks/judge_correction.py --pocket results --experiments 10

The tables of docs/statistics.md are this output. In simulations, the coverage of the intervals of values and magnitudes
of single topics is counted. In a finished pocket run, whose grammar knows the true stance of every answer, corrected
and raw magnitudes are compared with the true ones; each experiment labels another sample.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from interval_coverage import markdown
from scipy.special import softmax

from valuedrift.judging.checks.draw_sample import TEXT, draw_distinct
from valuedrift.judging.checks.world_labels import world_labels
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.corrected import CORRECTED, RAW, corrected_tables, ends_of
from valuedrift.statistics.judge_errors import TRUE
from valuedrift.statistics.labelled_sample import answers_with_labels, broad_stage
from valuedrift.statistics.panel import ALL, PROBABILITIES, STANCES, make_panel, read_panel
from valuedrift.statistics.trajectory import Trajectory
from valuedrift.world.languages import true_stance

# By stage: the judge's stances (columns) of answers whose true stance is support, neutral, oppose, none (rows).
_BABBLE = [0.2, 0.5, 0.3]
JUDGES = {
    "base": [[0.8, 0.15, 0.05], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7], _BABBLE],
    "sft": [[0.85, 0.1, 0.05], [0.1, 0.85, 0.05], [0.1, 0.15, 0.75], _BABBLE],
    "preference": [[0.85, 0.1, 0.05], [0.1, 0.85, 0.05], [0.1, 0.15, 0.75], _BABBLE],
}
_START = (0.35, 0.4, 0.25)
_MOVED, _CONCENTRATION = 0.6, 2.0


@dataclass(frozen=True)
class Regime:
    """A grid of two SFT runs and of preference runs, whose answers a judge misreads.

    Attributes:
        name: What the table calls it.
        labels: Labelled answers per stage and topic.
        topics: Number of topics.
        questions: Questions per topic.
        answers: Answers per question.
        preference: Number of preference runs; every other one starts from the first SFT run.
        spread: Standard deviations of the judge's errors, in logits: between runs, between topics, and between topics
            within a run.
        shared: Part of a preference run's answers that are its SFT run's.
        babble: Part of a preference run's other answers that take no stance.
    """

    name: str
    labels: int = 40
    topics: int = 11
    questions: int = 20
    answers: int = 5
    preference: int = 4
    spread: tuple[float, float, float] = (0.5, 0.3, 0.3)
    shared: float = 0.0
    babble: float = 0.0

    @property
    def trajectories(self) -> list[Trajectory]:
        runs = [("sft-a", "base"), ("sft-b", "base")]
        starts = [runs[number % 2][0] for number in range(self.preference)]
        runs += [(f"{start}/dpo-{number}", start) for number, start in enumerate(starts)]
        return [
            Trajectory(run, run.split("/")[-1][:3], run, run.split("/")[0], start, int(start != "base"), (1,))
            for run, start in runs
        ]


REGIMES = (
    Regime("40 labels per stage and topic"),
    Regime("20 labels", labels=20),
    Regime("100 labels", labels=100),
    Regime("errors alike in all runs", spread=(0.0, 0.0, 0.0)),
    Regime("errors differ much between runs", spread=(1.0, 0.3, 0.3)),
    Regime("errors differ much between topics", spread=(0.3, 0.8, 0.3)),
    Regime("errors differ much between topics of a run", spread=(0.5, 0.3, 0.8)),
    Regime("50 questions", questions=50),
    Regime("3 topics", topics=3),
    Regime("10 preference runs", preference=10),
    Regime("half of the answers shared with SFT", shared=0.5),
    Regime("a third of preference answers without a stance", babble=0.33),
)


def simulated(regime: Regime, random: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One experiment: every judged answer with its `true_stance`, and the true values by `run, topic, stance`."""
    parts, values = [], []
    topics = np.array([f"topic-{number:02}" for number in range(regime.topics)])
    by_run, by_topic, by_both = regime.spread
    topic_error = random.normal(0, by_topic, (regime.topics, 4, 3))
    own = random.dirichlet(_CONCENTRATION * np.array(_START), (regime.topics, regime.questions))
    shares = {"base": own}
    means = {"base": np.tile(_START, (regime.topics, 1))}
    true, judged, texts = {}, {}, {}
    for run, start in [("base", ""), *((one.run, one.start_run) for one in regime.trajectories)]:
        stage = pl.select(broad_stage(pl.lit(run))).item()
        if run != "base":
            goal = random.dirichlet([2.0, 2.0, 2.0], regime.topics)
            new = np.stack([random.dirichlet(_CONCENTRATION * one + 0.02, regime.questions) for one in goal])
            mean = (_CONCENTRATION * goal + 0.02) / (_CONCENTRATION + 0.06)
            shares[run] = shares[start] + _MOVED * (new - shares[start])
            means[run] = means[start] + _MOVED * (mean - means[start])
        error = random.normal(0, by_run, (1, 4, 3)) + topic_error + random.normal(0, by_both, (regime.topics, 4, 3))
        judge = softmax(np.log(JUDGES[stage])[None] + error, axis=-1)
        true[run] = _pick(np.repeat(shares[run][:, :, None], regime.answers, axis=2), random)
        copied = np.zeros(true[run].shape, dtype=bool)
        if stage == "preference":
            babbles = random.random(true[run].shape) < regime.babble
            true[run] = np.where(babbles, 3, true[run])
            copied = random.random(true[run].shape) < regime.shared
        judged[run] = _pick(judge[np.arange(regime.topics)[:, None, None], true[run]], random)
        texts[run] = np.char.add(f"{run} ", np.arange(true[run].size).astype(str)).reshape(true[run].shape)
        if copied.any():
            for what in (true, judged, texts):
                what[run] = np.where(copied, what[start], what[run])
            keep = 1 - regime.shared
            weight = keep * (1 - regime.babble)
            means[run] = (regime.shared * means[start] + weight * means[run]) / (regime.shared + weight)
        t, q, a = (index.ravel() for index in np.indices(true[run].shape))
        chosen = np.eye(3)[judged[run].ravel()] * 0.97 + 0.01
        parts.append(
            pl.DataFrame(
                {
                    "model": "simulated",
                    "run": run,
                    "step": int(run != "base"),
                    "topic": topics[t],
                    "question_id": np.char.add("q", q.astype(str)),
                    "sample": a,
                    "answer": texts[run].ravel(),
                    "true_stance": np.array(TRUE)[true[run].ravel()],
                    **{p: chosen[:, s] for s, p in enumerate(PROBABILITIES)},
                }
            )
        )
        values += [
            (run, str(topics[k]), STANCES[s], float(means[run][k, s])) for k in range(regime.topics) for s in range(3)
        ]
    return pl.concat(parts), pl.DataFrame(values, ["run", "topic", "stance", "truth"], orient="row")


def _pick(probabilities: np.ndarray, random: np.random.Generator) -> np.ndarray:
    below = random.random((*probabilities.shape[:-1], 1)) > probabilities.cumsum(axis=-1)[..., :-1]
    return np.asarray(below.sum(axis=-1))


def labelled(answers: pl.DataFrame, labels: int, random: np.random.Generator) -> pl.DataFrame:
    """The same answers as `answers_with_labels` returns them, with as many labels per stage and topic."""
    rows = answers.with_columns(
        TEXT, stage=broad_stage(pl.col("run")), judged=pl.concat_list(PROBABILITIES).list.arg_max()
    )
    cells = rows.partition_by("stage", "topic", maintain_order=True)
    drawn = pl.concat([draw_distinct(cell, labels, random)["text"] for cell in cells])
    true = pl.when(pl.col("text").is_in(drawn.implode())).then("true_stance")
    judged = pl.col("judged").replace_strict(range(len(STANCES)), STANCES)
    return rows.select("run", "step", "topic", "question_id", judged, "text", true)


def coverage(regime: Regime, experiments: int, bootstrap: Bootstrap) -> pl.DataFrame:
    """Corrected and raw numbers of single topics beside the true ones: `measure, stage, truth, value, …`."""
    random, found = np.random.default_rng([bootstrap.seed, 3]), []
    starts = _starts(regime.trajectories)
    for _ in range(experiments):
        answers, truth = simulated(regime, random)
        panel = make_panel(answers, bootstrap)
        known = labelled(answers, regime.labels, random)
        values, drifts = corrected_tables(panel, regime.trajectories, known, bootstrap)
        found += [
            compared(values.filter(pl.col("step") > 0), truth, "value"),
            compared(drifts, moved(truth, starts), "magnitude"),
        ]
    return pl.concat(found)


def moved(truth: pl.DataFrame, starts: pl.DataFrame) -> pl.DataFrame:
    """The true magnitudes, by true values and the run that each run starts from."""
    start = truth.rename({"run": "start", "truth": "before"})
    both = truth.join(starts, on="run").join(start, on=["start", "topic", "stance"])
    return both.select("run", "topic", "stance", truth=pl.col("truth") - pl.col("before"))


def _starts(trajectories: Sequence[Trajectory]) -> pl.DataFrame:
    return pl.DataFrame([(one.run, one.start_run) for one in trajectories], ["run", "start"], orient="row")


def compared(table: pl.DataFrame, truth: pl.DataFrame, measure: str) -> pl.DataFrame:
    shown = table.filter(pl.col("topic") != ALL).join(truth, on=["run", "topic", "stance"])
    columns = ("run", "topic", "stance", "truth", "raw", "raw_low", "raw_high", "value", "low", "high", "preferred")
    return shown.select(pl.lit(measure).alias("measure"), broad_stage(pl.col("run")).alias("stage"), *columns)


def held(prefix: str = "") -> pl.Expr:
    return pl.col("truth").is_between(pl.col(f"{prefix}low") - 1e-9, pl.col(f"{prefix}high") + 1e-9).mean()


def off(estimate: str) -> pl.Expr:
    return (pl.col(estimate) - pl.col("truth")).pow(2).mean().sqrt()


def simulations(experiments: int, bootstrap: Bootstrap) -> str:
    rows = []
    for regime in REGIMES:
        print(f"correction: {regime.name}", file=sys.stderr, flush=True)
        table = coverage(regime, experiments, bootstrap)
        moves = table.filter(measure="magnitude")
        lowest = moves.group_by("stage").agg(held())["truth"].min()
        numbers = table.filter(measure="value").select(held()).item(), moves.select(held()).item(), lowest
        raw = moves.select(held("raw_")).item(), moves.select(off(RAW)).item()
        width = moves.select((pl.col("high") - pl.col("low")).mean()).item()
        shown = [f"{one:.1%}" for one in (*numbers, raw[0])]
        rows.append([regime.name, *shown, f"{raw[1]:.3f}", f"{moves.select(off('value')).item():.3f}", f"{width:.2f}"])
    names = [
        "regime",
        "value",
        "magnitude",
        "lowest of a stage",
        "raw magnitude",
        "error raw",
        "error corrected",
        "width",
    ]
    return markdown(names, rows)


def pocket(results: Path, model: str, draws: int, bootstrap: Bootstrap) -> str:
    """Raw and corrected magnitudes of a finished pocket run beside those of its answers' true stances."""
    trajectories = list(_trajectories(pl.read_parquet(results / "statistics" / model / "values.parquet")))
    files = sorted((results / "stances" / model).rglob("*.parquet"))
    rows = []
    with TemporaryDirectory() as folder:
        readable = [_readable(file, Path(folder) / f"{number}.parquet") for number, file in enumerate(files)]
        truth = _true_magnitudes(readable, trajectories)
        for labels, (name, chosen) in product((20, 40, 100), {"all": files, "those with a stance": readable}.items()):
            print(f"correction: {labels} labels, {name}", file=sys.stderr, flush=True)
            panel, parts = read_panel(chosen, bootstrap), []
            for seed in range(draws):
                known = answers_with_labels(chosen, world_labels(chosen, labels, seed), ends_of(trajectories))
                parts.append(compared(corrected_tables(panel, trajectories, known, bootstrap)[1], truth, "magnitude"))
            table = pl.concat(parts).with_columns(best=pl.when(preferred=RAW).then(RAW).otherwise("value"))
            errors = [f"{table.select(off(one)).item():.3f}" for one in (RAW, "value", "best")]
            share = f"{table.select((pl.col('preferred') == RAW).mean()).item():.0%}"
            rows.append([str(labels), name, *errors, share, f"{table.select(held()).item():.1%}"])
    return markdown(["labels", "answers", RAW, CORRECTED, "the preferred one", "raw preferred", "coverage"], rows)


def _readable(file: Path, out: Path) -> Path:
    """Write the answers with a true stance, which `true` says."""
    answers = pl.read_parquet(file)
    true = [true_stance(asked, text) for asked, text in answers.select("question", "answer").iter_rows()]
    answers.with_columns(true=pl.Series(true, dtype=pl.String)).drop_nulls("true").write_parquet(out)
    return out


def _true_magnitudes(readable: Sequence[Path], trajectories: Sequence[Trajectory]) -> pl.DataFrame:
    steps = pl.DataFrame(list(ends_of(trajectories)), ["run", "step"], orient="row")
    known = pl.read_parquet(list(readable)).join(steps, on=["run", "step"], how="semi")
    shares = known.group_by("run", "topic").agg((pl.col("true") == stance).mean().alias(stance) for stance in STANCES)
    truth = shares.unpivot(index=["run", "topic"], variable_name="stance", value_name="truth")
    return moved(truth, _starts(trajectories))


def _trajectories(values: pl.DataFrame) -> Iterator[Trajectory]:
    runs = (
        values.filter(pl.col("step") > 0)
        .group_by("run", "algorithm", "data", "sft")
        .agg(pl.col("step").unique().sort())
    )
    last = {row["run"]: row["step"][-1] for row in runs.iter_rows(named=True)} | {"base": 0}
    for run, *labels, steps in runs.sort("run").iter_rows():
        start = run.rpartition("/")[0] or "base"
        yield Trajectory(run, *labels, start, last[start], tuple(steps))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=100)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pocket", type=Path, help="`results` of a finished pocket run, instead of simulations")
    parser.add_argument("--model", default="pocket", help="name of the model in that run")
    given = parser.parse_args()
    bootstrap = Bootstrap(seed=given.seed, replicates=given.replicates)
    if given.pocket:
        print(pocket(given.pocket, given.model, given.experiments, bootstrap))
    else:
        print(simulations(given.experiments, bootstrap))


if __name__ == "__main__":
    main()
