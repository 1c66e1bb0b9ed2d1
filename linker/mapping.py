"""From a code of any vocabulary to the concepts that have it: what `MapCodes` and `linker map` answer."""

from __future__ import annotations

from dataclasses import dataclass

from linker.identifiers import prefix_of
from linker.records import Code, Successor
from linker.terminology import Terminology


@dataclass(frozen=True, slots=True)
class Mapping:
    """What one code stands for.

    concepts: rows of the current concepts that have it, the one whose own id it is first, each with what it is to the
    code. retired: it was retired or merged, and no current concept has it. replaced_by: what to use instead then.
    """

    concepts: tuple[tuple[int, Code], ...]
    retired: bool = False
    replaced_by: tuple[Successor, ...] = ()


def map_code(terminology: Terminology, system: str, code: str) -> Mapping:
    """The concepts that have a code. system: prefix, or code system URI; "" of an id without a prefix."""
    systems = (system, prefix_of(system))
    found = next(filter(None, (terminology.coded(s, code) for s in systems)), [])
    if current := tuple((row, told) for row, told in found if not terminology.retired(row)):
        return Mapping(current)
    instead = next(filter(None, (terminology.superseded(s, code) for s in systems)), ())
    return Mapping((), retired=bool(found or instead), replaced_by=instead)
