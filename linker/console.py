"""What the command line shows: progress with a rate and an ETA, and errors as one clear line. All on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

stderr = Console(stderr=True, highlight=False)
_WIDTH = 160  # of a file or a pipe, which have none of their own

_LINE_EVERY_S = 10.0


class Advance(Protocol):
    """Says how many items were done since the last call, and what else is to be shown ("loss 0.123")."""

    def __call__(self, done: int, note: str = "", /) -> object:
        """`done` more items are done."""


def stdout() -> Console:
    """A console on standard output as it is now, wide where it is not a terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    return console


def _told(rate: float) -> str:
    """A rate, of slow work with a decimal."""
    return f"{rate:,.1f}" if rate < 10 else f"{rate:,.0f}"


class _Rate(ProgressColumn):
    """Items a second since the task began."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed or 0.0
        return Text(f"{_told(rate)} {self._unit}/s")


@contextmanager
def progress(what: str, total: int, unit: str) -> Iterator[Advance]:
    """A progress bar for `total` items; without a terminal, a line every ten seconds and one at the end.

    Gives a function to call with the number of items done since the last call.
    """
    if stderr.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(unit),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=stderr) as bar:
            task = bar.add_task(what, total=total, note="")
            yield lambda done, note="": bar.update(task, advance=done, note=note)
    else:
        lines = _Lines(what, total, unit)
        yield lines.advance
        lines.close()


class _Lines:
    def __init__(self, what: str, total: int, unit: str) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._done = 0
        self._started = self._last = time.monotonic()

    def advance(self, done: int, note: str = "", /) -> None:
        self._done += done
        now = time.monotonic()
        if now - self._last >= _LINE_EVERY_S:
            self._last = now
            rate = self._done / (now - self._started)
            left = (self._total - self._done) / rate
            note = f", {note}" if note else ""
            self._print(f"{self._done:,}/{self._total:,} {self._unit}, {_told(rate)}/s, {left:.0f} s left{note}")

    def close(self) -> None:
        elapsed = max(time.monotonic() - self._started, 1e-6)
        self._print(f"{self._done:,} {self._unit} in {elapsed:.1f} s ({_told(self._done / elapsed)}/s)")

    def _print(self, text: str) -> None:
        print(f"{self._what}: {text}", file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal's door
