"""Translations in the format of gettext: the messages of a .po file that are translated.

Format: GNU gettext manual, section 3, "The Format of PO Files". An empty translation is none, and neither is a fuzzy
one: gettext does not use it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ontologies.errors import SourceError
from ontologies.readers.files import read_lines

_KEYWORD = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[\d+\])?)\s+(?=")')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True)
class Message:
    """A translated text. context: where it stands, by which messages are told apart. line: of its first keyword."""

    context: str
    translation: str
    line: int


@dataclass(slots=True)
class _Entry:
    line: int = 0
    fuzzy: bool = False
    texts: dict[str, str] = field(default_factory=dict)
    keyword: str = ""

    def ends_before(self, keyword: str) -> bool:
        """Whether this keyword, or "" for a comment, begins another entry."""
        return "msgstr" in self.texts and (keyword in ("", "msgctxt") or keyword in self.texts)


def read_po(path: Path) -> Iterator[Message]:
    """Raises `SourceError`."""
    entry = _Entry()
    for number, line in read_lines(path):
        text = line.strip()
        keyword = _KEYWORD.match(text)
        if entry.ends_before(keyword[1] if keyword else "") and (keyword or text.startswith("#")):
            yield from _message(entry)
            entry = _Entry()
        if text.startswith("#"):
            entry.fuzzy |= text.startswith("#,") and "fuzzy" in text
        elif text:
            if keyword:
                entry.keyword, text = keyword[1], text[keyword.end() :]
                entry.texts[entry.keyword] = ""
                entry.line = entry.line or number
            _continue(entry, text, path, number)
    yield from _message(entry)


def _continue(entry: _Entry, text: str, path: Path, line: int) -> None:
    quoted = _QUOTED.fullmatch(text)
    if quoted is None or not entry.keyword:
        raise SourceError(f"expected a keyword and a quoted text, got {text[:80]!r}", path=path, line=line)
    entry.texts[entry.keyword] += _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), quoted[1])


def _message(entry: _Entry) -> Iterator[Message]:
    if not entry.fuzzy and entry.texts.get("msgid") and (translation := entry.texts.get("msgstr", "").strip()):
        yield Message(entry.texts.get("msgctxt", ""), translation, entry.line)
