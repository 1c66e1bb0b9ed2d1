"""The vocabularies inside a UMLS or RxNorm release, each with its version, licence and citation: MRSAB and RXNSAB."""

from __future__ import annotations

from ontologies.errors import SourceError
from ontologies.readers.rrf import rows as rrf
from ontologies.readers.rrf.metathesaurus import Metathesaurus
from ontologies.records import Release

SAB = rrf.columns(
    "VCUI RCUI VSAB RSAB SON SF SVER VSTART VEND IMETA RMETA SLC SCC SRL TFR CFR CXTY TTYL ATNL LAT CENC CURVER SABIN"
    " SSN SCIT"
)


def vocabulary_releases(
    release: Metathesaurus, licence: str, *, sha256: str
) -> tuple[tuple[Release, ...], dict[str, str]]:
    """A `Release` for each vocabulary that names are read from, and the version of every vocabulary there is.

    licence: of the whole, to which each vocabulary adds its restriction level (SRL).
    """
    current = _current(release)
    releases = []
    for vocabulary in release.vocabularies:
        said = current.get(vocabulary, {})
        level = said.get("SRL") or release.found.levels[vocabulary.encode()]
        releases.append(
            Release(
                source=vocabulary,
                version=_version(said),
                licence=f"{licence}, restriction level {level}" if level else licence,
                attribution=_citation(said.get("SCIT", "")) or said.get("SON", ""),
                sha256=sha256,
            )
        )
    return tuple(releases), {vocabulary: _version(said) for vocabulary, said in current.items()}


def _citation(parts: str) -> str:
    """A citation without its empty parts.

    >>> _citation(";;World Health Organization;;;2016;;")
    'World Health Organization; 2016'
    """
    return "; ".join(part.strip() for part in parts.split(";") if part.strip())


def _version(said: dict[str, str]) -> str:
    return said.get("SVER") or said.get("VSAB", "")


def _current(release: Metathesaurus) -> dict[str, dict[str, str]]:
    """The row of the current version of each vocabulary. Two current versions of one are two releases mixed up."""
    path = release.beside("SAB")
    current: dict[str, dict[str, str]] = {}
    for line, fields in rrf.rows(path, SAB, release.options.problems) if path else ():
        try:
            row = {column: rrf.text(fields, place, SAB, path or release.path, line) for place, column in enumerate(SAB)}
        except SourceError as error:
            release.options.problems.found(rrf.NOT_UTF8, error)
            continue
        if row["CURVER"] != "Y":
            continue
        known = current.setdefault(row["RSAB"], row)
        if known is not row:
            message = f"expected one current version of {row['RSAB']}, got {known['VSAB']} and {row['VSAB']}"
            raise SourceError(message, path=path or release.path, line=line, field="CURVER")
    return current
