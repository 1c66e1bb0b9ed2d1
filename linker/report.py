"""What is shown of an evaluation or a comparison: the same tables on a terminal and in Markdown, everything in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from linker.comparison import Comparison
from linker.errors import InvalidInput
from linker.evaluation import Accuracy, Report
from linker.latency import Latency
from linker.outcomes import Fault, Miss, Outcome
from linker.predictions import FILE as PREDICTIONS
from linker.predictions import write_predictions
from linker.publishing import publish
from linker.robustness import Robustness

REPORT = "report.json"
COMPARISON = "comparison.json"
TYPES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class CorpusReport:
    """All that was measured on one corpus. robustness and misses are empty where they were not asked for."""

    corpus: str
    report: Report
    latency: Latency
    robustness: tuple[Robustness, ...] = ()
    misses: tuple[Miss, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "corpus": self.corpus,
            **self.report.to_dict(),
            "latency": asdict(self.latency),
            "robustness": [{**asdict(r), "kept": r.kept} for r in self.robustness],
            "misses": [asdict(miss) for miss in self.misses],
        }


@dataclass(frozen=True, slots=True)
class Section:
    """A table with its title, and what must be known to read it. The first column names the rows.

    prose: its cells are words, not figures.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    prose: bool = False


def check_out(out: Path, file: str) -> None:
    """Raise `InvalidInput` where `out` has something else in it than an older `file`, which may be replaced."""
    if out.exists() and not (out / file).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise InvalidInput(f"exists and has no {file}; choose another folder or move it away", field=str(out))


def write_report(out: Path, corpora: Sequence[CorpusReport], outcomes: Iterable[tuple[str, Outcome]]) -> None:
    """Publish report.json, report.md and predictions.jsonl in the folder `out`, all at once."""
    with _published(out, REPORT) as folder:
        _write(folder / REPORT, [c.to_dict() for c in corpora], "corpora")
        text = markdown("Evaluation", [*summary(corpora), *details(corpora)])
        (folder / REPORT).with_suffix(".md").write_text(text, encoding="utf-8")
        write_predictions(outcomes, folder / PREDICTIONS)


def write_comparison(out: Path, comparisons: Sequence[Comparison]) -> None:
    """Publish comparison.json and comparison.md in the folder `out`, both at once."""
    with _published(out, COMPARISON) as folder:
        _write(folder / COMPARISON, [c.to_dict() for c in comparisons], "comparisons")
        text = markdown("Comparison", [compared(comparisons)])
        (folder / COMPARISON).with_suffix(".md").write_text(text, encoding="utf-8")


@contextmanager
def _published(out: Path, file: str) -> Iterator[Path]:
    check_out(out, file)
    try:
        with publish(out) as folder:
            yield folder
    except OSError as error:
        message = f"cannot be written: {error.strerror}; free some space, or choose another folder"
        raise InvalidInput(message, field=str(out)) from error


def _write(path: Path, rows: list[dict[str, object]], name: str) -> None:
    content = {"created_by": f"medlinker {version('medlinker')}", name: rows}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def markdown(title: str, sections: Iterable[Section]) -> str:
    """The sections as a Markdown document."""
    lines = [f"# {title}", ""]
    for section in sections:
        lines += [f"## {section.title}", "", *([section.note, ""] if section.note else [])]
        rule = "|---|" + ("---|" if section.prose else "---:|") * (len(section.columns) - 1)
        lines += [_line(section.columns), rule, *map(_line, section.rows), ""]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in cells) + " |"


def summary(corpora: Sequence[CorpusReport]) -> list[Section]:
    """What everyone reads: the figures side by side, robustness, and the worst misses where they were asked for."""
    return [_figures(corpora), *_robustness(corpora), *(_misses(c) for c in corpora if c.misses)]


def compared(comparisons: Sequence[Comparison]) -> Section:
    """One column for each corpus."""
    figures: dict[str, Callable[[Comparison], str]] = {
        "mentions": lambda c: f"{c.mentions:,}",
        "notes": lambda c: f"{c.notes:,}",
        "A, acc@1": lambda c: _share(c.a),
        "B, acc@1": lambda c: _share(c.b),
        "difference": lambda c: f"{c.difference:+.4f}",
        "95 % interval": lambda c: f"{c.interval[0]:+.4f} to {c.interval[1]:+.4f}",
        "p": lambda c: f"{c.p_value:.4f}",
        "only B right": lambda c: f"{c.wins:,}",
        "only A right": lambda c: f"{c.losses:,}",
        "verdict": lambda c: c.verdict,
    }
    rows = [(name, *(figure(c) for c in comparisons)) for name, figure in figures.items()]
    return Section("A and B", ("", *(c.corpus for c in comparisons)), tuple(rows))


def details(corpora: Sequence[CorpusReport]) -> list[Section]:
    """Errors by semantic type, and the calibration bin by bin, for each corpus."""
    return [section for c in corpora for section in (_types(c), _bins(c))]


_FIGURES: dict[str, Callable[[Report], str]] = {
    "mentions": lambda r: f"{r.overall.mentions:,}",
    "acc@1": lambda r: _share(r.overall.acc_at_1),
    "95 % interval": lambda r: f"{r.overall.interval[0]:.3f}-{r.overall.interval[1]:.3f}",
    "acc@5": lambda r: _share(r.overall.acc_at_5),
    "acc@20": lambda r: _share(r.overall.acc_at_20),
    "recall@64": lambda r: _share(r.overall.recall_at_64),
    "MRR": lambda r: _share(r.overall.mrr),
    "exact match, acc@1": lambda r: _share(r.exact.acc_at_1),
    "seen, acc@1": lambda r: _part(r.seen),
    "unseen, acc@1": lambda r: _part(r.unseen),
    "gold in the bundle": lambda r: _share(r.reachable),
    "calibration error": lambda r: _share(r.ece),
    "answered at 95 % precision": lambda r: _share(r.coverage_at_95),
    "NIL precision": lambda r: _share(r.nil_precision),
    "NIL recall": lambda r: _share(r.nil_recall),
    "mentions reranked": lambda r: _share(r.reranked),
    "pairs reranked a mention": lambda r: f"{r.pairs_per_mention:.1f}",
    **{f"error: {fault}": lambda r, fault=fault: f"{r.errors.faults.get(fault, 0):,}" for fault in Fault},  # type: ignore[misc]
}
_LATENCY: dict[str, Callable[[Latency], str]] = {
    "ms a mention alone, median": lambda t: f"{t.p50_ms:.1f}",
    "ms a mention alone, 95th percentile": lambda t: f"{t.p95_ms:.1f}",
    "mentions a second, in batches": lambda t: f"{t.mentions_per_s:,.0f}",
}


def _figures(corpora: Sequence[CorpusReport]) -> Section:
    rows = [(name, *(figure(c.report) for c in corpora)) for name, figure in _FIGURES.items()]
    rows += [(name, *(figure(c.latency) for c in corpora)) for name, figure in _LATENCY.items()]
    return Section("Figures", ("", *(c.corpus for c in corpora)), tuple(rows))


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.4f}"


def _part(accuracy: Accuracy | None) -> str:
    return "-" if accuracy is None else f"{accuracy.acc_at_1:.4f} of {accuracy.mentions:,}"


def _robustness(corpora: Sequence[CorpusReport]) -> list[Section]:
    measured = [{r.perturbation: r for r in c.robustness} for c in corpora]
    names = dict.fromkeys(name for by_name in measured for name in by_name)
    rows = [(name, *(_kept(by_name.get(name)) for by_name in measured)) for name in names]
    note = "acc@1 of perturbed mentions as a share of that of the same mentions as they are; how many it applies to."
    return [Section("Robustness", ("", *(c.corpus for c in corpora)), tuple(rows), note)] if rows else []


def _kept(measured: Robustness | None) -> str:
    return "-" if measured is None or measured.kept is None else f"{measured.kept:.1%} of {measured.mentions:,}"


def _misses(corpus: CorpusReport) -> Section:
    rows = [
        (
            m.mention,
            f"{m.confidence:.3f}",
            " ".join(m.answer),
            "; ".join(f"{i} {name or ''}".strip() for i, name in m.gold),
            m.fault,
        )
        for m in corpus.misses
    ]
    columns = ("mention", "confidence", "answer", "gold", "error")
    return Section(f"Surest wrong answers: {corpus.corpus}", columns, tuple(rows), prose=True)


def _types(corpus: CorpusReport) -> Section:
    report = corpus.report
    shown = {"all": report.errors, **dict(list(report.by_type.items())[:TYPES_SHOWN])}
    faults = [fault for fault in Fault if fault in report.errors.faults]
    rows = [
        (kind, f"{b.mentions:,}", _share(b.acc_at_1), *(f"{b.faults.get(fault, 0):,}" for fault in faults))
        for kind, b in shown.items()
    ]
    hidden = len(report.by_type) - TYPES_SHOWN
    note = f"The {TYPES_SHOWN} most frequent types; {hidden:,} more are in {REPORT}." if hidden > 0 else ""
    columns = ("semantic type of the gold concept", "mentions", "acc@1", *faults)
    return Section(f"Errors by semantic type: {corpus.corpus}", columns, tuple(rows), note)


def _bins(corpus: CorpusReport) -> Section:
    rows = [
        (f"{b.low:.3f}-{b.high:.3f}", f"{b.mentions:,}", _share(b.confidence), _share(b.accuracy))
        for b in corpus.report.bins
    ]
    return Section(f"Calibration: {corpus.corpus}", ("confidence", "mentions", "mean confidence", "right"), tuple(rows))
