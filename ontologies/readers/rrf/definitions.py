"""The definitions of concepts, MRDEF: of each run of rows about one concept the best."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ontologies.errors import SourceError
from ontologies.readers.options import Problems
from ontologies.readers.rrf import rows as rrf
from ontologies.readers.rrf.parents import Flags
from ontologies.records import Concept

DEF = rrf.columns("CUI AUI ATUI SATUI SAB DEF SUPPRESS CVF")

_Best = tuple[tuple[int, int], int, bytes]  # order, line, text


def read_definitions(
    path: Path,
    orders: Mapping[bytes, tuple[int, int]],
    *,
    hidden: tuple[bytes, ...],
    check: Callable[[bytes, Path, int, str], int],
    kept: Flags,
    curie: Callable[[int], str],
    problems: Problems,
) -> Iterator[Concept]:
    """A record for each run of rows about a kept concept.

    orders: of the vocabularies that are read; the definition of the least is the best. hidden: the values of SUPPRESS
    that do not count. check: the number of a concept, or 0 and a report.
    """
    best: _Best | None = None
    previous = 0
    for line, fields in rrf.rows(path, DEF, problems):
        order = orders.get(fields[4])
        if order is None or fields[6] in hidden:
            continue
        number = check(fields[0], path, line, "CUI")
        if number != previous:
            if best and kept[previous]:
                yield from _definition(curie(previous), best, path, problems)
            previous, best = number, None
        if best is None or order < best[0]:
            best = (order, line, fields[5])
    if best and kept[previous]:
        yield from _definition(curie(previous), best, path, problems)


def _definition(concept_id: str, best: _Best, path: Path, problems: Problems) -> Iterator[Concept]:
    _, line, raw = best
    try:
        text = rrf.decoded(raw, path, line, "DEF")
    except SourceError as error:
        problems.found(rrf.NOT_UTF8, error)
    else:
        yield Concept(concept_id=concept_id, definition=text.strip())
