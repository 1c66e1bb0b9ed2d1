"""Atomic publication of a directory or a file: readers see the old one or the new one, at any point of a kill.

A file is written and fsynced beside its target and renamed to it. So is a directory, but that it and the old one change
places in one system call (renameat2(2) with RENAME_EXCHANGE). Where the file system has no exchange, the old directory
is moved aside first; a kill between the two renames is then repaired by the next publication, which finds it aside.
"""

from __future__ import annotations

import ctypes
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_STAGING = ".part"


@contextmanager
def publish(target: Path) -> Iterator[Path]:
    """Give a fresh directory to fill; on a clean exit it becomes `target`, on an error nothing is left of it.

    Raises OSError when the parent cannot be written.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 - resolve() would follow a link at the target itself
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.old")
    if aside.exists() and not target.exists():
        aside.rename(target)
    _remove_abandoned(target)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=_STAGING, dir=target.parent))
    staging.chmod(0o755)
    lock = _locked(staging)  # held until this process ends, however it ends
    try:
        yield staging
        _sync(staging)
        _replace(staging, target, aside)
        _sync_directory(target.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if lock is not None:
            os.close(lock)
        if target.exists():
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def publish_file(target: Path) -> Iterator[Path]:
    """Give a path to write to; on a clean exit its file becomes `target`, on an error nothing is left of it.

    Raises OSError when the folder of `target` cannot be made or written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f".{target.name}.{os.getpid()}{_STAGING}")
    try:
        yield staging
        with staging.open("rb") as stream:
            os.fsync(stream.fileno())
        staging.replace(target)
        _sync_directory(target.parent)
    finally:
        staging.unlink(missing_ok=True)


def remove_abandoned(folder: Path) -> None:
    """Remove what killed publications left below `folder`. Only where no process publishes there."""
    for path in list(folder.rglob(f".*{_STAGING}")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _remove_abandoned(target: Path) -> None:
    """Remove what killed publications to the same target left: the directories that no living process has locked."""
    for path in target.parent.glob(f".{glob.escape(target.name)}.*{_STAGING}"):
        lock = _locked(path)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _locked(directory: Path) -> int | None:
    """A descriptor that holds the lock of `directory`, or None where another process does."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _replace(staging: Path, target: Path, aside: Path) -> None:
    if not target.exists():
        staging.rename(target)
    elif not _exchange(staging, target):
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)
        staging.rename(target)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two paths atomically; False where the platform or the file system cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _sync(directory: Path) -> None:
    for path in sorted(directory.rglob("*")):
        if path.is_dir():
            _sync_directory(path)
        else:
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
    _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
