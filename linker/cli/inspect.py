"""`linker inspect`, `linker concept` and `linker search`: what a bundle holds."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from linker.bundles import DEFAULT, bundle_path
from linker.cli.shared import BundleOption, DisplayOption, JsonOption, open_terminology, told_code
from linker.console import stderr, stdout
from linker.decision import FILE as CALIBRATION
from linker.decision import Calibration, read_calibration
from linker.errors import InvalidInput
from linker.hierarchy import Relatives
from linker.identifiers import split_curie, system_uri
from linker.manifest import Manifest, read_manifest, verify
from linker.records import ConceptRecord
from linker.terminology import Terminology

BundleArgument = Annotated[
    str, typer.Argument(metavar="BUNDLE", help="A directory made by `linker build`, or `starter`.")
]


def inspect(bundle: BundleArgument = DEFAULT, as_json: JsonOption = False) -> None:
    """Show what a bundle holds: concepts, names, languages, releases, models, index, sizes. Verifies every digest."""
    path = bundle_path(bundle)
    manifest, digest = read_manifest(path)
    verify(path, manifest)
    calibration = read_calibration(path / CALIBRATION)
    if as_json:
        value = {
            "path": str(path),
            "digest": digest,
            **asdict(manifest),
            "calibration": json.loads(calibration.to_json()),
        }
        typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
        return
    console = stdout()
    console.print(_summary(str(path), digest, manifest, calibration))
    console.print(_releases(manifest))
    console.print(_files(manifest))


def _summary(path: str, digest: str, manifest: Manifest, calibration: Calibration) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    counts = manifest.counts
    codes = {k.removeprefix("codes_"): n for k, n in counts.items() if k.startswith("codes_")}
    rows = {
        "bundle": path,
        "digest": digest,
        "created by": f"{manifest.created_by}, format {manifest.format}",
        "concepts": f"{counts['concepts']:,}",
        "names": f"{counts['names']:,} ({counts['distinct_names']:,} distinct)",
        "languages": ", ".join(f"{tag} {n:,}" for tag, n in manifest.languages.items()),
        "codes": ", ".join(f"{system} {n:,}" for system, n in codes.items()) or "none",
        "encoder": f"{manifest.encoder.name}, {manifest.encoder.dimension} dimensions, {manifest.encoder.digest[:12]}",
        "reranker": f"{manifest.reranker.name}, {manifest.reranker.digest[:12]}" if manifest.reranker else "none",
        "calibration": f"fitted on {calibration.fitted_on}",
        "index": f"{manifest.index.kind}, {manifest.index.vectors:,} vectors, recall@64 {manifest.index.recall:.4f}",
    }
    for key, value in rows.items():
        table.add_row(Text(key, "bold"), Text(value))
    return table


def _releases(manifest: Manifest) -> Table:
    table = Table(
        "release", "version", "date", "licence", title="Releases", title_justify="left", box=None, pad_edge=False
    )
    for release in manifest.releases:
        table.add_row(*(Text(release[key] or "not stated") for key in ("source", "version", "date", "licence")))
    return table


def _files(manifest: Manifest) -> Table:
    table = Table("file", "bytes", "sha256", title="Files", title_justify="left", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for name, entry in sorted(manifest.files.items()):
        table.add_row(name, f"{entry.size:,}", entry.sha256[:12])
    table.add_row("total", f"{sum(e.size for e in manifest.files.values()):,}", "")
    return table


def concept(
    concept_id: Annotated[str, typer.Argument(metavar="ID", help="A concept id, for example SNOMEDCT:22298006.")],
    bundle: BundleOption = DEFAULT,
    ancestors: Annotated[bool, typer.Option("--ancestors", help="List the concepts above it instead.")] = False,
    descendants: Annotated[bool, typer.Option("--descendants", help="List the concepts below it instead.")] = False,
    distance: Annotated[int, typer.Option(min=0, help="Steps to go up or down at most. 0: all the way.")] = 0,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most concepts to list.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Show one concept: names, semantic types, parents, codes; or list what is above or below it, nearest first."""
    if ancestors and descendants:
        raise InvalidInput("expected one of the two, got both", field="--ancestors, --descendants")
    terminology = open_terminology(bundle)
    if ancestors or descendants:
        walk = terminology.hierarchy.ancestors if ancestors else terminology.hierarchy.descendants
        relatives = walk(terminology.row(concept_id), max_distance=distance)
        _list_relatives(terminology, relatives, limit=limit, as_json=as_json)
        return
    record = terminology.concept(concept_id)
    if as_json:
        row = {"system": system_uri(split_curie(concept_id)[0]), **asdict(record)}
        del row["concept"]
        typer.echo(json.dumps(row, indent=2, ensure_ascii=False))
    else:
        stdout().print(_concept_table(record))


def _list_relatives(terminology: Terminology, relatives: Relatives, *, limit: int, as_json: bool) -> None:
    table = Table("distance", "concept", "preferred name", box=None, pad_edge=False)
    for row, distance in zip(relatives.rows[:limit].tolist(), relatives.distances[:limit].tolist(), strict=True):
        concept_id, name = terminology.concept_id(row), terminology.preferred_name(row)
        if as_json:
            line = {"distance": distance, "concept_id": concept_id, "preferred_name": name}
            typer.echo(json.dumps(line, ensure_ascii=False))
        else:
            table.add_row(str(distance), Text(concept_id), Text(name))
    if not as_json:
        stdout().print(table)
    if len(relatives) > limit:
        stderr.print(f"{limit:,} of {len(relatives):,}; --limit shows more")


def _concept_table(record: ConceptRecord) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    names = "\n".join(f"{n.name}  [{n.language}, {n.term_type}, {n.source}]" for n in record.names)
    codes = "\n".join(map(told_code, record.codes))
    rows = {
        "concept": record.concept_id + (" (retired)" if record.retired else ""),
        "replaced by": "\n".join(f"{s.concept_id}  [{', '.join(s.relations)}]" for s in record.replaced_by),
        "preferred name": record.preferred_name,
        "semantic types": ", ".join(record.semantic_types),
        "definition": record.definition,
        "parents": ", ".join(record.parents),
        "names": names,
        "codes": codes,
    }
    for key, value in rows.items():
        if value:
            table.add_row(Text(key, "bold"), Text(value))
    return table


def search(
    prefix: Annotated[str, typer.Argument(help="The beginning of a name, in any case.")],
    bundle: BundleOption = DEFAULT,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most concepts to show.")] = 20,
    display_language: DisplayOption = "",
    as_json: JsonOption = False,
) -> None:
    """List concepts with a name that begins with PREFIX."""
    terminology, languages = open_terminology(bundle), frozenset(filter(None, [display_language]))
    found = terminology.search(prefix, limit=limit)
    rows = [(terminology.concept_id(c), terminology.name_in(languages, c), name) for name, c in found]
    if as_json:
        for row in rows:
            typer.echo(
                json.dumps(dict(zip(("concept_id", "preferred_name", "name"), row, strict=True)), ensure_ascii=False)
            )
        return
    if not rows:
        raise InvalidInput(
            "no name begins with it; try fewer letters, or `linker link` for similar names", field="PREFIX"
        )
    table = Table("concept", "preferred name", "found under", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    stdout().print(table)
