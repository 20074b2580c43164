"""Memory that one step frees is there for the next."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

ALLOCATE = """
import resource, sys
import numpy
from valuedrift.training.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    numpy.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than GNU's")
def test_freed_memory_is_not_cleared_by_the_system_again_and_again() -> None:
    pages = {
        how: int(subprocess.run([sys.executable, "-c", ALLOCATE, how], capture_output=True, check=True).stdout)
        for how in ("keep", "give back")
    }
    assert pages["keep"] < pages["give back"] / 5


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from valuedrift.training.memory import keep_freed_memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
