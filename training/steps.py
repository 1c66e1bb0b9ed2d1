"""A chain of steps in one folder: what is done is not done again, what was cut short goes on.

Each step makes a folder of its own name and, once it is whole, NAME.json beside it: its fingerprint, how long it took
and what it says of itself. The fingerprint covers the step's settings and the fingerprints of the steps it builds on,
so that a changed setting redoes what depends on it and nothing else.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from linker.console import stderr
from linker.errors import InvalidInput

_MARK = ".steps"  # says that a folder is one of these, whose contents may go

Facts = Mapping[str, object]  # what a step says of itself: anything JSON holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. what: in a few words, for the terminal. make: fills the folder it is given, and may find it begun.

    needs: names of the steps before it whose results it reads. settings: anything JSON holds that its result depends
    on. resumable: `make` goes on with what a killed run left; otherwise the folder is emptied first.
    """

    name: str
    what: str
    make: Callable[[Path], Facts]
    needs: tuple[str, ...] = ()
    settings: object = None
    resumable: bool = False


def run_steps(folder: Path, steps: Sequence[Step], *, only: Sequence[str] = ()) -> dict[str, Facts]:
    """Do what is not done yet, in order; what each step said, by name.

    only: names of the steps to do; what they need must be there. Raises `InvalidInput`: no step of such a name, or one
    that is needed and neither there nor asked for; a folder that holds something else, or that another process works
    in; and whatever a step raises.
    """
    names = [step.name for step in steps]
    if unknown := [name for name in only if name not in names]:
        raise InvalidInput(f"no such step: {', '.join(unknown)}; expected {', '.join(names)}", field="--step")
    with _own(folder):
        return _run(folder, steps, only)


def _run(folder: Path, steps: Sequence[Step], only: Sequence[str]) -> dict[str, Facts]:
    prints: dict[str, str] = {}
    said: dict[str, Facts] = {}
    for step in steps:
        prints[step.name] = _fingerprint(step, prints)
        done = _done(folder, step, prints[step.name])
        if done is None and only and step.name not in only:
            continue
        if done is None:
            if missing := [name for name in step.needs if name not in said]:
                raise InvalidInput(f"{step.name} needs {', '.join(missing)}, not done yet; do it first", field="--step")
            done = _do(folder, step, prints[step.name])
        else:
            stderr.print(f"{step.name}: done already", soft_wrap=True)
        said[step.name] = done
    return said


@contextmanager
def _own(folder: Path) -> Iterator[None]:
    """While this is open, the folder is ours alone."""
    mark = folder / _MARK
    if folder.exists() and not mark.is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput("holds something else; choose another folder for the run", field=str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(mark, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InvalidInput("another process works in it", field=str(folder)) from error
    else:
        yield
    finally:
        os.close(descriptor)


def _fingerprint(step: Step, prints: Mapping[str, str]) -> str:
    told = {"settings": step.settings, "needs": {name: prints[name] for name in step.needs}}
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _done(folder: Path, step: Step, fingerprint: str) -> Facts | None:
    path = _record(folder, step)
    if not path.is_file():
        return None
    record = json.loads(path.read_bytes())
    return record["facts"] if record["fingerprint"] == fingerprint else None


def _do(folder: Path, step: Step, fingerprint: str) -> Facts:
    target, record, begun = folder / step.name, _record(folder, step), folder / f".{step.name}.begun"
    same = begun.is_file() and begun.read_text(encoding="utf-8") == fingerprint
    record.unlink(missing_ok=True)
    if not (step.resumable and same):
        shutil.rmtree(target, ignore_errors=True)
    begun.write_text(fingerprint, encoding="utf-8")
    stderr.print(f"{step.name}: {step.what}", soft_wrap=True, markup=False)
    started = time.monotonic()
    facts = step.make(target)
    seconds = round(time.monotonic() - started, 1)
    told = {"fingerprint": fingerprint, "seconds": seconds, "facts": facts}
    fresh = record.with_suffix(".part")
    fresh.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(record)
    begun.unlink()
    loaded: Facts = json.loads(record.read_bytes())["facts"]
    return loaded


def _record(folder: Path, step: Step) -> Path:
    return folder / f"{step.name}.json"
