"""`linker train weak`: gold mentions without a person, out of plain text or of notes in another language."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from linker.bundles import DEFAULT, bundle_path
from linker.cli.shared import BundleOption
from linker.console import stdout
from linker.corpus import read_notes
from linker.detection.tagger import OnnxTagger
from linker.errors import InvalidInput
from linker.pipeline import Linker
from training.cli.extra import train_extra
from training.weak.corpus import Supervision, Way


def weak(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Gold mentions as JSON lines.")],
    by: Annotated[Way, typer.Option(help="How mentions are come by, see above.")],
    lang: Annotated[str, typer.Option(metavar="TAG", help="Language of what comes out, BCP-47.")],
    text: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="names, confident: plain text in the language, lines, .gz or .xz too."),
    ] = None,
    bundle: BundleOption = DEFAULT,
    precision: Annotated[
        float, typer.Option(metavar="P", help="confident: expected of the links, by what their confidences say.")
    ] = 0.9,
    detector: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="confident: a detector of your own, as `linker export` wrote it."),
    ] = None,
    corpus: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="projection: annotated notes in another language, as `linker evaluate`."),
    ] = None,
    prefix: Annotated[str, typer.Option(help="projection: vocabulary of bare gold ids of --corpus.")] = "",
    translate: Annotated[
        str,
        typer.Option(
            metavar="MODULE:FUNCTION",
            help="projection: takes a list of strings and returns as many, or pairs of a string and its word "
            "alignment, '0-0 1-2'.",
        ),
    ] = "",
    seed: Annotated[int, typer.Option(help="Which of many alike mentions are kept.")] = 0,
) -> None:
    """Make gold mentions without annotating: less sure than a person's, and more of them.

    By names, those of a bundle that stand in plain text and can mean one concept only:

      linker train weak --by names --lang es --bundle es-bundle --text notes.txt --out names.jsonl

    By projection, annotated notes in another language, translated by a function of yours:

      linker train weak --by projection --lang es --corpus ncbi.jsonl --translate my_translator:translate --out p.jsonl

    By confidence, what a calibrated bundle links surely, and is no name of it:

      linker train weak --by confident --lang es --bundle es-bundle --text notes.txt --out confident.jsonl

    Each is a `gold` of `linker train crossencoder`, the first with hide_names = true. FILE holds the text. Measure what
    it is worth before you rely on it, on notes that a person annotated: docs/languages.md.
    """
    with train_extra("train"):
        from training.weak.confident import ByConfidence
        from training.weak.names import ByNames
        from training.weak.projection import ByProjection
        from training.weak.texts import read_plain
        from training.weak.translator import load_translator

    supervision: Supervision
    if by is Way.PROJECTION:
        if not corpus or not translate:
            raise InvalidInput("expected both by projection", field="--corpus, --translate")
        notes = [note for path in corpus for note in read_notes(path, prefix=prefix)]
        supervision = ByProjection(notes, load_translator(translate), translator=translate, language=lang, seed=seed)
    else:
        if not text:
            raise InvalidInput(f"expected plain text by {by}", field="--text")
        lines, linker = read_plain(text, lang), Linker.open(bundle_path(bundle))
        if by is Way.NAMES:
            supervision = ByNames(linker.bundle, lines, language=lang, seed=seed)
        else:
            tagger = OnnxTagger(detector, workers=os.cpu_count() or 1) if detector else None
            supervision = ByConfidence(linker, lines, precision=precision, tagger=tagger, seed=seed)
    made = supervision.corpus()
    made.write(out)
    stdout().print(f"{out}: {made}", soft_wrap=True, markup=False)
