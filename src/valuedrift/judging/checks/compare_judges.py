"""Compare several judges that judged every answer of a model: agreement, drifts and findings by judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from valuedrift.files import read_json, write_parquet
from valuedrift.judging.checks.bridge import pairwise
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.panel import KEYS, PROBABILITIES

_DRIFT = ("model", "run", "topic", "stance", "magnitude", "low", "high", "real")
_FINDING = {"judge": pl.String, "name": pl.String, "holds": pl.Boolean}


def write_judge_comparison(
    stances: Mapping[str, Sequence[Path]], statistics: Mapping[str, Path], bootstrap: Bootstrap, out: Path
) -> None:
    """Write agreement.parquet, drift.parquet and findings.parquet into `out`.

    Args:
        stances: Judge → its stance tables of one model.
        statistics: Judge → the folder of the statistics of its stances.
        bootstrap: Settings of the bootstrap over questions.
        out: Folder to write into. `agreement` has the columns of `pairwise`. `drift` has the drifts by `judge`.
            `findings` has whether each finding `holds` by each judge; null if it is undecided.
    """
    columns = [*KEYS, *PROBABILITIES, "answer"]
    tables = {
        name: pl.concat(pl.read_parquet(file, columns=columns) for file in files) for name, files in stances.items()
    }
    drifts = [
        pl.read_parquet(statistics[name] / "drift.parquet").select(pl.lit(name).alias("judge"), *_DRIFT)
        for name in stances
    ]
    findings = [
        (name, finding["name"], finding["holds"])
        for name in stances
        for finding in read_json(statistics[name] / "findings.json")
    ]
    write_parquet(out / "agreement.parquet", pairwise(tables, bootstrap))
    write_parquet(out / "drift.parquet", pl.concat(drifts))
    write_parquet(out / "findings.parquet", pl.DataFrame(findings, _FINDING, orient="row"))
