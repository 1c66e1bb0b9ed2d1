"""The steps that make models: a base that reads the language, two runs of the encoder, one of the cross-encoder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from linker.console import stderr
from linker.surface import normalise
from ontologies.build import build
from training.alignment import AlignmentOptions
from training.bases import card_from, load_base, save_model
from training.biencoder import BiencoderRecipe, train_biencoder
from training.card import FILE as CARD
from training.card import find_card
from training.crossencoder import RERANKER, CrossEncoderRecipe, ListSchedule, train_crossencoder
from training.crossencoder import Gold as ListGold
from training.crossencoder import Names as ListNames
from training.dev import DevOptions, Gold
from training.dictionary import Ontology, read_entries, read_source
from training.errors import TrainingError
from training.export import export
from training.extension import extend, is_wordpiece, unknown_share, vocabularies
from training.language.recipe import Work
from training.lists import Shape
from training.pairs import PairOptions
from training.recipes import Schedule
from training.runs import DONE, RECIPE, STATE, Run
from training.steps import Facts
from training.tracing import read_encoder, read_reranker
from training.vocabulary import read_texts
from training.weak.corpus import Way

_MAX_LENGTH = 24  # tokens of a name that training reads
_LONGEST = 128  # tokens of a text that an exported encoder reads
_EPOCHS = 2
_WARMUP = 0.06
_UNREADABLE = 0.5  # share of unknown tokens from which there is nothing to learn
_ALTERED = {"typo": 0.02, "word_order": 0.05}


def make_base(work: Work, out: Path) -> Facts:
    """Leave the base in given/ and, with the language's vocabulary, in extended/; a link where that stays as it is.

    Raises `TrainingError`: no such base, or one whose tokenizer has no tokens for most of the language.
    """
    recipe = work.recipe
    given, extended = out / "given", out / "extended"
    out.mkdir(parents=True)
    model = load_base(recipe.base)
    save_model(model, given, max_length=int(model.max_seq_length or 512))
    learned = read_entries([Ontology(path=str(work / "names" / "learn.tsv"))]).values()
    read = vocabularies(learned, (recipe.language,), work.pivot)
    plain = read_texts([Path(path) for path in recipe.texts])
    texts = read.texts + [form for line in plain if (form := normalise(line))]
    before = unknown_share(given, texts)
    told: Facts = {}
    if recipe.vocabulary and is_wordpiece(given):
        size = recipe.vocabulary
        told = asdict(extend(given, extended, texts, size=size, parallel=read.parallel, kept=read.kept))
    else:
        extended.symlink_to(given.name)
    (extended / CARD).write_text(json.dumps(asdict(card_from(recipe.base)), indent=2) + "\n", encoding="utf-8")
    after = unknown_share(extended, texts)
    _say(f"tokens of {recipe.language} that are unknown: {before:.1%} to the base, {after:.1%} now")
    if after > _UNREADABLE:
        raise TrainingError(
            f"{recipe.base}: {after:.0%} of the tokens of {recipe.language} are unknown to its tokenizer; "
            f"{'take another base' if recipe.vocabulary else 'raise --vocabulary'}"
        )
    return {**told, "unknown_to_base": before, "unknown": after}


def make_aligned(work: Work, out: Path) -> Facts:
    """A run that aligns; without a pivot, a link to the base."""
    recipe, base = work.recipe, work / "base" / "extended"
    if not work.pivot:
        _say(f"no concept has names in {recipe.language} and {recipe.pivot}: nothing to align")
        out.mkdir(exist_ok=True)
        (out / "best").symlink_to(base.resolve())
        return {}
    options = AlignmentOptions(pivot=recipe.pivot, languages=(recipe.language,))
    return _run(work, out, base, recipe.rows, alignment=options, teacher=recipe.teacher)


def make_tuned(work: Work, out: Path) -> Facts:
    """A run on pairs of names, and on the gold mentions of annotated notes."""
    recipe, notes = work.recipe, work / "names" / "learn-notes.jsonl"
    gold = (Gold(corpus=str(notes), prefix=recipe.prefix),) if notes.is_file() else ()
    pairs = PairOptions(per_concept=4, limit=recipe.pairs, augmentation=_ALTERED)
    return _run(work, out, work / "aligned" / "best", recipe.pairs, pairs=pairs, gold=gold)


def _run(work: Work, out: Path, base: Path, rows: int, **settings: Any) -> Facts:
    recipe = work.recipe
    made = BiencoderRecipe(
        base=str(base.resolve()),
        seed=recipe.seed,
        max_length=_MAX_LENGTH,
        source=(Ontology(path=str(work / "names" / "learn.tsv")),),
        dev=tuple(
            DevOptions(name=q.name, corpus=str(q.corpus), ontology=Ontology(path=str(q.names)), prefix=q.prefix)
            for q in work.questions("dev")
        ),
        merge_with_base="auto",
        licence=recipe.licence,
        schedule=Schedule(
            batch_size=recipe.batch_size,
            epochs=_EPOCHS,
            max_steps=max(1, rows // recipe.batch_size),
            learning_rate=recipe.learning_rate,
            warmup=_WARMUP,
            evaluate_every=recipe.evaluate_every,
        ),
        **settings,
    )
    _finish(out, lambda resume: train_biencoder(made, out, resume=resume))
    evaluations = Run(out).evaluations()
    return {"before": evaluations[0][1], "best": max(value for _, value in evaluations), "steps": evaluations[-1][0]}


def _finish(folder: Path, train: Callable[[bool], object]) -> None:
    """Start a run, go on with one that was cut short, or leave one that is done."""
    if not (folder / STATE).is_file() or Run(folder).state != DONE:
        train((folder / RECIPE).is_file())


def make_encoders(work: Work, out: Path) -> Facts:
    """Export the encoder of each stage."""
    out.mkdir(parents=True)
    return {name: export_encoder(work, folder, out / name, name=name) for name, folder in work.stages.items()}


def export_encoder(work: Work, folder: Path, out: Path, *, name: str) -> str:
    """Export the model in `folder` under the name of its stage; how near the export is to it, in words."""
    card = replace(find_card(folder), name=f"{work.recipe.language}-{name}", licence=work.recipe.licence)
    base = read_encoder(folder)
    longest = min(_LONGEST, base.longest)
    return str(export(base, out, card=card, precision=work.recipe.precision, max_length=longest))


def make_draft(work: Work, out: Path) -> Facts:
    """Build a bundle of each table of names, with the encoder and nothing else; learn has no name that is held out."""
    out.mkdir(parents=True)
    tables = {work / "names" / "learn.tsv", *(question.names for question in work.questions("dev"))}
    for table in sorted(tables):
        source = read_source(Ontology(path=str(table)))
        build([source], out / table.stem, encoder=work / "encoders" / "tuned", workers=work.workers)
    return {"bundles": len(tables)}


def make_reranker(work: Work, out: Path) -> Facts:
    """A run of the cross-encoder in run/, and its export in exported/."""
    recipe, draft, notes = work.recipe, work / "draft", work / "names" / "learn-notes.jsonl"
    learn = str(draft / "learn")
    gold = [ListGold(corpus=str(notes), bundle=learn, prefix=recipe.prefix)] if notes.is_file() else []
    for way in recipe.weak_by:
        weak = str(work / "weak" / f"{way}.jsonl")
        gold.append(ListGold(corpus=weak, bundle=learn, lists=recipe.lists, hide_names=way is Way.NAMES))
    made = CrossEncoderRecipe(
        base=str(work / "tuned"),
        seed=recipe.seed,
        max_length=64,
        prior=20.0,
        licence=recipe.licence,
        lists=Shape(candidates=12, none_share=0.05, certain_share=0.05),
        gold=tuple(gold),
        names=(ListNames(bundle=learn, lists=recipe.lists),),
        dev=tuple(
            ListGold(corpus=str(q.corpus), bundle=str(draft / q.names.stem), prefix=q.prefix)
            for q in work.questions("dev")
        ),
        schedule=ListSchedule(epochs=1, evaluate_every=recipe.evaluate_every, patience=0),
    )
    run = out / "run"
    _finish(run, lambda resume: train_crossencoder(made, run, resume=resume))
    settings = json.loads((run / "best" / RERANKER).read_bytes())
    card = replace(find_card(run / "best"), name=f"{recipe.language}-reranker", licence=recipe.licence)
    length = settings.pop("max_length")
    parity = export(
        read_reranker(run / "best"),
        work.reranker,
        card=card,
        precision=recipe.precision,
        max_length=length,
        settings=settings,
    )
    return {**settings, "export": str(parity)}


def _say(line: str) -> None:
    stderr.print(line, soft_wrap=True, markup=False)
