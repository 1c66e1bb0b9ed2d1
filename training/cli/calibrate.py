"""`linker train calibrate`: confidences that mean what they say, fitted on gold mentions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from linker.console import progress, stderr, stdout
from linker.corpus import read_corpus
from linker.decision import FILE, Calibration
from linker.errors import InvalidInput
from linker.pipeline import Linker
from training.cli.extra import train_extra

if TYPE_CHECKING:
    from training.calibration import Observed
    from training.reliability import Reliability

METRICS = "metrics.json"
DIAGRAM = "reliability.png"
_SHOWN = 10


def calibrate(
    *,
    bundle: Annotated[
        list[Path], typer.Option(metavar="BUNDLE", help="What the --corpus at the same position is linked with.")
    ],
    corpus: Annotated[list[Path], typer.Option(metavar="FILE", help="Gold mentions; see `linker evaluate --help`.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help=f"Folder for {FILE}, {METRICS} and {DIAGRAM}; made where there is none.")
    ],
    into: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Also put the calibration into this bundle, in one step, or beside the exported encoder here.",
        ),
    ] = None,
    target_precision: Annotated[
        float | None,
        typer.Option(
            help="Share of answers that must be right; what is less sure becomes NIL. Without it, answers are those "
            "likelier right than wrong (confidence 0.5)."
        ),
    ] = None,
    prefix: Annotated[str, typer.Option(help="Vocabulary of bare gold ids: MESH makes D009203 MESH:D009203.")] = "",
) -> None:
    """Fit the confidence of a bundle on gold mentions, best on ones that no model was trained on.

    The gate goes with it: the cross-encoder does not read what retrieval alone is surer of than that, and no corpus
    loses acc@1 by it.

    Give --bundle and --corpus in pairs. Figures are cross-validated over notes. read: share that the cross-encoder
    reads. ECE: expected calibration error in 15 bins; by chance: what confidences that are exactly right would show;
    left out: fitted on the other corpora only. cover: share of mentions that can be answered at a precision. answered,
    precision, NIL: at the threshold.

      linker train calibrate --bundle my-bundle --corpus dev.jsonl --out calibration --into my-bundle
    """
    with train_extra("train"):
        import matplotlib as _drawing  # noqa: F401 - the diagram comes last, and is to be missed first

        from training.calibration import THRESHOLD, fit
        from training.judgement import cross_validated, left_out, threshold_for
        from training.placing import check_place, place, write_files
        from training.reliability import POOLED, diagram, pooled, reliability

    if len(bundle) != len(corpus):
        raise InvalidInput(f"expected as many as --corpus, got {len(bundle)} and {len(corpus)}", field="--bundle")
    if target_precision is not None and not 0 < target_precision <= 1:
        raise InvalidInput(f"expected more than 0 and at most 1, got {target_precision}", field="--target-precision")
    linkers = [Linker.open(path) for path in bundle]
    _check_same_models(linkers, bundle)
    for target in into or ():
        check_place(target, linkers[0].bundle)
    observed = [_observe(*pair, prefix) for pair in zip(linkers, corpus, _names(corpus), strict=True)]
    judged = cross_validated(observed)
    threshold = THRESHOLD if target_precision is None else threshold_for(judged, target_precision)
    others = left_out(observed)
    mentions = sum(int((~one.imitated).sum()) for one in observed)
    names = ", ".join(one.name for one in observed)
    calibration = fit(observed, fitted_on=f"{names}: {mentions:,} mentions", threshold=threshold)

    corpora = dict(zip(_names(corpus), judged, strict=True))
    if len(judged) > 1:
        corpora[POOLED] = pooled(judged)
    figures = [reliability(name, one, threshold=threshold) for name, one in corpora.items()]
    unseen = [reliability(name, one, threshold=threshold) for name, one in zip(corpora, others, strict=False)]
    metrics = _metrics(calibration, observed, figures, unseen)
    write_files(out, {FILE: calibration.to_json(), METRICS: metrics, DIAGRAM: diagram(figures)})
    for target in into or ():
        place(calibration, target)
    stdout().print(_table(figures, unseen))
    for one in observed:
        _tell_missing(one)
    told = ", ".join(str(path) for path in (out / FILE, *(into or ())))
    gate = "" if calibration.reranked is None else f", gate {calibration.gate:.3f}"
    stderr.print(f"{told}: threshold {threshold:.3f}{gate}, fitted on {calibration.fitted_on}", soft_wrap=True)


def _names(corpora: Sequence[Path]) -> list[str]:
    """`folder file` of each, numbered where two are alike."""
    names = [f"{path.absolute().parent.name} {path.name.split('.')[0]}" for path in corpora]
    return [name if names.count(name) == 1 else f"{name} {place}" for place, name in enumerate(names, start=1)]


def _check_same_models(linkers: Sequence[Linker], paths: Sequence[Path]) -> None:
    """A confidence belongs to the models that made the scores."""
    for kind in ("encoder", "reranker"):
        digests = [entry.digest for one in linkers if (entry := getattr(one.bundle.manifest, kind)) is not None]
        if len(set(digests)) > 1:
            message = f"these bundles have different {kind}s, and a calibration fits one: {', '.join(map(str, paths))}"
            raise InvalidInput(message, field="--bundle")


def _observe(linker: Linker, corpus: Path, name: str, prefix: str) -> Observed:
    from training.calibration import observe

    mentions = read_corpus(corpus, prefix=prefix)
    rounds = 1 if linker.bundle.reranker is None else 2
    total = rounds * sum(len(mention.parts) for mention in mentions)
    with progress(f"Linking {name}", total, "mentions") as advance:
        return observe(linker, mentions, name=name, advance=advance)


def _metrics(
    calibration: Calibration,
    observed: Sequence[Observed],
    figures: Sequence[Reliability],
    unseen: Sequence[Reliability],
) -> bytes:
    value = {
        "calibration": json.loads(calibration.to_json()),
        "cross_validated": {one.corpus: asdict(one) for one in figures},
        "corpus_left_out": {one.corpus: asdict(one) for one in unseen},
        "gold_not_in_the_bundle": {one.name: one.missing for one in observed},
    }
    return (json.dumps(value, indent=2) + "\n").encode()


def _table(figures: Sequence[Reliability], unseen: Sequence[Reliability]) -> Table:
    columns = ("", "mentions", "read", "ECE", "by chance", "left out", "cover 0.90", "0.95", "0.99")
    table = Table(*columns, "answered", "precision", "NIL precision", "recall", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    left = {one.corpus: f"{one.ece:.3f}" for one in unseen}
    for one in figures:
        shares = [f"{share:.3f}" for share in one.coverage_at.values()]
        rest = [
            "-" if value is None else f"{value:.3f}" for value in (one.precision, one.nil_precision, one.nil_recall)
        ]
        firsts = [f"{one.read:.3f}", f"{one.ece:.3f}", f"{one.ece_by_chance:.3f}", left.get(one.corpus, "-")]
        table.add_row(one.corpus, f"{one.mentions:,}", *firsts, *shares, f"{one.answered:.3f}", *rest)
    return table


def _tell_missing(one: Observed) -> None:
    if one.missing:
        shown = ", ".join(list(one.missing)[:_SHOWN]) + (", ..." if len(one.missing) > _SHOWN else "")
        stderr.print(
            f"{one.name}: {sum(one.missing.values()):,} mentions have gold that the bundle lacks, so NIL is right: "
            f"{len(one.missing):,} ids, {shown}",
            soft_wrap=True,
        )
