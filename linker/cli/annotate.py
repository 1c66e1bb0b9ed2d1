"""`linker annotate`: notes to coded notes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from linker.annotation import Annotator
from linker.assertion import Triggers
from linker.bundles import DEFAULT
from linker.cli.shared import (
    BundleOption,
    DetectOption,
    DetectorOption,
    DisplayOption,
    LanguageOption,
    NoteLanguageOption,
    RulesOption,
    SectionsOption,
    TypesOption,
    VocabularyOption,
    checked_note_language,
    open_tagger,
)
from linker.console import Advance, progress, stderr, stdout
from linker.corpus import read_given
from linker.detection.choice import Detect
from linker.errors import InvalidInput
from linker.jsonlines import annotated_line
from linker.notes import AnnotatedNote, Note
from linker.offsets import OffsetUnit
from linker.options import Options
from linker.pipeline import Linker
from linker.records import ConceptFilter, RerankMode
from linker.rendering import coloured, lines_of, page
from linker.rules import SECTIONS, TRIGGERS
from linker.sections import Headers

_AT_ONCE = 40_000  # characters, read in some two seconds


def annotate(  # noqa: PLR0913, PLR0917 - a command line has as many options as it has
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE...", help="Notes as UTF-8 text; - is standard input.")
    ] = None,
    spans: Annotated[
        Path | None,
        typer.Option(
            metavar="JSONL",
            help="Mentions that are known, to be linked in place of those that would be found: a line for each note,"
            " whose doc_id is its FILE (stdin for -). Without any FILE, every line with its own text.",
        ),
    ] = None,
    bundle: BundleOption = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each note.")] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="PAGE", help="Write a page to look at, self-contained; - prints it."),
    ] = None,
    unit: Annotated[
        OffsetUnit, typer.Option("--offsets", help="What begin and end count, in JSON.")
    ] = OffsetUnit.CODE_POINTS,
    top_k: Annotated[int, typer.Option("-k", "--top-k", help="Candidates for a mention in JSON, 1 to 1,000.")] = 1,
    semantic_type: TypesOption = None,
    vocabulary: VocabularyOption = None,
    language: LanguageOption = None,
    display_language: DisplayOption = "",
    rerank: Annotated[
        RerankMode, typer.Option(help="Whether the cross-encoder runs, where the bundle has one.")
    ] = RerankMode.AUTO,
    detect: DetectOption = None,
    detector: DetectorOption = None,
    sections: SectionsOption = None,
    rules: RulesOption = None,
    note_language: NoteLanguageOption = "",
) -> None:
    """Find the mentions in notes, and link each to its concept.

    Prints the note with its mentions in colour, and what is known of each:

      linker annotate note.txt

      linker annotate --html note.html note.txt

      echo "No chest pain." | linker annotate --json -

      linker annotate --spans gold.jsonl --json

    Mentions are names of the bundle, what a trained model takes for a mention and a concept fits, and short forms that
    the note defines. What the note says of a mention comes from its words (negated, uncertain, historical,
    hypothetical, family), by the rules of its language, and its section. Notes are not altered: begin and
    end are their own, CRLF, tabs and emoji counted.

    A line of --spans is an object such as {"doc_id": "note.txt", "mentions": [{"begin": 3, "end": 13}]}, in code
    points. What it says of the text, or what a mention is (mention), is compared with the note.
    """
    wanted = ConceptFilter(frozenset(semantic_type or ()), frozenset(vocabulary or ()), frozenset(language or ()))
    options = Options(top_k=top_k, filter=wanted, rerank=rerank, display_language=display_language)
    headers, triggers = Headers(sections or SECTIONS), Triggers([*TRIGGERS, *(rules or [])])
    stated = checked_note_language(note_language)
    notes = _notes(files or [], spans)
    if spans and (detect or detector):
        raise InvalidInput("mentions are given, and none is looked for", field="--spans")
    tagger = open_tagger(detector, detect, workers=os.cpu_count() or 1)
    annotator = Annotator(
        Linker.open(bundle), detect=detect or Detect.BOTH, tagger=tagger, headers=headers, triggers=triggers
    )
    annotated = []
    with _reading(sum(len(note.text) for _, note in notes)) as advance:
        for note_id, asked in notes:
            (note,) = annotator.annotate([replace(asked, language=stated)], options, advance=advance)
            annotated.append(note)
            if as_json:
                sys.stdout.buffer.write(annotated_line(note, note_id, unit).encode() + b"\n")
            elif html is None:
                _show(note)
    if html is not None:
        _write_page(html, annotated)
    for tag in sorted({note.language for note in annotated if note.without_rules}):
        known = ", ".join(sorted(triggers.languages))
        message = f"no rules of assertion for {tag}, only for {known}: write some, and give them with --rules"
        stderr.print(Text(message), soft_wrap=True)


def _reading(characters: int) -> AbstractContextManager[Advance]:
    """Shows how far it has come, unless it is done at once."""
    return progress("Reading", characters, "characters") if characters > _AT_ONCE else nullcontext(lambda *_: None)


def _notes(files: Sequence[str], spans: Path | None) -> list[tuple[str, Note]]:
    """The notes by their ids, those of the files in their order."""
    if not files and not spans:
        raise InvalidInput("expected at least one, - for standard input, or --spans with texts", field="FILE")
    texts = [("stdin" if file == "-" else file, _read(file)) for file in files]
    if spans is None:
        return [(note_id, Note(text)) for note_id, text in texts]
    given = read_given(spans, dict(texts))
    return [(note_id, given[note_id]) for note_id, _ in texts] if texts else list(given.items())


def _read(file: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", field=file) from error
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        message = f"expected UTF-8, found byte 0x{raw[error.start]:02x} at {error.start}"
        raise InvalidInput(message, field=file) from error


def _show(note: AnnotatedNote) -> None:
    console = stdout()
    console.print(coloured(note), soft_wrap=True)
    console.print()
    for mention in note.mentions:
        console.print(Text(" · ".join(lines_of(note.text, mention))), soft_wrap=True)


def _write_page(path: Path, notes: list[AnnotatedNote]) -> None:
    text = page(notes)
    if str(path) == "-":
        sys.stdout.buffer.write(text.encode())
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"cannot be written: {error.strerror}", field=str(path)) from error
    mentions = sum(len(note.mentions) for note in notes)
    stderr.print(Text(f"{path}: {len(notes):,} notes, {mentions:,} mentions"), soft_wrap=True)
