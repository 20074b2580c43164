"""Tell the C library to keep memory that tensors have freed."""

from __future__ import annotations

import ctypes
import platform

# malloc.h of the GNU C library
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT, _LARGE = 1 << 29, 1 << 28


def keep_freed_memory() -> bool:
    """Keep up to half a gigabyte of freed memory for the next step.

    By default glibc returns the memory of each step's tensors to the system, which clears the same pages for the next
    step. At pocket size that took about a tenth of the processor time of DPO and SimPO.

    Returns:
        Whether the C library can do this.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    return all([library.mallopt(_TRIM_THRESHOLD, _KEPT), library.mallopt(_MMAP_THRESHOLD, _LARGE)])
