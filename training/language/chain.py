"""The steps of `linker train language`, in their order.

    names        names of the language and of its pivot, checked; concepts held out to choose and to judge by
    base         the base with the vocabulary of the language (`training.extension`)
    aligned      a run that draws the language's names to those of the pivot (`training.alignment`)
    tuned        a run on pairs of names and on gold mentions, as SapBERT does (`training.biencoder`)
    encoders     the export of each of these, so that each can be measured
    draft        bundles with the encoder, to mine from
    weak         mentions that nobody annotated, where the recipe asks for them (`training.weak`)
    reranker     a run of the cross-encoder on what the drafts propose (`training.crossencoder`), and its export
    calibration  what confidences mean, fitted on what was held out to choose by
    learning     what shares of the names and notes teach, where the recipe asks for it
    evaluation   report.md, curves.png, figures.json: what each stage adds, on what was held out to judge by
    bundle       both languages, both models, the calibration

A step that is done is not done again, and a killed run goes on (`training.steps`). `aligned`, `tuned` and
`reranker/run` are runs like any other, each with its recipe in it. The bundle holds names of the two languages and of
no other, and comes last: it claims no language that was not judged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from training.bases import check_base
from training.checkpoint import place_of, sha256
from training.language import judging, models, names, supervision
from training.language import learning as learning_curve
from training.language.recipe import LanguageRecipe, Work
from training.smoke import NAME as INVENTED
from training.steps import Facts, Step, run_steps


def train_language(
    recipe: LanguageRecipe, out: Path, *, only: Sequence[str] = (), workers: int = 1
) -> dict[str, Facts]:
    """Do the steps of `recipe` in `out`, or those named in `only`; what each said.

    Raises `InvalidInput` (see `training.language.parallel.collect` and `training.steps.run_steps`), and what reading
    ontologies, training, exporting and building raise.
    """
    if recipe.base != INVENTED:
        check_base(recipe.base)  # rather now than after the names
    return run_steps(out, steps_of(Work(recipe, out, workers)), only=only)


def steps_of(work: Work) -> list[Step]:
    """The steps of a run, each with what its result depends on."""
    recipe = work.recipe
    weak = ("weak",) if recipe.weak_by else ()
    learning = ("learning",) if recipe.learning_curve else ()
    pace = [recipe.seed, recipe.learning_rate, recipe.batch_size, recipe.evaluate_every, recipe.licence]
    steps = [
        Step(
            name="names",
            what=f"collecting names in {recipe.language} and {recipe.pivot}",
            make=partial(names.make_names, work),
            settings=[*_sources(recipe), recipe.language, recipe.pivot, recipe.prefix, recipe.held, recipe.seed],
        ),
        Step(
            name="base",
            what="giving the base the words of the language",
            make=partial(models.make_base, work),
            needs=("names",),
            settings=[_digest(place_of(recipe.base)), recipe.vocabulary, [_digest(path) for path in recipe.texts]],
        ),
        Step(
            name="aligned",
            what="drawing names to those of the pivot",
            make=partial(models.make_aligned, work),
            needs=("names", "base"),
            settings=[*pace, recipe.rows, recipe.teacher],
            resumable=True,
        ),
        Step(
            name="tuned",
            what="learning pairs of names",
            make=partial(models.make_tuned, work),
            needs=("names", "aligned"),
            settings=[*pace, recipe.pairs],
            resumable=True,
        ),
        Step(
            name="encoders",
            what="exporting the encoder of each stage",
            make=partial(models.make_encoders, work),
            needs=("tuned",),
            settings=recipe.precision,
        ),
        Step(
            name="draft",
            what="building bundles to mine from",
            make=partial(models.make_draft, work),
            needs=("names", "encoders"),
        ),
        Step(
            name="weak",
            what="finding mentions that nobody annotated",
            make=partial(supervision.make_weak, work),
            needs=("names", "draft"),
            settings=_unannotated(recipe),
        ),
        Step(
            name="reranker",
            what="training the cross-encoder",
            make=partial(models.make_reranker, work),
            needs=("tuned", "draft", *weak),
            settings=[*pace, recipe.lists, recipe.precision],
            resumable=True,
        ),
        Step(
            name="calibration",
            what="fitting confidences",
            make=partial(judging.make_calibration, work),
            needs=("draft", "reranker"),
        ),
        Step(
            name="learning",
            what="learning from shares of the names and notes",
            make=partial(learning_curve.make_learning, work),
            needs=("names", "base", "aligned", "encoders"),
            resumable=True,
        ),
        Step(
            name="evaluation",
            what="judging each stage",
            make=partial(judging.make_evaluation, work),
            needs=("encoders", "reranker", "calibration", *weak, *learning),
        ),
        Step(
            name="bundle",
            what="building the bundle",
            make=partial(judging.make_bundle, work),
            needs=("reranker", "calibration", "evaluation"),
        ),
    ]
    left_out = {"weak", "learning"} - {*weak, *learning}
    return [step for step in steps if step.name not in left_out]


def _unannotated(recipe: LanguageRecipe) -> list[object]:
    """What mentions that nobody annotated are made from."""
    texts, notes = ([_digest(path) for path in paths] for paths in (recipe.weak_texts, recipe.weak_notes))
    return [recipe.weak_by, texts, recipe.weak_precision, notes, recipe.translator, recipe.prefix, recipe.seed]


def _sources(recipe: LanguageRecipe) -> list[object]:
    """What names and mentions are read from."""
    ontologies = [[_digest(ontology.path), ontology.language, ontology.prefix] for ontology in recipe.ontologies]
    return [ontologies, [_digest(path) for path in recipe.corpora], [_digest(path) for path in recipe.tests]]


def _digest(place: str) -> str:
    """What says that something is as it was: of a file its content, of a folder the sizes and times of its files."""
    path = Path(place)
    if path.is_file():
        return sha256(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    told = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr((place, told)).encode()).hexdigest()
