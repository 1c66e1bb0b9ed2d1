"""Sections of a note, by their headers: `PMH:`, or a line that is nothing but `Family History`.

A header that is alone on its line opens a section that lasts to the next header. One with text behind it speaks for
that text, which goes on in lines that continue it or its list: to a blank line, or to a line that begins with a capital
and either comes after the end of a sentence or has one itself. What follows is in no section.

Headers that are words need no language: none means something else in another. Short ones do, and are of one: "AF" is
the family's history in a Spanish note and atrial fibrillation in an English one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from linker.errors import InvalidInput
from linker.language import UNDETERMINED
from linker.records import Assertion
from linker.rules import SECTIONS, applies, read_rules


@dataclass(frozen=True, slots=True)
class Section:
    """A kind of section. assertions: what a mention is said to be by standing there."""

    name: str = ""
    assertions: frozenset[Assertion] = frozenset()


_NONE = Section()
_LINE = re.compile(r"[^\n]*(?:\n|\Z)")
_SENTENCE = re.compile(r"[.!?][\"'’”)\]]*(?:\s|\Z)")  # has the end of one
_ENDED = re.compile(r"[.!?][\"'’”)\]]*\s*\Z")  # ends with it


@dataclass(frozen=True, slots=True)
class _Placed:
    """A section where it stands: its header from `begin`, its text from `text` to `end`, in code points."""

    section: Section
    begin: int
    text: int
    end: int


class Outline:
    """The sections of one note."""

    def __init__(self, placed: Sequence[_Placed]) -> None:
        """placed: in order, none in another."""
        self._placed = placed
        self._texts = [section.text for section in placed]

    def at(self, place: int) -> Section:
        """The section of a code point; one without a name where it is in none."""
        row = bisect_right(self._texts, place)
        return self._placed[row - 1].section if row and place < self._placed[row - 1].end else _NONE

    def in_header(self, place: int) -> bool:
        """Does a code point stand in a header?"""
        row = bisect_right(self._texts, place)
        return row < len(self._placed) and self._placed[row].begin <= place


class Headers:
    """The headers of a file of rules, see `linker/rules/sections.toml`. Immutable and safe to share."""

    def __init__(self, path: Path | None = SECTIONS) -> None:
        """path: None has no headers. Raises `InvalidInput` naming file and field."""
        self._sections: dict[str, dict[str, Section]] = {}
        for position, rule in enumerate(read_rules(path, "section") if path else []):
            field = f"{path}: section[{position}]"
            try:
                section = Section(rule["name"], frozenset(map(Assertion, rule.get("assertions", []))))
                of_language = self._sections.setdefault(rule["language"], {})
                of_language |= {_folded(header): section for header in rule["headers"]}
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                message = f"expected name, headers and assertions of {', '.join(Assertion)}"
                raise InvalidInput(message, field=field) from error
        self._found = cache(self._of_languages)

    def outline(self, note: str, language: str = UNDETERMINED) -> Outline:
        """Where the sections of a note are. Time is linear in the note. language: of the note, "und" for any."""
        sections, pattern = self._found(tuple(own for own in self._sections if applies(own, language)))
        found = list(pattern.finditer(note))
        limits = [*(header.start() for header in found[1:]), len(note)]
        return Outline(
            [
                _Placed(sections[_folded(header[1])], *header.span(), _end(note, header.end(), limit))
                for header, limit in zip(found, limits, strict=False)  # one limit, and no header, where there is none
            ]
        )

    def _of_languages(self, languages: tuple[str, ...]) -> tuple[dict[str, Section], re.Pattern[str]]:
        sections = {header: section for language in languages for header, section in self._sections[language].items()}
        longest_first = sorted(sections, key=len, reverse=True)
        headers = "|".join(re.escape(header).replace(r"\ ", "[ \t]+") for header in longest_first) or "(?!)"
        pattern = rf"^[ \t#*>]*+({headers})[ \t*]*(?::|(?=\r?$))"
        return sections, re.compile(pattern, re.IGNORECASE | re.MULTILINE)


def _end(note: str, begin: int, limit: int) -> int:
    """Where a section ends whose text begins behind its header; `limit`: where the next header does."""
    first, *others = _LINE.finditer(note, begin, limit)
    if not first[0].strip():
        return limit
    before = first
    for line in others:
        text = line[0].strip()
        if not text or (text[0].isupper() and (_ENDED.search(before[0]) or _SENTENCE.search(text))):
            return line.start()
        before = line
    return limit


def _folded(header: str) -> str:
    return " ".join(header.lower().split())
