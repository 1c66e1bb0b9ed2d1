"""`linker build`: releases of ontologies to a bundle."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from linker.bundles import bundle_path
from linker.console import stderr
from linker.manifest import IndexKind, read_manifest
from ontologies.abbreviations import read_lists
from ontologies.build import build as build_bundle
from ontologies.changes import FILE as CHANGES
from ontologies.changes import ChangeKind, Changes
from ontologies.indexing import RECALL_FLOOR, IndexOptions
from ontologies.joining import Joined
from ontologies.matches import write_conflicts
from ontologies.readers import recognised
from ontologies.readers.licences import has_expired, says_which
from ontologies.readers.options import Options, Problems
from ontologies.records import Release, Source
from ontologies.starter import ENCODER, RERANKER, TERMS

STARTER = "starter"


class IndexChoice(StrEnum):
    """Kinds of index to ask for."""

    AUTO = "auto"
    EXACT = "exact"
    PQ = "pq"
    IVF = "ivf"


_FILTERS = "Which part of a release"
_FILTER_OPTIONS = {
    "sources": "--source",
    "languages": "--only-language",
    "term_types": "--term-type",
    "semantic_types": "--semantic-type",
    "semantic_groups": "--semantic-group",
    "suppressed": "--suppressed",
}
_DESCRIBED = 3  # releases of a source that are described: UMLS has two hundred


def build(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Releases to read, files or folders, in any format of docs/terminologies.md: UMLS, SNOMED CT, MeSH, "
            "ICD-10-CM, LOINC, RxNorm, OMOP, OBO, OWL, FHIR, SSSOM, tables ...; or `starter` for the terms of the "
            "starter bundle.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="BUNDLE", help="Directory to make; an older bundle is replaced in one step."
        ),
    ],
    language: Annotated[
        str, typer.Option(metavar="TAG", help="Language (BCP-47) of names whose source does not say.")
    ] = "",
    prefix: Annotated[str, typer.Option(help="Prefix for bare concept ids: MESH makes D009203 MESH:D009203.")] = "",
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SAB",
            help="Only this vocabulary of a release: a UMLS SAB (SNOMEDCT_US, MSHSPA), an OMOP vocabulary_id, a prefix "
            "of concept ids in OWL (MONDO).",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    only_language: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAG",
            help="Only names of this language (BCP-47); es takes es-MX, too.",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    term_type: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TTY", help="Only names of this UMLS or RxNorm term type: PT, SY, IN.", rich_help_panel=_FILTERS
        ),
    ] = None,
    semantic_type: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TYPE",
            help="Only concepts of this type, as the release calls it: T047 (UMLS TUI) or its name, disorder (tag of "
            "SNOMED CT), Diseases (category of MeSH), Condition (domain of OMOP), CHEM (class of LOINC).",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    semantic_group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP",
            help="Only concepts of this UMLS semantic group: DISO (disorders), CHEM, PROC, ANAT.",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    suppressed: Annotated[
        bool,
        typer.Option(
            "--suppressed",
            help="Also names that the release advises against: UMLS SUPPRESS O, E, Y; translations not yet official.",
            rich_help_panel=_FILTERS,
        ),
    ] = False,
    merge: Annotated[
        bool,
        typer.Option(
            "--merge",
            help="Make concepts of several vocabularies one where an exact match (skos:exactMatch) joins them one to "
            "one; the vocabulary named first keeps its ids. What is not clear stays apart, listed in "
            "BUNDLE.conflicts.tsv.",
        ),
    ] = False,
    abbreviations: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Short forms that your notes use: on each line one, a tab, and names of what it means, separated by "
            "|. Each becomes a name of the concept so called. Those that are shipped (en, es) are added to them.",
        ),
    ] = None,
    no_abbreviations: Annotated[
        bool,
        typer.Option("--no-abbreviations", help="Leave out the short forms and everyday wordings that are shipped."),
    ] = False,
    update: Annotated[
        str | None,
        typer.Option(
            metavar="OLD",
            help="The bundle of an older release, which --out may replace: only names it has not are encoded, with its "
            "models if none are given. What changed is shown, and listed in changes.tsv in the new bundle.",
        ),
    ] = None,
    encoder: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Exported encoder, with its calibration.json if it has one.",
            show_default="that of OLD, or of the starter bundle",
        ),
    ] = None,
    reranker: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Exported cross-encoder.",
            show_default="that of OLD, or ours if the encoder is ours",
        ),
    ] = None,
    no_reranker: Annotated[bool, typer.Option("--no-reranker", help="Leave the cross-encoder out.")] = False,
    lenient: Annotated[
        bool,
        typer.Option("--lenient", help="Leave out, and report, what is not as it should be, instead of refusing."),
    ] = False,
    index: Annotated[
        IndexChoice,
        typer.Option(
            help="How names are searched: each exactly; each by a short code first (pq); or only those in lists that "
            "are near (ivf). auto: by the number of names, up to 300 thousand, 700 thousand, and more."
        ),
    ] = IndexChoice.AUTO,
    recall_floor: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Refuse an index that finds less of the 64 names that an exact scan finds."
        ),
    ] = RECALL_FLOOR,
    workers: Annotated[int, typer.Option(min=1, help="Threads that encode names.")] = os.cpu_count() or 1,
) -> None:
    """Build a bundle from releases of ontologies.

    The least a source needs is a TSV with a concept id and a name on each line; optional columns are language,
    term_type, semantic_type, codes, parents and definition. Several sources are joined by concept id:

      linker build starter local-terms.tsv --language en --out my-bundle

    Filters may be repeated, and take what any of them names. A format ignores those it has nothing for, and says so:

      linker build umls/META --source SNOMEDCT_US --source MSH --only-language en --semantic-group DISO --out disorders

    Ids that only a mapping or a translation tells of (SSSOM, ConceptMap, Babelon: sources that define no concept) are
    left out and counted; --merge joins what they match:

      linker build mondo.obo doid.obo mondo.sssom.tsv --merge --out diseases

    The next release takes minutes, since most names stay what they were:

      linker build mondo-next.obo --update diseases --out diseases
    """
    older = bundle_path(update) if update else None
    encoder, reranker = _models(encoder, reranker, older)
    options = Options(
        language=language,
        prefix=prefix,
        sources=tuple(source or ()),
        languages=tuple(only_language or ()),
        term_types=tuple(term_type or ()),
        semantic_types=tuple(semantic_type or ()),
        semantic_groups=tuple(semantic_group or ()),
        suppressed=suppressed,
        problems=Problems(lenient=lenient),
    )
    lists = read_lists(abbreviations or (), shipped=not no_abbreviations)
    read_sources = [_read(path, options) for path in sources]
    built = build_bundle(
        read_sources,
        out,
        encoder=encoder,
        reranker=None if no_reranker else reranker,
        update=older,
        language=language,
        abbreviations=lists,
        lenient=lenient,
        merge=merge,
        index=IndexOptions(None if index is IndexChoice.AUTO else IndexKind(index), recall_floor),
        workers=workers,
    )
    skipped = f"; skipped {built.skipped_names:,} names without a letter or digit" if built.skipped_names else ""
    _say(
        f"{out}: {built.concepts:,} concepts, {built.names:,} names ({built.distinct_names:,} distinct), "
        f"{built.size / 2**20:.1f} MiB{skipped}"
    )
    _report_joined(built.joined, out)
    if built.changes:
        _report_changes(built.changes, out)
    for problems in (options.problems, built.problems):
        _report(problems)
    if not built.fitted:
        stderr.print(
            f"warning: confidences are not calibrated for the encoder in {encoder}; fit them: linker train calibrate "
            f"--bundle {out} --corpus GOLD --out {out}-calibration --into {out} --into {encoder}",
            markup=False,
            soft_wrap=True,
        )


def _models(encoder: Path | None, reranker: Path | None, older: Path | None) -> tuple[Path, Path | None]:
    """The models to build with: those given, or else those of the older bundle, or else the starter's."""
    if older is None:
        return encoder or ENCODER, reranker or (RERANKER if encoder in (None, ENCODER) else None)
    manifest, _ = read_manifest(older)
    return encoder or older / "encoder", reranker or (older / "reranker" if manifest.reranker else None)


def _report_changes(changes: Changes, out: Path) -> None:
    for kind, count in sorted(changes.counts.items(), key=lambda item: [*ChangeKind].index(item[0])):
        _say(f"{kind}: {count:,}, for example")
        for change in changes.examples[kind]:
            told = " -> ".join(filter(None, (change.before, change.after)))
            _say(f"  {change.concept_id}: {told}")
    _say(f"{changes.counts.total():,} changes are listed in {out / CHANGES}")


def _report_joined(joined: Joined, out: Path) -> None:
    told = {"names": joined.unclaimed_names, "codes": joined.unclaimed_codes}
    if any(told.values()):
        counted = " and ".join(f"{count:,} {kind}" for kind, count in told.items() if count)
        _say(f"{counted} of concepts that no source defines were left out")
    if joined.alternates:
        _say(
            f"{joined.alternates:,} ids have the very same names as another: they became alternates of one concept, "
            "joined by |; with --prefix they stay apart"
        )
    if joined.nameless:
        _say(f"{joined.nameless:,} retired concepts that have no name were left out")
    if joined.unions is None:
        return
    conflicts = out.with_name(f"{out.name}.conflicts.tsv")
    write_conflicts(conflicts, joined.unions.conflicts)
    absorbed = sum(len(members) - 1 for members in joined.unions.members)
    _say(f"merged: {absorbed:,} concepts became one with a concept of a vocabulary before theirs")
    counts = Counter(conflict for conflict, _ in joined.unions.conflicts)
    kinds = ", ".join(f"{count:,} {conflict}" for conflict, count in sorted(counts.items())) or "none"
    _say(f"exact matches in conflict, left apart: {kinds}; listed in {conflicts}")


def _report(problems: Problems) -> None:
    for told, counts in (("left out", problems.counts), ("read all the same", problems.remarks)):
        for kind, count in sorted(counts.items()):
            examples = problems.examples.get(kind, [])
            shown = "" if not examples else ":" if len(examples) == count else f", the first {len(examples)} of them:"
            _say(f"{told}, {kind}: {count:,}{shown}")
            for error in examples:
                _say(f"  {error}")


def _read(path: str, options: Options) -> Source:
    """Open a release, and say what it is; its records are read later."""
    place = TERMS if path == STARTER and not Path(path).exists() else Path(path)
    known = recognised(place)
    source = known.read(place, options)
    _say(f"{path}: {known.name}; {_described(source.releases)}")
    for warning in _licence_warnings(source.releases):
        _say(f"warning: {path}: {warning}")
    if ignored := [
        _FILTER_OPTIONS[field] for field in _FILTER_OPTIONS if getattr(options, field) and field not in known.filters
    ]:
        _say(f"warning: {path}: this format has nothing for {', '.join(ignored)} to choose from; all of it is read")
    return source


def _licence_warnings(releases: Sequence[Release]) -> Iterator[str]:
    today = date.today().isoformat()
    if silent := [release.source for release in releases if not release.licence]:
        told = ", ".join(silent[:_DESCRIBED]) + (" ..." if len(silent) > _DESCRIBED else "")
        yield f"licence: expected one, {told} states none; know yours before you pass the bundle on"
    for release in releases:
        if has_expired(release.licence, today=today):
            yield f"licence: that of {release.source} has ended, as it says itself: {release.licence}"
        elif release.licence and not says_which(release.licence):
            yield (
                f"licence: expected an SPDX identifier, an address or a licence's name, {release.source} states"
                f" {release.licence!r}; know what that allows before you pass the bundle on"
            )


def _described(releases: Sequence[Release]) -> str:
    told = [
        f"{r.source} {r.version or r.date or 'of no stated version'}, {r.licence or 'no licence stated'}"
        for r in releases[:_DESCRIBED]
    ]
    more = [f"and {len(releases) - _DESCRIBED:,} more"] if len(releases) > _DESCRIBED else []
    return "; ".join((*told, *more))


def _say(line: str) -> None:
    stderr.print(line, markup=False, soft_wrap=True)
