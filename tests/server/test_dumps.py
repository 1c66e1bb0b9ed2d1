from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import ctypes, resource
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
from linker.server.dumps import forbid_core_dumps
forbid_core_dumps()
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


def test_the_process_can_write_no_core_dump() -> None:
    """In a process of its own, since a limit once lowered stays low. 3: PR_GET_DUMPABLE."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.stdout == ("(0, 0) 0\n" if sys.platform == "linux" else "(0, 0) -1\n"), done.stderr
