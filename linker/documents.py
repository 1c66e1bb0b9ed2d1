"""Documents and what was found in them: records to protobuf and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from linker.detection.detector import Span
from linker.notes import AnnotatedMention, AnnotatedNote, Note, mention_at
from linker.offsets import Offsets
from linker.options import Options
from linker.records import Assertion
from linker.v1 import linking_service_pb2 as linking
from linker.wire import link_of, options_message, result_message

_ASSERTION_NUMBERS = {
    Assertion.NEGATED: linking.ASSERTION_NEGATED,
    Assertion.UNCERTAIN: linking.ASSERTION_UNCERTAIN,
    Assertion.HISTORICAL: linking.ASSERTION_HISTORICAL,
    Assertion.HYPOTHETICAL: linking.ASSERTION_HYPOTHETICAL,
    Assertion.FAMILY: linking.ASSERTION_FAMILY,
}
_ASSERTIONS = {number: assertion for assertion, number in _ASSERTION_NUMBERS.items()}


def annotate_request(documents: Sequence[linking.Document], options: Options) -> linking.AnnotateDocumentsRequest:
    """A request to annotate documents, with offsets in code points."""
    return linking.AnnotateDocumentsRequest(
        documents=documents, offset_unit=linking.OFFSET_UNIT_CODE_POINT, options=options_message(options)
    )


def document_message(note: Note) -> linking.Document:
    """A note to annotate, its spans in order and in code points.

    Raises UnicodeEncodeError where it has half a surrogate pair.
    """
    message = linking.Document(text=note.text, language=note.language)
    if note.spans is not None:
        given = [linking.MentionSpan(pieces=_pieces(span)) for span in sorted(note.spans)]
        message.given.CopyFrom(linking.GivenSpans(spans=given))
    return message


def _pieces(span: Span, of: Callable[[int], int] = int) -> list[linking.TextSpan]:
    return [linking.TextSpan(begin=of(begin), end=of(end)) for begin, end in span.pieces]


def annotated_mention_message(mention: AnnotatedMention, offsets: Offsets) -> linking.AnnotatedMention:
    """A mention of a note, with its place in the unit of `offsets`."""
    return linking.AnnotatedMention(
        link=result_message(mention.link, ""),
        pieces=_pieces(mention.span, offsets.of),
        assertions=sorted(_ASSERTION_NUMBERS[assertion] for assertion in mention.assertions),
        section=mention.section,
    )


def annotated_note(annotation: linking.Annotation, note: str) -> AnnotatedNote:
    """What was found in `note`, where offsets are in code points. Rows of concepts do not cross the wire and are -1."""
    mentions = tuple(_annotated(message, note) for message in annotation.mentions)
    return AnnotatedNote(note, mentions, annotation.language, annotation.without_rules)


def _annotated(message: linking.AnnotatedMention, note: str) -> AnnotatedMention:
    span = Span(tuple((piece.begin, piece.end) for piece in message.pieces))
    # An assertion that a newer server added is none that is known here.
    said = frozenset(_ASSERTIONS[number] for number in message.assertions if number in _ASSERTIONS)
    return AnnotatedMention(span, link_of(message.link, mention_at(note, span)), said, message.section)
