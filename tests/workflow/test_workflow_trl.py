"""A run of TRL that knows nothing of the pipeline is traced by one line: the script and the line of docs/tracing.md."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from pipeline import REPOSITORY, SHORT

pytestmark = pytest.mark.slow


def test_a_run_of_trl_is_traced_by_one_line(finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "pocket", symlinks=True))
    for name in ("Snakefile", "rules", "profiles", "envs", "workflow_config.yaml"):
        (folder / name).symlink_to(REPOSITORY / name)
    page = (REPOSITORY / "docs/tracing.md").read_text()
    script = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    line = re.search(r"^(valuedrift trace runs --base .*?)\n```", page, re.MULTILINE | re.DOTALL)[1]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in ([sys.executable, "-c", script], ["bash", "-c", f"{line} --cores 2 --configfile {SHORT}"]):
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "sft: 6 checkpoints, steps 20 to 120 (runs/sft, checkpoint-{step})\ndpo: 4 checkpoints" in done.stdout
    drift = pl.read_parquet(folder / "results/statistics/trl/drift.parquet").filter(topic="all", stance="oppose")
    assert drift.select("run", "end_step").rows() == [("sft", 120), ("sft/dpo", 40)]
    report = (folder / "results/report/index.html").read_text()
    assert "sft" in report and "dpo" in report
