"""Options that several commands share, with one wording."""

from __future__ import annotations

from typing import Annotated

import typer

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
    typer.Option("--language", help="Search only names in this language (BCP-47). May be given again."),
]
