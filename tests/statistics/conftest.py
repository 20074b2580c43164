"""Lets the tests import the simulated experiments of `benchmarks/`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
