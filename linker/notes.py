"""A note, and what is known of it once it has been annotated, apart from the engines: clients have none."""

from __future__ import annotations

from dataclasses import dataclass

from linker.detection.detector import Span
from linker.language import UNDETERMINED
from linker.limits import MAX_MENTION_LENGTH
from linker.records import Assertion, Link, Mention


@dataclass(frozen=True, slots=True)
class Note:
    """A note to annotate.

    spans: its mentions, where they are known; None has them found. language: its tag (BCP-47); "" has it detected, and
    "und" has the note read by the rules of all languages.
    """

    text: str
    spans: tuple[Span, ...] | None = None
    language: str = ""


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
    """A note as it was given, with its mentions in order.

    language: as it was given or detected, "und" where that is in doubt. without_rules: there are no triggers of
    assertion for it, so that a mention without assertions may be anything but simply there.
    """

    text: str
    mentions: tuple[AnnotatedMention, ...]
    language: str = UNDETERMINED
    without_rules: bool = False


def mention_at(note: str, span: Span) -> Mention:
    """The mention at a place, as it is linked: one of several pieces, or a very long one, has no place in its note."""
    text = span.text(note)[:MAX_MENTION_LENGTH]
    is_whole = len(span.pieces) == 1 and len(text) == span.end - span.begin
    return Mention(text, note, span.begin, span.end) if is_whole else Mention(text, note)
