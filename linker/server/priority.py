"""Which thread gets the processor first: the event loop, then small calls, then large ones, then opening a bundle.

Refusals and probes do not wait for linking, and calls do not wait for a reload.
"""

from __future__ import annotations

import os
import sys
from threading import get_native_id

SMALL_NICENESS = 10
LARGE_NICENESS = 16
RELOAD_NICENESS = 19


def give_way(niceness: int) -> None:
    """Let threads of a lower niceness have the processor before this one, from now on."""
    if sys.platform == "linux":  # elsewhere a priority is that of the whole process
        os.setpriority(os.PRIO_PROCESS, get_native_id(), niceness)
