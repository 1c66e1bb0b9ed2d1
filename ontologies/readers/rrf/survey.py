"""What the file of names holds, by a first pass: kinds of rows, concepts, whether their rows are together."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ontologies.errors import SourceError
from ontologies.readers.options import Problems
from ontologies.readers.rrf import rows as rrf
from ontologies.readers.rrf.layout import Layout, flags
from ontologies.readers.rrf.parents import Flags

CONSO = rrf.columns("CUI LAT TS LUI STT SUI ISPREF AUI SAUI SCUI SDUI SAB TTY CODE STR SRL SUPPRESS CVF")


class Kind(NamedTuple):
    """What the rows of one vocabulary have in common that agree in language, term type and suppression."""

    vocabulary: bytes
    language: bytes
    term_type: bytes
    suppressed: bytes


@dataclass(slots=True)
class Survey:
    """What a first pass over the names finds. levels: the restriction level (SRL) of each vocabulary."""

    known: Flags
    kinds: set[Kind] = field(default_factory=set)
    levels: dict[bytes, str] = field(default_factory=dict)
    together: bool = True


def survey(path: Path, layout: Layout) -> Survey:
    """Pass over the file of names. Rows with the wrong number of columns are left for the second pass to report."""
    found, previous = Survey(known=flags(layout.size)), b""
    kinds: set[tuple[bytes, bytes, bytes, bytes, bytes]] = set()
    for _, fields in rrf.rows(path, CONSO, Problems(lenient=True)):
        if fields[0] != previous:
            previous = fields[0]
            number = layout.number(previous)
            found.together &= not (number and found.known[number])
            found.known[number] = 1
        kinds.add((fields[11], fields[1], fields[12], fields[16], fields[15]))
    if not kinds:
        raise SourceError("expected at least one row, got an empty file", path=path)
    found.known[0] = 0
    found.kinds = {Kind(*kind[:4]) for kind in kinds}
    found.levels = {kind[0]: kind[4].decode(errors="replace") for kind in sorted(kinds)}
    return found
