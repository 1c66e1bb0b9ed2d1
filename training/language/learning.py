"""The step `learning`: what an eighth, a quarter, a half of the names teach, and of the annotated notes.

Each share is of the one after it. The vocabulary stays that of the whole, and so do settings: less is then learned in
fewer steps, as by someone who has no more. Judged is the encoder, retrieval only, by the questions of the evaluation.
Every share is trained once; differences as small as the evaluation's intervals are chance.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

from linker.report import Section
from training.dictionary import Entry, Ontology, read_entries
from training.language.models import export_encoder, make_aligned, make_tuned
from training.language.parallel import write_names
from training.language.recipe import Work
from training.language.stages import Stage, ask
from training.pairs import speaks
from training.steps import Facts

FIGURES = "learning.json"
PICTURE = "learning.png"
SHARES = {"1of8": 1 / 8, "1of4": 1 / 4, "1of2": 1 / 2, "all": 1.0}
SHOWN = (1, 5, 25)
NAMES, NOTES = "names", "notes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What was learned from so many names of the language, or so many notes and all names. at: acc@k by k."""

    of: str
    count: int
    question: str
    mentions: int
    at: Mapping[int, float]


def make_learning(work: Work, out: Path) -> Facts:
    """Train on each share, and write learning.json and learning.png."""
    points: list[Point] = []
    for of in (NAMES, NOTES) if (work / "names" / "learn-notes.jsonl").is_file() else (NAMES,):
        for label, share in SHARES.items():
            points += _points(work, out, of, label, share)
    figures = [asdict(point) for point in points]
    (out / FIGURES).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    _draw(out / PICTURE, points)
    shutil.rmtree(out / "bundles")
    return {"points": figures}


def read_points(folder: Path) -> list[Point]:
    """What `make_learning` left in its folder."""
    rows = json.loads((folder / FIGURES).read_bytes())
    return [Point(**{**row, "at": {int(k): value for k, value in row["at"].items()}}) for row in rows]


def section(points: Sequence[Point]) -> Section:
    """The table of a report."""
    rows = [
        (f"{p.question}: {p.count:,} {p.of}", *(f"{p.at[k]:.3f}" for k in SHOWN), f"{p.mentions:,}") for p in points
    ]
    return Section(
        title="Learning curve",
        columns=("learned from", *(f"acc@{k}" for k in SHOWN), "mentions"),
        rows=tuple(rows),
        note="The encoder alone, trained on shares of the names of the language, and of the annotated notes.",
    )


def _points(work: Work, out: Path, of: str, label: str, share: float) -> Iterator[Point]:
    own = replace(work, run=out / f"{of} {label}")
    counts = {NAMES: _share_names, NOTES: _share_notes}
    count = counts[of](work, own, share)
    encoder = _trained(work, own, of) if share < 1 else work / "encoders" / "tuned"
    stage = Stage(label, encoder)
    for question in work.questions("test"):
        curve = ask(question, [stage], out / "bundles" / own.run.name, workers=work.workers)[-1]
        at = {k: curve.at[k - 1] for k in SHOWN}
        yield Point(of=of, count=count, question=question.name, mentions=curve.mentions, at=at)


def _share_names(work: Work, own: Work, share: float) -> int:
    """Give `own` the names of the pivot and a share of the language's; how many those are."""
    language, pivot = work.recipe.language, work.pivot
    entries = read_entries([Ontology(path=str(work / "names" / "learn.tsv"))])
    left = _thinned(entries, language, share, seed=work.recipe.seed)
    _link(work, own, but="learn.tsv")
    write_names(own / "names" / "learn.tsv", left, tuple(filter(None, (language, pivot))))
    return sum(speaks(name.language, (language,)) for entry in left for name in entry.names)


def _thinned(entries: Mapping[str, Entry], language: str, share: float, *, seed: int) -> list[Entry]:
    """The entries, with names in the language for a share of the concepts that have some; a larger one has them too."""
    named = [i for i, entry in entries.items() if any(speaks(name.language, (language,)) for name in entry.names)]
    Random(seed).shuffle(named)  # noqa: S311 - no secret
    kept = set(named[: round(share * len(named))])
    left = [
        replace(entry, names=[name for name in entry.names if i in kept or not speaks(name.language, (language,))])
        for i, entry in entries.items()
    ]
    return [entry for entry in left if entry.names]


def _share_notes(work: Work, own: Work, share: float) -> int:
    """Give `own` all names and a share of the notes; how many those are."""
    lines = (work / "names" / "learn-notes.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    left = lines[: round(share * len(lines))]  # they were shuffled when they were split
    _link(work, own, but="learn-notes.jsonl")
    (own / "names" / "learn-notes.jsonl").write_text("".join(left), encoding="utf-8")
    return len(left)


def _link(work: Work, own: Work, *, but: str) -> None:
    """Let `own` have the base and everything in names/ `but` one file."""
    (own / "names").mkdir(parents=True, exist_ok=True)
    places = {own / "names" / path.name: path for path in (work / "names").iterdir() if path.name != but}
    for place, path in {own / "base": work / "base", **places}.items():
        place.unlink(missing_ok=True)
        place.symlink_to(path.resolve())


def _trained(work: Work, own: Work, of: str) -> Path:
    """The encoder trained on what `own` has."""
    if of == NAMES:
        make_aligned(own, own / "aligned")
    elif not (own / "aligned").exists():
        (own / "aligned").symlink_to((work / "aligned").resolve())
    make_tuned(own, own / "tuned")
    encoder = own / "encoder"
    if not encoder.is_dir():
        export_encoder(own, own.stages.get("tuned", own / "tuned" / "best"), encoder, name="tuned")
    return encoder


def _draw(path: Path, points: Sequence[Point]) -> None:
    """A plot for each question, of names in the first row and of notes in the second; acc@k over their number."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, columns = (list(dict.fromkeys(getattr(point, name) for point in points)) for name in ("of", "question"))
    figure = Figure(figsize=(5 * len(columns), 4.5 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    plots = figure.subplots(len(rows), len(columns), squeeze=False)
    for point_of, line in zip(rows, plots, strict=True):
        for question, plot in zip(columns, line, strict=True):
            own = [point for point in points if (point.of, point.question) == (point_of, question)]
            for k in SHOWN:
                plot.plot([p.count for p in own], [p.at[k] for p in own], marker="o", label=f"acc@{k}")
            plot.set(title=question, xlabel=f"{point_of} learned from", ylim=(0, 1))
            plot.set_xscale("log", base=2)
            plot.set_xticks([p.count for p in own], [f"{p.count:,}" for p in own], minor=False)
            plot.grid(alpha=0.3)
            plot.legend(loc="lower right", frameon=False)
    figure.savefig(path, format="png", dpi=120)
