"""The last steps: what confidences mean, what each stage is worth, and the bundle."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from linker.console import stderr
from linker.corpus import read_corpus
from linker.pipeline import Linker
from linker.report import Section
from ontologies.build import build
from ontologies.records import Name, Source
from training.calibration import fit, observe
from training.card import data_of
from training.checkpoint import find_model
from training.dictionary import Ontology, read_source
from training.language.learning import PICTURE, read_points
from training.language.learning import section as learning_section
from training.language.recipe import Work
from training.language.stages import REPORT, SHOWN, Stage, ask, write_report
from training.language.supervision import weak_section
from training.pairs import speaks
from training.placing import place
from training.smoke import NAME as INVENTED
from training.steps import Facts


def make_calibration(work: Work, out: Path) -> Facts:
    """Fit confidences on what was held out to choose by, and leave the encoder with them in encoder/."""
    shutil.copytree(work / "encoders" / "tuned", work.encoder)
    observed = []
    for question in work.questions("dev"):
        bundle = out / "bundles" / question.names.stem
        if not bundle.is_dir():
            bundle.parent.mkdir(exist_ok=True)
            source = read_source(Ontology(path=str(question.names)))
            draft = work / "draft" / question.names.stem
            build([source], bundle, encoder=work.encoder, reranker=work.reranker, update=draft)
        gold = read_corpus(question.corpus, prefix=question.prefix)
        observed.append(observe(Linker.open(bundle), gold, name=question.name))
    calibration = fit(observed, fitted_on=", ".join(one.name for one in observed))
    place(calibration, work.encoder)
    shutil.rmtree(out / "bundles")
    return {"threshold": calibration.threshold, "gate": calibration.gate, "fitted_on": calibration.fitted_on}


def make_evaluation(work: Work, out: Path) -> Facts:
    """Put every question to every stage, and write what came of it."""
    stages = [Stage(name, work / "encoders" / name) for name in work.stages]
    stages.append(Stage("with cross-encoder", work.encoder, work.reranker))
    curves = [
        curve
        for question in work.questions("test")
        for curve in ask(question, stages, out / "bundles", workers=work.workers)
    ]
    sections, pictures = [_sources(work), _base(work)], []
    if work.recipe.weak_by:
        sections.append(weak_section(work))
    if work.recipe.learning_curve:
        sections.append(learning_section(read_points(work / "learning")))
        pictures.append(work / "learning" / PICTURE)
    title = f"{work.recipe.language}: what each stage adds"
    write_report(out, curves, title=title, sections=sections, pictures=pictures)
    shutil.rmtree(out / "bundles")
    stderr.print(f"{out / REPORT}: what each stage adds", soft_wrap=True)
    return {f"{curve.question}, {curve.stage}": {str(k): curve.at[k - 1] for k in SHOWN} for curve in curves}


def _sources(work: Work) -> Section:
    releases = [release for ontology in work.recipe.ontologies for release in read_source(ontology).releases]
    return Section(
        title="Learned from",
        columns=("ontology", "version", "licence"),
        rows=tuple((r.source, r.version or r.date or "-", r.licence or "states none") for r in releases),
        prose=True,
    )


def _base(work: Work) -> Section:
    base = work.recipe.base
    learned = () if base == INVENTED else data_of(find_model(base))
    return Section(
        title="The base learned from",
        columns=("data", "licence"),
        rows=tuple((data.name, data.licence) for data in learned) or (("not stated", "-"),),
        note=f"What is held out was held out from what was trained here, and not from {base}: where it learned names "
        "of the same ontologies, in this language, all figures flatter it and what was made from it",
        prose=True,
    )


def make_bundle(work: Work, out: Path) -> Facts:
    """Build the bundle out of the ontologies themselves, with what they say beside names."""
    tags = (work.recipe.language, work.pivot or work.recipe.language)
    sources = [_speaking(read_source(ontology), tags) for ontology in work.recipe.ontologies]
    built = build(sources, out, encoder=work.encoder, reranker=work.reranker, workers=work.workers)
    return {"concepts": built.concepts, "names": built.names, "size": built.size}


def _speaking(source: Source, tags: Sequence[str]) -> Source:
    """The source without names in other languages: what was not judged is not in the bundle."""
    records = (r for r in source.records if not isinstance(r, Name) or speaks(r.language, tags))
    return replace(source, records=records)
