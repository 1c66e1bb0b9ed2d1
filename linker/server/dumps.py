"""Core dumps hold all memory of a process, notes included: none is written."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4  # <sys/prctl.h>


def forbid_core_dumps() -> None:
    """Let the kernel write no core file of this process, nor hand one to a crash handler.

    A limit of 0 stops files only: on Linux it does not hold for a `core_pattern` that pipes to a program (core(5)), so
    the process is also made undumpable, which keeps other users' debuggers out as well (prctl(2)).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
