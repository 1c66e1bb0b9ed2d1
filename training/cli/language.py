"""`linker train language`: a bundle for a new language, in one command."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from linker.console import stdout
from linker.errors import InvalidInput
from training.cli.extra import train_extra
from training.weak.corpus import Way

_BASE = "starter"


def language(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="RUN", help="Folder of the run; new, or one to go on with.")
    ],
    lang: Annotated[
        str, typer.Option(metavar="TAG", help="The new language, BCP-47: es takes names in es-MX, too.")
    ] = "",
    ontology: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH", help="What `linker build` reads, with names in the language and in --pivot; several add up."
        ),
    ] = None,
    base: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="Sentence encoder to start from: a folder, a run, a bundle, a hub model; starter is what is shipped.",
        ),
    ] = _BASE,
    pivot: Annotated[str, typer.Option(metavar="TAG", help="The language that the base knows.")] = "en",
    corpus: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Annotated notes, as for `linker evaluate`: three fifths to learn from, one to choose by, one to "
            "judge by; with --test, four and one.",
        ),
    ] = None,
    test: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Annotated notes to judge by, and for nothing else.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="Vocabulary of bare gold ids: MESH makes D009203 MESH:D009203.")] = "",
    text: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Plain text in the language, for its vocabulary: lines, .gz or .xz too."),
    ] = None,
    teacher: Annotated[
        str,
        typer.Option(metavar="MODEL", help="Sentence encoder to imitate: module:attribute with encode, or as --base."),
    ] = "",
    weak: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="TEXT", help="Plain text in the language, to find mentions in that nobody annotated; see --weak-by."
        ),
    ] = None,
    weak_by: Annotated[
        list[Way] | None,
        typer.Option(help="How, as `linker train weak --help` has it; several add up. With --weak alone: names."),
    ] = None,
    weak_corpus: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Annotated notes in another language, for --weak-by projection."),
    ] = None,
    translate: Annotated[
        str, typer.Option(metavar="MODULE:FUNCTION", help="What translates them, as for `linker train weak`.")
    ] = "",
    untagged: Annotated[
        str, typer.Option(metavar="TAG", help="Language of names whose source does not say; --pivot without it.")
    ] = "",
    vocabulary: Annotated[int, typer.Option(min=0, help="New tokens, at most; 0 leaves the base's vocabulary.")] = 8000,
    scale: Annotated[
        float, typer.Option(min=0.001, max=10.0, help="How much is learned from, as a share of the full size.")
    ] = 1.0,
    learning_curve: Annotated[
        bool,
        typer.Option(
            "--learning-curve", help="Also train on an eighth, a quarter and a half of the names, and of the notes."
        ),
    ] = False,
    licence: Annotated[str, typer.Option(help="Of the models that come out, for their cards.")] = "unknown",
    step: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this step; several may be given. See below.")
    ] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="All of it in minutes, on an invented ontology and base: does it work here?")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Threads that encode names.")] = os.cpu_count() or 1,
) -> None:
    """Train an encoder and a cross-encoder for a language, and build a calibrated bundle, with a report.

    An example, with the files of docs/languages.md:

      linker train language --lang es --ontology hp.obo --ontology hp-es.babelon.tsv --out runs/es

    The steps, in their order: names, base, aligned, tuned, encoders, draft, weak (with --weak-by), reranker,
    calibration, learning (with --learning-curve), evaluation, bundle.
    What is done is not done again: give the same command after a kill, or with other options to redo what they change.
    RUN/evaluation/report.md says what each step added, on concepts of which no name was learned; RUN/bundle is the
    bundle, RUN/encoders/tuned and RUN/reranker/exported are its models.
    """
    with train_extra("train"):
        from training.language.chain import train_language
    from training.dictionary import Ontology
    from training.language.recipe import FULL, SMOKE, LanguageRecipe

    ways = tuple(dict.fromkeys(weak_by or ([Way.NAMES] if weak else [])))
    _check_weak(ways, weak or [], weak_corpus or [], translate)
    more: dict[str, Any] = {
        "weak_by": ways,
        "weak_texts": tuple(map(str, weak or ())),
        "weak_notes": tuple(map(str, weak_corpus or ())),
        "translator": translate,
        "learning_curve": learning_curve,
    }
    if smoke:
        recipe = SMOKE.model_copy(update=more)
    elif not lang or not ontology:
        raise InvalidInput("expected both, or --smoke; see `linker train language --help`", field="--lang, --ontology")
    else:
        recipe = LanguageRecipe(
            language=lang,
            pivot=pivot,
            ontologies=tuple(Ontology(path=path, language=untagged or pivot) for path in ontology),
            base=base,
            texts=tuple(map(str, text or ())),
            corpora=tuple(map(str, corpus or ())),
            tests=tuple(map(str, test or ())),
            prefix=prefix,
            teacher=teacher or None,
            vocabulary=vocabulary,
            licence=licence,
            **more,
            **{amount: max(1, round(scale * full)) for amount, full in FULL.items()},
        )
    facts = train_language(recipe, out, only=step or (), workers=workers)
    console = stdout()
    for judged, values in facts.get("evaluation", {}).items():
        told = "  ".join(f"@{k} {value:.3f}" for k, value in values.items())  # type: ignore[attr-defined]
        console.print(f"{judged}: {told}", soft_wrap=True)
    if "bundle" in facts:
        console.print(
            f"The bundle is {out / 'bundle'}. Next: linker link --bundle {out / 'bundle'} ...", soft_wrap=True
        )


def _check_weak(ways: Sequence[Way], texts: Sequence[Path], notes: Sequence[Path], translate: str) -> None:
    """Raise `InvalidInput` where a way of finding mentions lacks what it finds them in."""
    if {Way.NAMES, Way.CONFIDENT} & set(ways) and not texts:
        raise InvalidInput("expected plain text for --weak-by names and confident", field="--weak")
    if Way.PROJECTION in ways and not (notes and translate):
        raise InvalidInput("expected both for --weak-by projection", field="--weak-corpus, --translate")
