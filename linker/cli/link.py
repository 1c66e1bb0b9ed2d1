"""`linker link`: mentions to concepts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from linker.bundles import DEFAULT
from linker.cli.remote import CaOption, CertificateOption, KeyOption, ServerNameOption, TlsOption, client_settings
from linker.cli.shared import (
    BundleOption,
    DisplayOption,
    JsonOption,
    LanguageOption,
    TypesOption,
    VocabularyOption,
)
from linker.client import LinkerClient
from linker.console import stderr, stdout
from linker.errors import InvalidInput
from linker.jsonlines import link_line, read_mentions
from linker.options import Options
from linker.pipeline import Linker
from linker.records import Candidate, ConceptFilter, Link, MatchSource, RerankMode
from linker.terminology import Terminology
from linker.value_set import open_value_set, read_value_set

_EXAMPLES = 5  # ids left out that are shown
SHOWN_CODES = {"SNOMEDCT": "SNOMED CT", "UMLS": "UMLS", "MESH": "MeSH"}


def link(  # noqa: PLR0913, PLR0917 - a command line has as many options as it has
    text: Annotated[
        list[str] | None, typer.Argument(help="Mentions. Without any, JSON lines on standard input.")
    ] = None,
    bundle: BundleOption = DEFAULT,
    top_k: Annotated[int, typer.Option("-k", "--top-k", help="Candidates for a mention, 1 to 1,000.")] = 5,
    as_json: JsonOption = False,
    semantic_type: TypesOption = None,
    vocabulary: VocabularyOption = None,
    language: LanguageOption = None,
    display_language: DisplayOption = "",
    rerank: Annotated[
        RerankMode, typer.Option(help="Whether the cross-encoder runs, where the bundle has one.")
    ] = RerankMode.AUTO,
    min_confidence: Annotated[
        float | None, typer.Option(help="Below it the outcome is no_match, 0 to 1. Default: the bundle's own.")
    ] = None,
    codes: Annotated[
        str,
        typer.Option(
            metavar="V,W",
            help="Codes that candidates carry, by vocabulary: ICD10CM,UMLS. Default: every code there is.",
        ),
    ] = "",
    value_set: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Answer with these concepts alone, a candidate outside with its nearest ancestor inside: a FHIR R4"
            " ValueSet in JSON, or text of one id a line.",
        ),
    ] = None,
    lenient: Annotated[
        bool,
        typer.Option("--lenient", help="Leave out, and count, ids of the value set that the bundle does not have."),
    ] = False,
    server: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            envvar="LINKER_SERVER",
            help="Link with the server there, and --bundle is what it calls a bundle. A bearer token is read from the"
            " variable LINKER_TOKEN.",
            rich_help_panel="Calling a server",
        ),
    ] = "",
    tls: TlsOption = False,
    tls_ca: CaOption = None,
    tls_cert: CertificateOption = None,
    tls_key: KeyOption = None,
    tls_server_name: ServerNameOption = "",
) -> None:
    """Link mentions to concepts.

    With TEXT, prints a table (or JSON with --json). Without, reads JSON lines from standard input and writes one line
    for each, in the same order:

      echo '{"mention": "heart attack"}' | linker link

    In: mention, and optionally context, begin, end (code points of the mention in its context). Abbreviations are read
    as the context defines them, as in "chronic renal failure (CRF)". Out: mention, its expansion where there is one,
    outcome (match, or no_match with its reason) and candidates, best first.
    """
    wanted = ConceptFilter(frozenset(semantic_type or ()), frozenset(vocabulary or ()), frozenset(language or ()))
    systems = tuple(dict.fromkeys(filter(None, (system.strip() for system in codes.split(",")))))
    options = Options(
        top_k=top_k,
        filter=wanted,
        rerank=rerank,
        min_confidence=min_confidence,
        codes=systems,
        display_language=display_language,
    )
    options.check()
    if not text and sys.stdin.isatty():
        raise InvalidInput("expected mentions as arguments, or JSON lines on standard input", field="TEXT")
    if server:
        calling = client_settings(tls=tls, ca=tls_ca, certificate=tls_cert, key=tls_key, server_name=tls_server_name)
        named = replace(calling, bundle="" if bundle == DEFAULT else bundle)
        if value_set is not None:
            options = replace(options, value_set=_ids_unchecked(value_set, lenient=lenient))
        with LinkerClient(server, settings=named) as client:
            _answer(client, text, options, as_json=as_json, systems=systems)
        return
    linker = Linker.open(bundle)
    terminology = linker.bundle.terminology
    shown = terminology.known_vocabularies(systems, field="--codes")
    if value_set is not None:
        options = replace(options, value_set=_ids(value_set, terminology, lenient=lenient))
    _answer(linker, text, options, as_json=as_json, systems=shown)


def _answer(
    linker: Linker | LinkerClient, text: list[str] | None, options: Options, *, as_json: bool, systems: Sequence[str]
) -> None:
    if not text:
        for batch in read_mentions(sys.stdin.buffer, "stdin"):
            _write(linker.link(batch, options))
        return
    links = linker.link(text, options)
    if as_json:
        _write(links)
    else:
        stdout().print(links_table(links, systems=systems or tuple(SHOWN_CODES)))


def _ids_unchecked(path: Path, *, lenient: bool) -> frozenset[str]:
    if lenient:
        raise InvalidInput("needs to see which ids the bundle has, which is with the server", field="--lenient")
    return frozenset(member.concept_id for member in read_value_set(path))


def _ids(path: Path, terminology: Terminology, *, lenient: bool) -> frozenset[str]:
    ids, left_out = open_value_set(path, terminology, lenient=lenient)
    if left_out:
        examples = ", ".join(member.concept_id for member in left_out[:_EXAMPLES])
        message = f"{path}: left out {len(left_out):,} ids that are no current concepts, such as {examples}"
        stderr.print(Text(message), soft_wrap=True)
    return ids


def _write(links: Sequence[Link]) -> None:
    for link_ in links:
        sys.stdout.buffer.write(link_line(link_).encode() + b"\n")
    sys.stdout.buffer.flush()


def links_table(
    links: Sequence[Link], *, best_only: bool = False, systems: Sequence[str] = tuple(SHOWN_CODES)
) -> Table:
    """A table of links for people; `best_only` leaves out all but the first candidate."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("mention", "concept", "preferred name", *(SHOWN_CODES.get(system, system) for system in systems)):
        table.add_column(column, overflow="fold")
    table.add_column("conf.", justify="right")
    table.add_column("found by")
    for link_ in links:
        shown = link_.candidates[: 1 if best_only else None]
        name = f"{link_.mention.text} ({link_.expansion})" if link_.expansion else link_.mention.text
        verdict = "" if link_.nil_reason is None else f"NIL: {link_.nil_reason}"
        if verdict:
            table.add_row(Text(name), Text(verdict, "yellow"))
        for position, candidate in enumerate(shown):
            first = position == 0 and not verdict
            mention = Text(name, "bold") if first else Text("  or" if verdict else "")
            table.add_row(mention, *_cells(candidate, systems), style=None if first else "dim")
    return table


def _cells(candidate: Candidate, systems: Sequence[str]) -> list[Text]:
    how = str(candidate.source)
    if candidate.source is not MatchSource.EXACT:
        how += f" {candidate.similarity:.2f} “{candidate.matched_name}”"
    if candidate.rerank_score is not None:
        how += f", reranked {candidate.rerank_score:+.1f}"
    if candidate.generalised_from:
        how += f", generalised from {candidate.generalised_from}"
    codes = [_codes(candidate, system) for system in systems]
    return [
        Text(t) for t in (candidate.concept_id, candidate.preferred_name, *codes, f"{candidate.confidence:.2f}", how)
    ]


def _codes(candidate: Candidate, system: str) -> str:
    prefix, _, local = candidate.concept_id.partition(":")
    own = [local] if prefix == system else []
    return " ".join(dict.fromkeys([*own, *(c.code for c in candidate.codes if c.system == system)]))
