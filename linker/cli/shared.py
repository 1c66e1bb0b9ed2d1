"""What several commands share: options, with one wording, and a bundle's terminology alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from linker.bundles import bundle_path
from linker.detection.choice import Detect
from linker.detection.tagger import OnnxTagger, Tagger
from linker.errors import InvalidInput
from linker.language import EXPECTED, is_tag
from linker.manifest import read_manifest, verify
from linker.records import Code
from linker.terminology import Terminology

BundleOption = Annotated[
    str,
    typer.Option(
        "--bundle",
        "-b",
        envvar="LINKER_BUNDLE",
        help="A directory made by `linker build`, or `starter` (SNOMED CT GPS and MONDO, built on first use).",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
TypesOption = Annotated[
    list[str] | None, typer.Option("--type", help="Only concepts of this semantic type. May be given again.")
]
VocabularyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--vocabulary",
        help="Only concepts of, or with a code in, this vocabulary (SNOMEDCT, MESH). May be given again.",
    ),
]
LanguageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--language",
        help="Search only names in this language (BCP-47), and show preferred names in it. May be given again.",
    ),
]
DisplayOption = Annotated[
    str,
    typer.Option(
        "--display-language", metavar="TAG", help="Show preferred names in this language, where a concept has one."
    ),
]
NoteLanguageOption = Annotated[
    str,
    typer.Option(
        "--note-language",
        metavar="TAG",
        help="Language that the notes are in (BCP-47: es, es-MX), by whose rules they are read; und: by those of all."
        " Default: detected, for each note.",
    ),
]
SectionsOption = Annotated[
    Path | None,
    typer.Option("--sections", metavar="TOML", help="Headers of sections, in place of those that are shipped."),
]
DetectOption = Annotated[
    Detect | None,
    typer.Option(
        help="What finds mentions: names of the bundle, a trained model, or both (the default). Names alone are several"
        " times faster.",
    ),
]
DetectorOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="A model of your own, as `linker export` wrote it, in place of ours."),
]
RulesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--rules",
        metavar="TOML",
        help="More triggers of assertion, for notes in the language that the file says, beside those that are shipped"
        " (de, en, es, fr). May be given again.",
    ),
]


def open_terminology(bundle: str) -> Terminology:
    """The terminology of a bundle, verified; its models stay closed."""
    path = bundle_path(bundle)
    verify(path, read_manifest(path)[0])
    return Terminology(path)


def open_tagger(directory: Path | None, detect: Detect | None, *, workers: int) -> Tagger | None:
    """A model in place of the shipped one, None for that. Raises `InvalidInput`, `BundleCorrupt`."""
    if directory and detect is Detect.NAMES:
        raise InvalidInput("is not asked where names alone are looked for: --detect both, or model", field="--detector")
    return OnnxTagger(directory, workers=workers) if directory else None


def checked_note_language(tag: str) -> str:
    """The tag, which may be "". Raises `InvalidInput`."""
    if tag and not is_tag(tag):
        raise InvalidInput(EXPECTED, field=f"--note-language {tag}")
    return tag


def told_code(code: Code) -> str:
    """A code with what the concept is to it, and how sure its source is where it says."""
    sure = "" if code.confidence is None else f", {code.confidence:.2f}"
    return f"{code.system}:{code.code}  [{code.relation}{sure}]"
