"""What is not the same in UMLS and RxNorm, and which concepts a release has names of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ontologies.errors import SourceError
from ontologies.readers.options import Problems
from ontologies.readers.rrf.parents import Flags, ParentRule

STRANGER = "row about a concept without names"


class Retired(NamedTuple):
    """A file of retired concepts: its columns, and a row's retired id, its relation, and what replaces it ("")."""

    name: str
    columns: tuple[str, ...]
    read: Callable[[list[bytes]], tuple[bytes, bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What is not the same in UMLS and RxNorm.

    files: what the names of files begin with. number: of a concept id, 0 where it is none; below `size`.
    curie: the concept id of a number. preference: of a vocabulary and term type, where no file ranks them.
    """

    files: str
    prefix: str
    size: int
    number: Callable[[bytes], int]
    curie: Callable[[int], str]
    preference: Callable[[bytes, bytes], int]
    parents: ParentRule
    retired: Retired

    @property
    def names(self) -> str:
        """The file of names."""
        return f"{self.files}CONSO.RRF"


def flags(size: int) -> Flags:
    """So many zeros; pages that nothing is written to take no memory."""
    return memoryview(bytearray(size))


def check_known(
    cui: bytes, layout: Layout, known: Flags, problems: Problems, path: Path, line: int, column: str
) -> int:
    """The number of a concept that has names; else a problem, and 0."""
    number = layout.number(cui)
    if number and known[number]:
        return number
    came = cui.decode(errors="replace")
    message = f"expected a concept of {layout.names}, got {came!r} (--lenient leaves such rows out)"
    problems.found(STRANGER, SourceError(message, path=path, line=line, field=column))
    return 0
