"""The step `weak`: mentions for the cross-encoder that nobody annotated (`training.weak`)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from linker.console import stderr
from linker.corpus import read_corpus, read_notes
from linker.pipeline import Linker
from linker.report import Section
from training.calibration import fit, observe
from training.language.recipe import Work
from training.steps import Facts
from training.weak.confident import ByConfidence
from training.weak.corpus import Supervision, Way
from training.weak.names import ByNames
from training.weak.projection import ByProjection
from training.weak.texts import read_plain
from training.weak.translator import load_translator

FIGURES = "weak.json"


def make_weak(work: Work, out: Path) -> Facts:
    """Write WAY.jsonl for each way that the recipe asks for.

    Raises `InvalidInput` and `TrainingError`, see `training.weak`.
    """
    facts = {}
    for way in work.recipe.weak_by:
        made = _supervision(work, way).corpus()
        made.write(out / f"{way}.jsonl")
        stderr.print(f"{way}: {made}", soft_wrap=True, markup=False)
        facts[str(way)] = made.figures()
    (out / FIGURES).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts


def _supervision(work: Work, way: Way) -> Supervision:
    recipe = work.recipe
    language, seed = recipe.language, recipe.seed
    if way is Way.PROJECTION:
        notes = [note for path in recipe.weak_notes for note in read_notes(Path(path), prefix=recipe.prefix)]
        translate = load_translator(recipe.translator)
        return ByProjection(notes, translate, translator=recipe.translator, language=language, seed=seed)
    texts = read_plain([Path(path) for path in recipe.weak_texts], language)
    linker = Linker.open(work / "draft" / "learn", workers=work.workers)
    if way is Way.NAMES:
        return ByNames(linker.bundle, texts, language=language, seed=seed)
    return ByConfidence(_calibrated(work, linker), texts, precision=recipe.weak_precision, seed=seed)


def _calibrated(work: Work, linker: Linker) -> Linker:
    """The linker with confidences fitted on what was held out to choose by, as at the end, but without a reranker."""
    observed = []
    for question in work.questions("dev"):
        gold = read_corpus(question.corpus, prefix=question.prefix)
        observed.append(observe(Linker.open(work / "draft" / question.names.stem), gold, name=question.name))
    names = ", ".join(one.name for one in observed)
    return Linker(replace(linker.bundle, calibration=fit(observed, fitted_on=names)))


def weak_section(work: Work) -> Section:
    """What the step made, for the report."""
    rows = []
    for way, figures in json.loads((work / "weak" / FIGURES).read_bytes()).items():
        left_out = figures["left_out"]
        told = "; ".join(f"{count:,} {why}" for why, count in left_out.items()) or "none"
        rows.append((way, *(f"{figures[what]:,}" for what in ("mentions", "concepts", "notes")), told))
    return Section(
        title="Mentions that nobody annotated",
        columns=("by", "mentions", "concepts", "notes", "left out"),
        rows=tuple(rows),
        note="The cross-encoder learns from them; no question has any.",
        prose=True,
    )
