"""What came of a job, without a word of any note: `OUT/report.md`, and `OUT/report.png` where there is matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from linker.bulk.summary import BINS, Summary
from linker.publishing import publish_file
from linker.report import Section, markdown

FILE = "report.md"
CHARTS = "report.png"
SHOWN = 20  # concepts


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run. summary: of the whole output. notes: that this run annotated, in `elapsed_s` seconds."""

    summary: Summary
    notes: int
    elapsed_s: float
    workers: int


def write_report(out: Path, outcome: Outcome) -> None:
    """Write both files, or replace them. Raises OSError."""
    sections = [
        _figures(outcome),
        _errors(outcome.summary),
        _languages(outcome.summary),
        _concepts(outcome.summary),
        _mentions(outcome.summary),
        _confidence(outcome.summary),
        _slowest(outcome.summary),
    ]
    text = markdown("Bulk annotation", [section for section in sections if section.rows])
    if find_spec("matplotlib"):
        from linker.bulk.charts import draw

        with publish_file(out / CHARTS) as file:
            draw(outcome.summary, file)
        text += f"\n![Charts]({CHARTS})\n"
    else:
        text += '\nFor charts, `pip install "medlinker[charts]"` and run the same command again.\n'
    with publish_file(out / FILE) as file:
        file.write_text(text, encoding="utf-8")


def _figures(outcome: Outcome) -> Section:
    summary = outcome.summary
    rows = [
        ("notes", f"{summary.notes:,}"),
        ("notes with an error", _of(summary.errors.total(), summary.notes)),
        ("mentions", f"{summary.mentions:,}"),
        ("mentions a note", f"{summary.mentions / max(summary.notes, 1):.1f}"),
        ("concepts", f"{len(summary.concepts):,}"),
        ("NIL", _of(summary.nil.total(), summary.mentions)),
        ("notes a second and worker", f"{summary.notes / max(summary.busy_s, 1e-9):,.1f}"),
        ("notes of the last run", f"{outcome.notes:,}"),
        ("workers of the last run", f"{outcome.workers:,}"),
        ("seconds of the last run", f"{outcome.elapsed_s:,.1f}"),
        ("notes a second of the last run", f"{outcome.notes / max(outcome.elapsed_s, 1e-9):,.1f}"),
    ]
    return Section("Figures", ("", ""), tuple(rows))


def _errors(summary: Summary) -> Section:
    rows = tuple((kind, _of(count, summary.notes)) for kind, count in summary.errors.most_common())
    return Section("Errors", ("error", "notes"), rows)


def _languages(summary: Summary) -> Section:
    note = '"und": too short to tell, or in doubt; read by the rules of all languages.'
    rows = tuple((language, _of(count, summary.notes)) for language, count in summary.languages.most_common())
    return Section("Languages", ("language", "notes"), rows, note if "und" in summary.languages else "")


def _concepts(summary: Summary) -> Section:
    rows = tuple(
        (concept_id, summary.names[concept_id], _of(count, summary.mentions))
        for concept_id, count in summary.concepts.most_common(SHOWN)
    )
    return Section(f"The {SHOWN} most frequent concepts", ("concept", "preferred name", "mentions"), rows, prose=True)


def _mentions(summary: Summary) -> Section:
    kinds = [(f"NIL: {reason}", count) for reason, count in summary.nil.most_common()]
    kinds += [(kind or "no assertion", count) for kind, count in summary.assertions.most_common()]
    note = "A mention may have several assertions. None means that it is there, in the patient, now."
    rows = tuple((kind, _of(count, summary.mentions)) for kind, count in kinds)
    return Section("NIL and assertions", ("", "mentions"), rows, note)


def _confidence(summary: Summary) -> Section:
    rows = tuple(
        (f"{position / BINS:.2f}-{(position + 1) / BINS:.2f}", _of(count, summary.mentions))
        for position, count in enumerate(summary.confidence)
        if count
    )
    return Section("Confidence of the first candidate", ("confidence", "mentions"), rows)


def _slowest(summary: Summary) -> Section:
    rows = tuple((note_id, f"{ms:,.0f}") for ms, note_id in summary.slowest)
    return Section("Slowest notes", ("note id", "milliseconds"), rows)


def _of(count: int, total: int) -> str:
    return f"{count:,} ({count / max(total, 1):.1%})"
