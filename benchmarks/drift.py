"""Time and memory of the statistics at the size of the paper's grid, and of the joint bootstrap compared with scipy's.

    python benchmarks/drift.py                 # the whole grid: 3,264 checkpoints, 9 million answers
    python benchmarks/drift.py --models 1      # one model's share of it

Stance files with answers are generated in a temporary folder. Then `write_statistics` makes the tables of each model in
its own process, `--processes` at a time, as the workflow does.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

QUESTIONS, ANSWERS = 50, 5
TOPICS = tuple(f"topic_{t:02}" for t in range(11))
SFT_STEPS = {"wildchat": tuple(range(500, 6001, 500)), "alpaca": tuple(range(100, 1101, 100))}
PAIR_STEPS = {
    **dict.fromkeys(("ultrafeedback", "hh"), tuple(range(100, 5701, 100))),
    **dict.fromkeys(("synthetic-support", "synthetic-oppose"), tuple(range(100, 901, 100))),
}
SETS = {
    "small_gap": ["ultrafeedback", "hh"],
    "support_aligned": "synthetic-support",
    "oppose_aligned": "synthetic-oppose",
}
THRESHOLDS = {"early": 0.5, "barely": 0.1, "strong": 0.3}
WORDS = " ".join(f"word{i}" for i in range(60))


def trajectories() -> list[dict[str, Any]]:
    """One model's runs: SFT on two data sets, and after each three algorithms on four sets of pairs."""
    runs = []
    for sft, steps in SFT_STEPS.items():
        own = {"run": f"sft-{sft}", "algorithm": "sft", "data": sft, "sft": sft, "steps": list(steps)}
        runs.append(own | {"start_run": "base", "start_step": 0})
        for algorithm in ("ppo", "dpo", "simpo"):
            for data, pair_steps in PAIR_STEPS.items():
                name = {"run": f"sft-{sft}/{algorithm}-{data}", "algorithm": algorithm, "data": data, "sft": sft}
                runs.append(name | {"start_run": f"sft-{sft}", "start_step": steps[-1], "steps": list(pair_steps)})
    return runs


def write_stances(folder: Path, model: str, seed: int) -> list[Path]:
    """One stance file per run, with random probabilities."""
    import numpy as np
    import polars as pl

    random = np.random.default_rng(seed)
    files = []
    for run, steps in [("base", [0]), *((entry["run"], entry["steps"]) for entry in trajectories())]:
        step, topic, question, sample = (i.ravel() for i in np.indices((len(steps), len(TOPICS), QUESTIONS, ANSWERS)))
        p = random.dirichlet([0.4, 0.6, 0.3], len(step))
        table = pl.DataFrame(
            {
                "run": np.full(len(step), run),
                "step": np.array(steps)[step],
                "topic": np.array(TOPICS)[topic],
                "question": question,
                "sample": sample,
                "p_support": p[:, 0],
                "p_neutral": p[:, 1],
                "p_oppose": 1 - p[:, 0] - p[:, 1],
            }
        ).with_columns(
            pl.lit(model).alias("model"),
            pl.format("{}-{}", "topic", "question").alias("question_id"),
            pl.format("{} {} {}", "p_support", pl.lit(WORDS), "sample").alias("answer"),
            pl.lit(0.0).alias("unassigned"),
        )
        files.append(folder / model / f"{run.replace('/', '_')}.parquet")
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        table.drop("question").write_parquet(files[-1], compression="zstd")
    write_health(files)
    return files


def write_health(files: list[Path]) -> None:
    """The health of the answers, one in ten of which is cut off, in a file beside them."""
    import polars as pl

    from valuedrift.statistics.health import SIGNS
    from valuedrift.statistics.panel import KEYS

    health = pl.concat([pl.scan_parquet(file).select(KEYS) for file in files]).with_columns(
        tokens=pl.lit(60, pl.Int64), **dict.fromkeys(SIGNS, pl.lit(False))
    )
    health.with_columns(cut_off=pl.int_range(pl.len()) % 10 == 0).collect().write_parquet(health_beside(files))


def health_beside(files: list[Path]) -> Path:
    return files[0].parent.with_suffix(".parquet")


def measure_model(files: list[Path], out: Path) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak MiB for one model's tables in this process."""
    from valuedrift.statistics.write_statistics import write_statistics

    start, used = time.perf_counter(), time.process_time()
    settings = {"replicates": 10_000}
    write_statistics(files, trajectories(), SETS, {}, THRESHOLDS, settings, 0, health_beside(files), out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return time.perf_counter() - start, time.process_time() - used, peak


def grid(models: int, processes: int) -> None:
    spawn = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as name:
        folder = Path(name)
        with ProcessPoolExecutor(1, spawn) as pool:
            files = list(
                pool.map(write_stances, [folder] * models, [f"model_{m}" for m in range(models)], range(models))
            )
        size = sum(file.stat().st_size for own in files for file in own) / 2**30
        print(
            f"{models} models, {checkpoints(models):,} checkpoints, {rows(models):,} answers, {size:.1f} GiB of parquet"
        )
        start = time.perf_counter()
        with ProcessPoolExecutor(processes, spawn, max_tasks_per_child=1) as pool:
            found = list(pool.map(measure_model, files, [folder / f"out_{m}" for m in range(models)]))
        wall = time.perf_counter() - start
    for model, (seconds, used, peak) in enumerate(found):
        print(f"  model {model}: {seconds:.1f} s ({used:.1f} s of processor time), peak {peak:,.0f} MiB")
    together = sum(sorted((peak for *_, peak in found), reverse=True)[:processes])
    print(f"all tables: {wall:.1f} s with {processes} processes, at most {together:,.0f} MiB together; {load()}")


def checkpoints(models: int) -> int:
    return models * (1 + sum(len(entry["steps"]) for entry in trajectories()))


def rows(models: int) -> int:
    return checkpoints(models) * len(TOPICS) * QUESTIONS * ANSWERS


def against_scipy(cells: int) -> None:
    """The joint bootstrap of one run of 57 steps, and scipy's for `cells` of its cells, scaled to all of them."""
    import numpy as np
    import scipy.stats

    from valuedrift.statistics.bootstrap import Bootstrap
    from valuedrift.statistics.intervals import interval_of_mean, spread_of
    from valuedrift.statistics.panel import Panel, shares_of_draws, topic_values

    steps, bootstrap = 57, Bootstrap()
    means = np.random.default_rng(0).dirichlet([1, 2, 1], (steps, len(TOPICS) * QUESTIONS))

    places = {topic: slice(t * QUESTIONS, (t + 1) * QUESTIONS) for t, topic in enumerate(TOPICS)}
    checkpoints = {("run", step): step for step in range(steps)}

    def panel() -> Panel:
        answers = np.full(means.shape[:2], ANSWERS)
        scatter = np.zeros(means.shape)
        questions = tuple(map(str, range(means.shape[1])))
        return Panel(
            "model", places, questions, checkpoints, means, answers, scatter, shares_of_draws(places, bootstrap)
        )

    def joint(drawn: Panel) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        ends = {}
        for topic in TOPICS:
            part = topic_values(drawn, topic, list(drawn.checkpoints))
            ends[topic] = interval_of_mean(part.values, part.replicates, spread_of(part.means), bootstrap)
        return ends

    drawn, draws = timed(panel)
    found, ours = timed(lambda: joint(drawn))
    panels = [(step, t, s) for step in range(steps) for t in range(len(TOPICS)) for s in range(3)]
    chosen = [panels[i] for i in np.random.default_rng(1).choice(len(panels), cells, replace=False)]

    def one_by_one() -> list[Any]:
        options = {"n_resamples": bootstrap.replicates, "method": "percentile", "vectorized": True, "rng": 0}
        questions = [means[step, t * QUESTIONS : (t + 1) * QUESTIONS, s] for step, t, s in chosen]
        return [scipy.stats.bootstrap((own,), np.mean, **options).confidence_interval for own in questions]

    theirs_found, theirs = timed(one_by_one)
    theirs *= len(panels) / cells
    print(f"one run, {len(panels):,} cells: scipy {theirs:.1f} s (from {cells} cells), processor time; {load()}")
    print(f"  draws, shared by all runs of a model: {draws:.3f} s; the run's intervals: {ours:.3f} s")
    print(f"  {theirs / ours:.0f} times as fast, {theirs / (draws + ours):.0f} times with the draws for this run alone")
    parts = {topic: topic_values(drawn, topic, list(drawn.checkpoints)) for topic in TOPICS}
    plain = [bootstrap.interval(parts[TOPICS[t]].replicates[step, s]) for step, t, s in chosen]
    moved = [(found[TOPICS[t]][0][step, s], found[TOPICS[t]][1][step, s]) for step, t, s in chosen]
    for name, own in (("plain percentiles", plain), ("the interval with its percentiles moved", moved)):
        off = [_difference(ends, other) for ends, other in zip(own, theirs_found, strict=True)]
        print(f"  {name}: ends differ by {np.mean(off):.1%} of the width on average, {max(off):.1%} at most")


def _difference(ends: Any, other: Any) -> float:
    return float(max(abs(ends[0] - other.low), abs(ends[1] - other.high)) / (other.high - other.low))


def timed(work: Any) -> tuple[Any, float]:
    """The result and the lowest processor time of three runs, which is the least disturbed on a shared machine."""
    times = []
    for _ in range(3):
        start = time.process_time()
        result = work()
        times.append(time.process_time() - start)
    return result, min(times)


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--cells", type=int, default=100, help="cells that scipy is timed on")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    against_scipy(given.cells)
    if given.models:
        grid(given.models, given.processes)


if __name__ == "__main__":
    main()
