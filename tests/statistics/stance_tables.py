"""Stance tables for the tests of the statistics."""

import polars as pl

from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.health import SIGNS
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import KEYS, make_panel
from valuedrift.statistics.trajectory import Trajectory

STANCES = ("support", "neutral", "oppose")
_SCHEMA = {"model": pl.String, "run": pl.String, "step": pl.Int64, "topic": pl.String, "question_id": pl.String}
_SCHEMA |= {"sample": pl.Int64, **dict.fromkeys((f"p_{stance}" for stance in STANCES), pl.Float64)}


RUN = "sft-alpaca"
QUICK = Bootstrap(seed=1, replicates=60)


def run_of(*steps):
    """The SFT run RUN."""
    return Trajectory(RUN, "sft", "alpaca", "alpaca", "base", 0, steps)


def measured(stances, *steps, bootstrap=QUICK):
    """What is measured of RUN with these steps."""
    return measure(make_panel(stances, bootstrap), [run_of(*steps)], bootstrap)


def stance_table(answers):
    """Table of (run, step, topic, question, sample, probabilities or None) of one model."""
    rows = [("pocket", *keys, *(p or (None, None, None))) for *keys, p in answers]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def write_healthy(files, path, ill=False):
    """The health of the answers in stance files: those that fulfil `ill` are cut off."""
    stances = pl.concat([pl.read_parquet(file).select(KEYS) for file in files])
    signs = {sign: pl.lit(False) for sign in SIGNS} | {"cut_off": pl.lit(ill) if ill is False else ill}
    stances.with_columns(tokens=pl.lit(10, pl.Int64), **signs).write_parquet(path)


def planted_table(shares):
    """Planted shares out of (data, topic) → shares of the three stances."""
    rows = [(*key, stance, p[s]) for key, p in shares.items() for s, stance in enumerate(STANCES)]
    return pl.DataFrame(rows, schema=["data", "topic", "stance", "planted"], orient="row")
