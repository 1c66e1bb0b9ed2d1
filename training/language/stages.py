"""What each stage of a model adds: the same questions put to each, as curves over the first k and a report.

A question is a corpus with the names that its mentions are linked to; a stage is an encoder, perhaps with a reranker.
acc@k is that of `linker evaluate`, ties at their worst. Beside the stages stands what needs no model: the only concept
that bears the mention as its name.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linker.console import progress
from linker.corpus import read_corpus
from linker.evaluation import bootstrap_interval
from linker.outcomes import Outcome, judge
from linker.pipeline import Linker
from linker.records import RerankMode
from linker.report import Section, markdown
from ontologies.build import build
from training.dictionary import Ontology, read_source

DEPTH = 200
SHOWN = (1, 5, 25, DEPTH)
EXACT = "exact match"
REPORT = "report.md"
CURVES = "curves.png"
FIGURES = "figures.json"


@dataclass(frozen=True, slots=True)
class Stage:
    """Exported models. reranker: None for retrieval alone."""

    name: str
    encoder: Path
    reranker: Path | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A corpus and the table of names that it is linked to. name: of its figures. prefix: of bare gold ids."""

    name: str
    corpus: Path
    names: Path
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """How one stage answers one question.

    at: acc@k for k from 1 to DEPTH. interval: 95 % of the bootstrap's acc@1 over notes. unseen: acc@k, for the k of
    SHOWN, of mentions that are no name as they stand; None where every mention is one.
    """

    question: str
    stage: str
    mentions: int
    at: tuple[float, ...]
    interval: tuple[float, float]
    unseen: Mapping[int, float] | None


def ask(question: Question, stages: Sequence[Stage], folder: Path, *, workers: int = 1) -> list[Curve]:
    """The curves of the exact baseline and of every stage; bundles are built in `folder`, each once."""
    gold = read_corpus(question.corpus, prefix=question.prefix)
    curves: list[Curve] = []
    for stage in stages:
        linker = Linker.open(_bundle(question, stage, folder, workers))
        rerank = RerankMode.AUTO if stage.reranker else RerankMode.NEVER
        with progress(f"{question.name}: {stage.name}", len(gold), "mentions") as advance:
            outcomes = judge(linker, gold, rerank=rerank, depth=DEPTH, advance=advance)
        named = [outcome for outcome in outcomes if outcome.gold]
        if not curves:
            curves.append(_curve(question, EXACT, named, np.array([outcome.exact_rank for outcome in named])))
        curves.append(_curve(question, stage.name, named, np.array([outcome.rank for outcome in named])))
    return curves


def _bundle(question: Question, stage: Stage, folder: Path, workers: int) -> Path:
    path = folder / f"{question.names.stem} {stage.name}"
    if not path.is_dir():
        source = read_source(Ontology(path=str(question.names)))
        build([source], path, encoder=stage.encoder, reranker=stage.reranker, workers=workers)
    return path


def _curve(question: Question, stage: str, outcomes: Sequence[Outcome], ranks: NDArray[np.float64]) -> Curve:
    unseen = np.array([not outcome.seen for outcome in outcomes])
    return Curve(
        question=question.name,
        stage=stage,
        mentions=len(ranks),
        at=tuple(float(np.mean(ranks <= k)) for k in range(1, DEPTH + 1)),
        interval=bootstrap_interval(ranks <= 1, np.array([outcome.note_id for outcome in outcomes])),
        unseen={k: float(np.mean(ranks[unseen] <= k)) for k in SHOWN} if unseen.any() else None,
    )


def write_report(
    folder: Path,
    curves: Sequence[Curve],
    *,
    title: str,
    sections: Sequence[Section] = (),
    pictures: Sequence[Path] = (),
) -> None:
    """Write figures.json, curves.png and report.md, with `sections` first; `pictures` are copied beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FIGURES).write_text(json.dumps([asdict(curve) for curve in curves], indent=1) + "\n", encoding="utf-8")
    _draw(folder / CURVES, curves)
    tables = [_table(question, curves) for question in _questions(curves)]
    for picture in pictures:
        shutil.copyfile(picture, folder / picture.name)
    shown = "".join(f"\n![]({name})\n" for name in (CURVES, *(picture.name for picture in pictures)))
    (folder / REPORT).write_text(f"{markdown(title, [*sections, *tables])}{shown}", encoding="utf-8")


def _questions(curves: Sequence[Curve]) -> list[str]:
    return list(dict.fromkeys(curve.question for curve in curves))


def _table(question: str, curves: Sequence[Curve]) -> Section:
    own = [curve for curve in curves if curve.question == question]
    rows = []
    for curve in own:
        low, high = curve.interval
        rest = [f"{curve.unseen[k]:.3f}" for k in SHOWN] if curve.unseen else ["-"] * len(SHOWN)
        first, *others = [f"{curve.at[k - 1]:.3f}" for k in SHOWN]
        rows.append((curve.stage, first, f"{low:.3f}-{high:.3f}", *others, *rest))
    return Section(
        title=question,
        columns=("", "acc@1", "95 %", *(f"@{k}" for k in SHOWN[1:]), *(f"unseen @{k}" for k in SHOWN)),
        rows=tuple(rows),
        note=f"{own[0].mentions:,} mentions; unseen: those that are no name of the dictionary as they stand.",
    )


def _draw(path: Path, curves: Sequence[Curve]) -> None:
    """A plot for each question, acc@k over k."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    questions = _questions(curves)
    figure = Figure(figsize=(5 * len(questions), 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    for place, question in enumerate(questions, start=1):
        plot = figure.add_subplot(1, len(questions), place, title=question, xlabel="k", xscale="log", ylim=(0, 1))
        for curve in curves:
            if curve.question == question:
                plot.plot(range(1, DEPTH + 1), curve.at, label=curve.stage)
        plot.grid(alpha=0.3)
        plot.legend(loc="lower right", frameon=False)
    figure.savefig(path, format="png", dpi=120)
