"""`linker evaluate`: how good is a bundle on gold mentions?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from linker.bundles import DEFAULT
from linker.cli.shared import BundleOption
from linker.console import progress, stderr, stdout
from linker.corpus import read_corpus
from linker.evaluation import Accuracy, Report
from linker.evaluation import evaluate as score
from linker.pipeline import Linker


def evaluate(
    corpus: Annotated[Path, typer.Argument(help="Gold mentions as JSON lines, plain, .gz or .xz.")],
    bundle: BundleOption = DEFAULT,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures to FILE.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="Vocabulary of bare gold ids: MESH makes D009203 MESH:D009203.")] = "",
) -> None:
    """Score a bundle on gold mentions, beside the exact-match baseline.

    acc@k: a gold concept is among the first k, ties counted at their worst. recall@64: before reranking. seen: the
    surface form is a name in the bundle. Intervals: 95 % bootstrap over notes.
    """
    mentions = read_corpus(corpus, prefix=prefix)
    if misplaced := sum(mention.misplaced for mention in mentions):
        stderr.print(
            f"{misplaced:,} mentions are not what stands at their offsets; they are linked without their place."
        )
    linker = Linker.open(bundle)
    with progress("Linking", len(mentions), "mentions") as advance:
        report = score(linker, mentions, advance=advance)
    if json_file:
        json_file.write_text(json.dumps({"corpus": corpus.name, **report.to_dict()}, indent=2) + "\n")
    stdout().print(_table(corpus.name, report))
    nil = [
        f"{name} {value:.3f}"
        for name, value in (("precision", report.nil_precision), ("recall", report.nil_recall))
        if value is not None
    ]
    stdout().print(
        f"gold in the bundle {report.reachable:.3f}; calibration error {report.ece:.3f}; "
        f"answered at 95 % precision {report.coverage_at_95:.3f}; NIL {', '.join(nil) or 'none in gold or answers'}"
    )


def _table(corpus: str, report: Report) -> Table:
    columns = ("", "mentions", "acc@1", "95 % interval", "acc@5", "acc@20", "recall@64", "MRR")
    table = Table(*columns, title=corpus, title_justify="left", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    rows = {
        "linker": report.overall,
        "exact match": report.exact,
        "linker, seen": report.seen,
        "linker, unseen": report.unseen,
    }
    for name, accuracy in rows.items():
        if accuracy is not None:
            table.add_row(name, *_cells(accuracy))
    return table


def _cells(a: Accuracy) -> list[str]:
    low, high = a.interval
    shares = [f"{share:.4f}" for share in (a.acc_at_5, a.acc_at_20, a.recall_at_64, a.mrr)]
    return [f"{a.mentions:,}", f"{a.acc_at_1:.4f}", f"{low:.3f}-{high:.3f}", *shares]
