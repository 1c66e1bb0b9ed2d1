"""`linker map`: codes of one vocabulary to concepts, and to their codes in others."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from linker.bundles import DEFAULT
from linker.cli.shared import BundleOption, JsonOption, open_terminology, told_code
from linker.console import stdout
from linker.errors import InvalidInput
from linker.identifiers import split_curie
from linker.jsonlines import code_row
from linker.mapping import Mapping, map_code
from linker.terminology import Terminology


def map_codes(
    codes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CODE",
            help="Codes with their vocabulary: ICD10CM:I21.9. Without any, one a line on standard input.",
        ),
    ] = None,
    to: Annotated[
        str, typer.Option("--to", metavar="V,W", help="Vocabularies of the codes wanted: SNOMEDCT,UMLS. Default: all.")
    ] = "",
    bundle: BundleOption = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Say what codes stand for: the concepts that have them, with their codes in other vocabularies.

      linker map ICD10CM:I21.9 MESH:D009203 --to SNOMEDCT,UMLS

    relation is what the concept is to the code asked for (an SSSOM predicate), source the release that says so. A code
    that no concept has, or that was retired, is told as that and is no error.
    """
    if not codes and sys.stdin.isatty():
        raise InvalidInput("expected codes as arguments, or one a line on standard input", field="CODE")
    wanted = tuple(dict.fromkeys(filter(None, (system.strip() for system in to.split(",")))))
    terminology = open_terminology(bundle)
    targets = terminology.known_vocabularies(wanted, field="--to") or terminology.vocabularies
    asked = codes or [line.strip() for line in sys.stdin if line.strip()]
    found = ((code, map_code(terminology, *split_curie(code))) for code in asked)
    if as_json:
        for code, mapping in found:
            typer.echo(json.dumps(_row(code, mapping, terminology, targets), ensure_ascii=False))
    else:
        stdout().print(_table(found, terminology, targets))


def _status(mapping: Mapping) -> str:
    return "found" if mapping.concepts else "retired" if mapping.retired else "not_found"


def _row(code: str, mapping: Mapping, terminology: Terminology, targets: Sequence[str]) -> dict[str, object]:
    row: dict[str, object] = {"code": code, "status": _status(mapping)}
    row["concepts"] = [
        {
            "concept_id": terminology.concept_id(concept),
            "preferred_name": terminology.preferred_name(concept),
            **{key: value for key, value in code_row(told).items() if key not in ("system", "code")},
            "codes": [code_row(other) for other in terminology.codes(concept, targets)],
        }
        for concept, told in mapping.concepts
    ]
    if mapping.retired:
        row["replaced_by"] = [successor.concept_id for successor in mapping.replaced_by]
    return row


def _table(found: Iterable[tuple[str, Mapping]], terminology: Terminology, targets: Sequence[str]) -> Table:
    table = Table("code", "concept", "preferred name", "relation", "source", "codes", box=None, pad_edge=False)
    for code, mapping in found:
        if not mapping.concepts:
            instead = ", ".join(successor.concept_id for successor in mapping.replaced_by)
            told = "retired" + (f", replaced by {instead}" if instead else "") if mapping.retired else "not found"
            table.add_row(Text(code), Text(told, "yellow"))
        for concept, own in mapping.concepts:
            others = "\n".join(told_code(other) for other in terminology.codes(concept, targets))
            cells = (
                code,
                terminology.concept_id(concept),
                terminology.preferred_name(concept),
                own.relation,
                own.source,
            )
            table.add_row(*map(Text, (*cells, others)))
    return table
