"""An annotated note for people: coloured in a terminal, or as a page of HTML that needs nothing else.

Mentions may overlap where a coordination was taken apart, so that a note is cut where any piece begins or ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from rich.text import Text

from linker.notes import AnnotatedMention, AnnotatedNote
from linker.records import Assertion

# One colour for each kind, the first that fits.
_STYLES = {
    Assertion.NEGATED: "red",
    Assertion.FAMILY: "magenta",
    Assertion.HYPOTHETICAL: "blue",
    Assertion.UNCERTAIN: "yellow",
    Assertion.HISTORICAL: "cyan",
}
PRESENT, NIL = "present", "nil"
_SHOWN_CODES = 8

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Annotated notes</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body {{ font: 16px/1.7 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }}
article {{ white-space: pre-wrap; overflow-wrap: anywhere; border-top: 1px solid #ccc; padding: 1rem 0; }}
mark {{ position: relative; padding: .1em .2em; border-radius: .25em; background: #c9f0d0; color: inherit; }}
mark.negated {{ background: #f9d0d0; }} mark.family {{ background: #ead3f5; }}
mark.hypothetical {{ background: #d3e0fb; }}
mark.uncertain {{ background: #fdf0b5; }} mark.historical {{ background: #cdeff5; }} mark.nil {{ background: #e4e4e4; }}
mark > span {{ display: none; position: absolute; left: 0; top: 1.6em; z-index: 1; width: max-content; max-width: 26rem;
  padding: .5em .8em; border: 1px solid #999; border-radius: .4em; background: #fff; font-size: .85em; line-height: 1.5;
  white-space: pre-line; box-shadow: 0 2px 8px #0003; }}
mark:hover > span, mark:focus > span {{ display: block; }}
</style></head><body>
<p>{legend}</p>
{notes}
</body></html>
"""


def kind(mention: AnnotatedMention) -> str:
    """How a mention is coloured: by what is said of it, "present" where that is nothing, "nil" without a concept."""
    if mention.link.concept is None:
        return NIL
    return next((str(assertion) for assertion in _STYLES if assertion in mention.assertions), PRESENT)


def coloured(note: AnnotatedNote) -> Text:
    """The note for a terminal, with mentions in colour."""
    text = Text()
    styles: dict[str, str] = {PRESENT: "green", NIL: "dim", **{str(a): style for a, style in _STYLES.items()}}
    for part, mentions in pieces(note):
        text.append(part, f"bold underline {styles[kind(mentions[0])]}" if mentions else None)
    return text


def page(notes: Sequence[AnnotatedNote]) -> str:
    """The notes as a page of HTML: no script, nothing loaded, and nothing of a note that could be markup."""
    kinds = (PRESENT, *map(str, _STYLES), NIL)
    legend = " ".join(f'<mark class="{name}">{name}</mark>' for name in kinds)
    return _PAGE.format(legend=legend, notes="\n".join(f"<article>{_marked(note)}</article>" for note in notes))


def pieces(note: AnnotatedNote) -> Iterator[tuple[str, list[AnnotatedMention]]]:
    """The note cut where mentions begin and end: each piece with the mentions that it is of, most often none or one."""
    begins: dict[int, list[AnnotatedMention]] = {}
    ends: dict[int, list[AnnotatedMention]] = {}
    for mention in note.mentions:
        for begin, end in mention.span.pieces:
            begins.setdefault(begin, []).append(mention)
            ends.setdefault(end, []).append(mention)
    here: list[AnnotatedMention] = []
    place = 0
    for cut in sorted({*begins, *ends, len(note.text)}):
        if place < cut:
            yield note.text[place:cut], list(here)
        for mention in ends.get(cut, []):
            here.remove(mention)
        here += begins.get(cut, [])
        place = cut


def _marked(note: AnnotatedNote) -> str:
    return "".join(
        f'<mark class="{kind(of[0])}" tabindex="0">{_escaped(part)}<span>{_told(note.text, of)}</span></mark>'
        if of
        else _escaped(part)
        for part, of in pieces(note)
    )


def _told(note: str, mentions: Sequence[AnnotatedMention]) -> str:
    return "\n\n".join(_escaped("\n".join(lines_of(note, mention))) for mention in mentions)


def lines_of(note: str, mention: AnnotatedMention) -> Iterator[str]:
    """What is known of a mention, a line each."""
    link = mention.link
    yield mention.span.text(note) + (f" ({link.expansion})" if link.expansion else "")
    if link.concept is None:
        yield f"NIL: {link.nil_reason}"
    else:
        yield f"{link.concept.preferred_name} [{link.concept.concept_id}]"
        yield f"confidence {link.concept.confidence:.2f}"
        codes = [f"{code.system}:{code.code}" for code in link.concept.codes]
        if codes:
            yield ", ".join(codes[:_SHOWN_CODES]) + (" ..." if len(codes) > _SHOWN_CODES else "")
    yield ", ".join(sorted(mention.assertions)) or PRESENT
    if mention.section:
        yield f"section: {mention.section}"


def _escaped(text: str) -> str:
    """For HTML, which can hold no half of a surrogate pair and no control character."""
    kept = "".join(char if char in "\n\t" or char >= " " else "\ufffd" for char in text.replace("\r\n", "\n"))
    return escape(kept.encode(errors="replace").decode())
