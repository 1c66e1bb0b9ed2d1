"""The folder that a build works in, beside what it makes; what a killed build had embedded is there for the next."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from linker.console import stderr
from ontologies.errors import BuildError

KEPT = "embeddings"  # the folder that outlives a build that did not end; all else is made again in minutes


@contextmanager
def work_folder(target: Path) -> Iterator[Path]:
    """Give a folder that is empty but for `KEPT`, where a build of `target` was interrupted; on a clean exit it goes.

    After an error, too, only `KEPT` stays. One build of `target` at a time has it, others wait for their turn.

    Raises `BuildError` when the parent of `target` cannot be written.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 - resolve() would follow a link at the target itself
    folder = target.with_name(f".{target.name}.work")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = _locked(folder)
    except OSError as error:
        raise BuildError(f"{target}: cannot write beside it: {error}") from error
    try:
        _clear(folder)
        yield folder
        shutil.rmtree(folder / KEPT, ignore_errors=True)
    finally:
        _clear(folder)
        if (folder / KEPT).exists():
            stderr.print(f"{folder}: what was encoded is kept there for the next build", markup=False, soft_wrap=True)
        else:
            folder.rmdir()
        os.close(lock)


def _locked(folder: Path) -> int:
    """A descriptor that locks the folder, made if need be, until it is closed or the process ends, however it ends."""
    while True:
        folder.mkdir(exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stderr.print(f"{folder}: waiting for another build to end", markup=False, soft_wrap=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists() and os.path.samestat(folder.stat(), os.fstat(lock)):  # not removed by whom we waited for
            return lock
        os.close(lock)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != KEPT:
            shutil.rmtree(path)
