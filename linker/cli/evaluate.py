"""`linker evaluate`: how good is a bundle on gold mentions, and is another one better?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.table import Table
from rich.text import Text

from linker.bundles import DEFAULT
from linker.comparison import compare as compare_predictions
from linker.console import progress, stderr, stdout
from linker.corpus import GoldMention, read_corpus
from linker.errors import InvalidInput
from linker.evaluation import summarise
from linker.latency import measure_latency, sampled
from linker.outcomes import Outcome, judge, worst_misses
from linker.perturbation import PERTURBATIONS
from linker.pipeline import Linker
from linker.records import RerankMode
from linker.report import (
    COMPARISON,
    REPORT,
    CorpusReport,
    Section,
    check_out,
    compared,
    summary,
    write_comparison,
    write_report,
)
from linker.robustness import measure_robustness

T = TypeVar("T")


def evaluate(
    corpora: Annotated[
        list[Path] | None, typer.Argument(metavar="CORPUS", help="Gold mentions as JSON lines, plain, .gz or .xz.")
    ] = None,
    bundle: Annotated[
        list[Path] | None,
        typer.Option(
            "--bundle",
            "-b",
            envvar="LINKER_BUNDLE",
            help="A directory made by `linker build`, or `starter`, which is the default. Once for all corpora, or "
            "once for each, in their order.",
        ),
    ] = None,
    prefix: Annotated[
        list[str] | None,
        typer.Option(
            help="Vocabulary of bare gold ids: MESH makes D009203 MESH:D009203. Once for all corpora, or once for each."
        ),
    ] = None,
    rerank: Annotated[
        RerankMode, typer.Option(help="Whether the cross-encoder runs, where a bundle has one.")
    ] = RerankMode.AUTO,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Also link every mention under each perturbation.")
    ] = False,
    misses: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            help="Also show the N surest wrong answers. Prints mention text, in FOLDER too: only for public corpora.",
        ),
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Folder to make: report.json, report.md and predictions.jsonl, without any text.",
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Instead: compare two folders that --out wrote for the same corpora."),
    ] = None,
) -> None:
    """Score bundles on gold mentions, beside the exact-match baseline; or say which of two is better.

      linker evaluate ncbi.jsonl hpo.jsonl -b medic -b hpo --out before

      linker evaluate --compare before after

    acc@k: a gold concept is among the first k, ties counted at their worst. seen: the surface form is a name in the
    bundle. Intervals: 95 % bootstrap over notes.
    """
    if compare:
        if corpora:
            raise InvalidInput("takes two folders and no corpus; evaluate first, with --out", field="--compare")
        _compare(*compare, out=out)
        return
    if not corpora:
        raise InvalidInput("expected at least one; see `linker evaluate --help`", field="CORPUS")
    if out:
        check_out(out, REPORT)
    bundles = _for_each(corpora, bundle or [Path(DEFAULT)], "--bundle")
    golds = [
        read_corpus(path, prefix=own)
        for path, own in zip(corpora, _for_each(corpora, prefix or [""], "--prefix"), strict=True)
    ]
    reports, outcomes = [], []
    for name, own, gold in zip(_names(corpora), bundles, golds, strict=True):
        report, judged = _evaluated(name, Linker.open(own), gold, rerank=rerank, robustness=robustness, misses=misses)
        reports.append(report)
        outcomes += [(name, outcome) for outcome in judged]
    for table in summary(reports):
        _print(table)
    if out:
        write_report(out, reports, outcomes)


def _for_each(corpora: Sequence[Path], values: Sequence[T], option: str) -> list[T]:
    """One value for each corpus."""
    if len(values) not in (1, len(corpora)):
        message = f"expected it once, or once for each of {len(corpora)} corpora; got it {len(values)} times"
        raise InvalidInput(message, field=option)
    return list(values) * (len(corpora) // len(values))


def _names(corpora: Sequence[Path]) -> list[str]:
    """Each corpus by its folder and file, without what the file is packed in."""
    names = [f"{path.resolve().parent.name}/{path.name.split('.')[0]}" for path in corpora]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidInput(f"{twice} is given twice; expected each corpus once", field="CORPUS")
    return names


def _evaluated(
    name: str, linker: Linker, gold: Sequence[GoldMention], *, rerank: RerankMode, robustness: bool, misses: int
) -> tuple[CorpusReport, list[Outcome]]:
    if misplaced := sum(mention.misplaced for mention in gold):
        stderr.print(
            f"{name}: {misplaced:,} mentions are not what stands at their offsets; they are linked without their place."
        )
    with progress(f"Linking {name}", len(gold), "mentions") as advance:
        outcomes = judge(linker, gold, rerank=rerank, advance=advance)
    measured = []
    if robustness:
        with progress(f"Perturbing {name}", len(gold) * len(PERTURBATIONS), "mentions") as advance:
            measured = measure_robustness(linker, gold, outcomes, rerank=rerank, advance=advance)
    with progress(f"Timing {name}", sampled(gold), "mentions") as advance:
        latency = measure_latency(linker, gold, rerank=rerank, advance=advance)
    report = CorpusReport(
        corpus=name,
        report=summarise(outcomes, bundle=linker.bundle.digest),
        latency=latency,
        robustness=tuple(measured),
        misses=tuple(worst_misses(linker, gold, outcomes, misses)),
    )
    return report, outcomes


def _compare(a: Path, b: Path, *, out: Path | None) -> None:
    if out:
        check_out(out, COMPARISON)
    comparisons = compare_predictions(a, b)
    _print(compared(comparisons))
    if out:
        write_comparison(out, comparisons)


def _print(section: Section) -> None:
    table = Table(title=section.title, title_justify="left", box=None, pad_edge=False)
    for position, column in enumerate(section.columns):
        table.add_column(column, justify="left" if section.prose or not position else "right")
    for row in section.rows:
        table.add_row(*map(Text, row))
    stdout().print(table)
    if section.note:
        stdout().print(section.note)
