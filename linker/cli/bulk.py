"""`linker bulk`: many notes to coded notes, in a job that can be stopped and resumed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from linker.assertion import Triggers
from linker.bulk.annotator import BatchAnnotator
from linker.bulk.chunks import NOTES
from linker.bulk.formats import SINKS, SOURCES, open_source
from linker.bulk.job import Job, run
from linker.bulk.report import FILE, Outcome
from linker.bulk.review import CANDIDATES
from linker.bulk.rows import LANGUAGE
from linker.bulk.sink import Sink
from linker.bulk.source import Columns, Source
from linker.bulk.terms import TermsSink, TermsSource, open_terms
from linker.bulk.tolerance import Tolerance
from linker.bundles import DEFAULT, bundle_path
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
    open_terminology,
)
from linker.console import stderr
from linker.detection.choice import Detect
from linker.errors import InvalidInput
from linker.offsets import OffsetUnit
from linker.options import Options
from linker.records import ConceptFilter, RerankMode
from linker.rules import SECTIONS, TRIGGERS
from linker.sections import Headers
from linker.value_set import open_value_set

_READING, _ANNOTATING, _RUNNING = "What is read and written", "How notes are annotated", "How the job runs"
_TERMS = "Terms in place of notes"


def bulk(  # noqa: PLR0913, PLR0917 - a command line has as many options as it has
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="Files, folders with all below them, or globs in quotes."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the output, and of what is needed to go on.")
    ],
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help=f"Format of the input: {', '.join(SOURCES)}. Default: as the files are named.",
            rich_help_panel=_READING,
        ),
    ] = None,
    sink: Annotated[
        str,
        typer.Option(
            "--to", metavar="FORMAT", help=f"Format of the output: {', '.join(SINKS)}.", rich_help_panel=_READING
        ),
    ] = "parquet",
    note_id: Annotated[
        str, typer.Option(metavar="COLUMN", help="Where the id of a note stands.", rich_help_panel=_READING)
    ] = Columns().note_id,
    text: Annotated[
        str, typer.Option(metavar="COLUMN", help="Where its text stands.", rich_help_panel=_READING)
    ] = Columns().text,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN", help="A column that the output has, too. May be given again.", rich_help_panel=_READING
        ),
    ] = None,
    spans_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Where the mentions of a note are given, to be linked in place of those that would be found: a list of"
            " objects with begin and end, in code points, as JSON or as a list of structs.",
            rich_help_panel=_READING,
        ),
    ] = None,
    unit: Annotated[
        OffsetUnit, typer.Option("--offsets", help="What begin and end count.", rich_help_panel=_READING)
    ] = OffsetUnit.CODE_POINTS,
    terms: Annotated[
        bool,
        typer.Option(
            "--terms",
            help="INPUT is a table (CSV, Parquet, XLSX) with a term in each row: it is written again with codes, and"
            " a sheet to review.",
            rich_help_panel=_TERMS,
        ),
    ] = False,
    column: Annotated[
        str | None,
        typer.Option(help="Where the terms stand. Default: the only column there is.", rich_help_panel=_TERMS),
    ] = None,
    review_below: Annotated[
        float,
        typer.Option(min=0, max=1, help="Terms answered with less confidence are to review.", rich_help_panel=_TERMS),
    ] = 0.8,
    bundle: BundleOption = DEFAULT,
    semantic_type: TypesOption = None,
    vocabulary: VocabularyOption = None,
    language: LanguageOption = None,
    display_language: DisplayOption = "",
    codes: Annotated[
        str,
        typer.Option(metavar="V,W", help="Codes that concepts carry, by vocabulary: ICD10CM,UMLS. Default: all."),
    ] = "",
    value_set: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Answer with these concepts alone, as `linker link` does.")
    ] = None,
    min_confidence: Annotated[
        float | None, typer.Option(help="Below it a mention is NIL, 0 to 1. Default: the bundle's own.")
    ] = None,
    rerank: Annotated[
        RerankMode, typer.Option(help="Whether the cross-encoder runs, where the bundle has one.")
    ] = RerankMode.AUTO,
    detect: DetectOption = None,
    detector: DetectorOption = None,
    sections: SectionsOption = None,
    rules: RulesOption = None,
    note_language: NoteLanguageOption = "",
    language_column: Annotated[
        str,
        typer.Option(
            "--note-language-column",
            metavar="COLUMN",
            help="Where the language of each note stands (BCP-47), which the output has, too; where it is empty,"
            " --note-language says.",
        ),
    ] = "",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: one for each core.", rich_help_panel=_RUNNING)
    ] = None,
    max_errors: Annotated[
        str,
        typer.Option(
            metavar="N|N%",
            help="Stop where more notes than that have errors: a count, or a share of at least 1,000 notes.",
            rich_help_panel=_RUNNING,
        ),
    ] = "5%",
    chunk_notes: Annotated[
        int,
        typer.Option(
            min=1, help="Notes of one output file at most; a kill costs the chunks in work.", rich_help_panel=_RUNNING
        ),
    ] = NOTES,
) -> None:
    """Annotate many notes: find their mentions, link them, and write what was found.

      linker bulk notes.csv --out coded

      linker bulk 'mimic/*.csv.gz' --text TEXT --note-id ROW_ID --keep SUBJECT_ID --out coded

      linker bulk warehouse/notes --from parquet --to jsonl --workers 8 --out coded

      linker bulk notes.jsonl --spans-column mentions --out coded

      linker bulk problems.xlsx --terms --column problem --out coded

    The same command again goes on where a job was stopped or killed, and never does a finished chunk twice. A note
    that cannot be annotated has a row with its error. OUT/report.md tells what came of it, and docs/bulk.md what all
    the formats and columns are.
    """
    if sink not in SINKS:
        raise InvalidInput(f"expected one of {', '.join(SINKS)}, got {sink!r}", field="--to")
    if SINKS[sink].needs_text and unit is not OffsetUnit.CODE_POINTS:
        raise InvalidInput(f"expected {OffsetUnit.CODE_POINTS}, which is what {sink} counts", field="--offsets")
    if terms and language_column:
        raise InvalidInput(
            "is of notes; terms are all in one language, --note-language", field="--note-language-column"
        )
    if within := next((given for given in inputs if out.resolve().is_relative_to(Path(given).resolve())), None):
        raise InvalidInput(f"lies in the input {within}, and would be read as notes", field=f"--out {out}")
    if terms and spans_column:
        raise InvalidInput("terms are mentions as they are", field="--spans-column")
    kept = (*(keep or ()), *([language_column] if language_column else ()))
    if LANGUAGE in kept and language_column != LANGUAGE:
        message = f"is a column of the output; --note-language-column {LANGUAGE} reads it as what it says"
        raise InvalidInput(message, field=f"--keep {LANGUAGE}")
    columns = Columns(note_id, text, tuple(dict.fromkeys(kept)), spans_column)
    options = Options(
        top_k=CANDIDATES if terms else 1,
        filter=ConceptFilter(frozenset(semantic_type or ()), frozenset(vocabulary or ()), frozenset(language or ())),
        rerank=rerank,
        min_confidence=min_confidence,
        codes=tuple(dict.fromkeys(filter(None, (system.strip() for system in codes.split(","))))),
        value_set=open_value_set(value_set, open_terminology(bundle), lenient=False)[0] if value_set else None,
        display_language=display_language,
    )
    options.check()
    sections = sections or SECTIONS
    Headers(sections), Triggers([*TRIGGERS, *(rules or [])]), open_tagger(detector, detect, workers=1)
    reading: Source
    writing: Sink
    if terms:
        table, of_terms = open_terms(inputs, column)
        reading, writing = TermsSource(table, of_terms), TermsSink(table, of_terms, review_below)
    else:
        reading, writing = open_source(inputs, columns, format=source), SINKS[sink]()
    where = str(bundle_path(bundle).absolute())
    job = Job(
        source=reading,
        annotate=BatchAnnotator(
            where,
            options,
            detect=detect or Detect.BOTH,
            detector=detector,
            sections=sections,
            rules=tuple(rules or ()),
            unit=unit,
            is_terms=terms,
            language=checked_note_language(note_language),
            language_column=language_column,
        ),
        sink=writing,
        out=out,
        workers=workers or _cores(),
        chunk_notes=chunk_notes,
        tolerance=Tolerance.parse(max_errors),
    )
    try:
        outcome = run(job)
    except KeyboardInterrupt:
        stderr.print(f"Stopped; what is finished is kept in {out}, and the same command goes on.", soft_wrap=True)
        raise typer.Exit(130) from None
    _tell(out, outcome)


def _cores() -> int:
    """Those that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tell(out: Path, outcome: Outcome) -> None:
    summary = outcome.summary
    errors = f", {summary.errors.total():,} with an error" if summary.errors else ""
    found = f"{summary.mentions:,} mentions, {len(summary.concepts):,} concepts"
    stderr.print(Text(f"{out / FILE}: {summary.notes:,} notes{errors}, {found}"), soft_wrap=True)
