"""A note, and what is known of it once it has been annotated, apart from the engines: clients have none."""

from __future__ import annotations

from dataclasses import dataclass

from linker.detection.detector import Span
from linker.limits import MAX_MENTION_LENGTH
from linker.records import Assertion, Link, Mention


@dataclass(frozen=True, slots=True)
class Note:
    """A note to annotate. spans: its mentions, where they are known; None has them found."""

    text: str
    spans: tuple[Span, ...] | None = None


@dataclass(frozen=True, slots=True)
class AnnotatedMention:
    """A mention with what is known of it.

    assertions: what the note says of it, none where it is simply there. section: name of the section's kind, or "".
    """

    span: Span
    link: Link
    assertions: frozenset[Assertion] = frozenset()
    section: str = ""


@dataclass(frozen=True, slots=True)
class AnnotatedNote:
    """A note as it was given, with its mentions in order."""

    text: str
    mentions: tuple[AnnotatedMention, ...]


def mention_at(note: str, span: Span) -> Mention:
    """The mention at a place, as it is linked: one of several pieces, or a very long one, has no place in its note."""
    text = span.text(note)[:MAX_MENTION_LENGTH]
    is_whole = len(span.pieces) == 1 and len(text) == span.end - span.begin
    return Mention(text, note, span.begin, span.end) if is_whole else Mention(text, note)
