"""A value read from files, and read again when they change: certificates and tokens are rotated without a restart."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Generic, TypeVar

from linker.errors import LinkerError
from linker.server.logs import log, log_problem

Value = TypeVar("Value")
_Signature = tuple[tuple[int, int, int], ...]


class Watched(Generic[Value]):
    """What `read` makes of `paths`. Safe to share between threads.

    A change that cannot be read is logged once, and the value stays as it was until the next change.
    """

    def __init__(self, paths: Sequence[Path], read: Callable[[], Value], *, what: str, every_s: float) -> None:
        """Read for the first time; raises what `read` raises. what: the value, for the log; every_s: between looks."""
        self._paths = tuple(paths)
        self._read = read
        self._what = what
        self._every_s = every_s
        self._lock = threading.Lock()
        self._looked = monotonic()
        self._signature = self._sign()
        self._value = read()

    def get(self) -> Value:
        """The value now. Raises nothing."""
        with self._lock:
            if monotonic() - self._looked >= self._every_s:
                self._looked = monotonic()
                self._look()
            return self._value

    def _look(self) -> None:
        # Signed before it is read: what changes meanwhile is read again at the next look.
        signature = self._sign()
        if signature == self._signature:
            return
        self._signature = signature
        try:
            self._value = self._read()
        except LinkerError as error:
            log_problem(f"{self._what} changed and cannot be used; the old stay", error)
        else:
            log(f"{self._what} read again")

    def _sign(self) -> _Signature:
        return tuple(map(_sign, self._paths))


def _sign(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()  # follows links: Kubernetes replaces a mounted secret by pointing a link elsewhere
    except OSError:
        return (0, 0, 0)
    return found.st_ino, found.st_mtime_ns, found.st_size
