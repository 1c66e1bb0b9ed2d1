"""Sections of a note, by their headers: `PMH:`, or a line that is nothing but `Family History`."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from linker.errors import InvalidInput
from linker.records import Assertion
from linker.rules import SECTIONS, read_rules


@dataclass(frozen=True, slots=True)
class Section:
    """A kind of section. assertions: what a mention is said to be by standing there."""

    name: str = ""
    assertions: frozenset[Assertion] = frozenset()


_NONE = Section()


class Outline:
    """The sections of one note."""

    def __init__(self, headers: Sequence[tuple[int, int]], sections: Sequence[Section]) -> None:
        """headers: where they stand, half-open ranges of code points."""
        self._headers, self._sections = headers, sections
        self._begins = [end for _, end in headers]

    def at(self, place: int) -> Section:
        """The section of a code point; one without a name before the first header."""
        row = bisect_right(self._begins, place)
        return self._sections[row - 1] if row else _NONE

    def in_header(self, place: int) -> bool:
        """Does a code point stand in a header?"""
        row = bisect_right(self._begins, place)
        return row < len(self._headers) and self._headers[row][0] <= place


class Headers:
    """The headers of a file of rules, see `linker/rules/sections.toml`. Immutable and safe to share."""

    def __init__(self, path: Path | None = SECTIONS) -> None:
        """path: None has no headers. Raises `InvalidInput` naming file and field."""
        self._sections: dict[str, Section] = {}
        for position, rule in enumerate(read_rules(path, "section") if path else []):
            field = f"{path}: section[{position}]"
            try:
                section = Section(rule["name"], frozenset(map(Assertion, rule.get("assertions", []))))
                self._sections |= {_folded(header): section for header in rule["headers"]}
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                message = f"expected name, headers and assertions of {', '.join(Assertion)}"
                raise InvalidInput(message, field=field) from error
        longest_first = sorted(self._sections, key=len, reverse=True)
        headers = "|".join(re.escape(header).replace(r"\ ", "[ \t]+") for header in longest_first)
        self._pattern = re.compile(
            rf"^[ \t#*>]*({headers or '(?!)'})[ \t*]*(?::|(?=\r?$))", re.IGNORECASE | re.MULTILINE
        )

    def outline(self, note: str) -> Outline:
        """Where the sections of a note begin. Time is linear in the note."""
        found = list(self._pattern.finditer(note))
        return Outline([header.span() for header in found], [self._sections[_folded(header[1])] for header in found])


def _folded(header: str) -> str:
    return " ".join(header.lower().split())
