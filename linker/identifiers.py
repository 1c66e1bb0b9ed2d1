"""Concept ids are CURIEs (`PREFIX:local`); this module knows the prefixes that clinical systems share.

System URIs are those of HL7 Terminology (FHIR `Coding.system`); a prefix not listed is kept as it is and has no URI.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A code system: its prefix here, its FHIR system URI, and how others spell the prefix (upper case)."""

    prefix: str
    system: str
    aliases: tuple[str, ...] = ()


VOCABULARIES = (
    Vocabulary("ATC", "http://www.whocc.no/atc"),
    Vocabulary("DOID", "http://purl.obolibrary.org/obo/doid.owl"),
    Vocabulary("HP", "http://human-phenotype-ontology.org", ("HPO",)),
    Vocabulary("ICD10", "http://hl7.org/fhir/sid/icd-10", ("ICD-10", "ICD10WHO")),
    Vocabulary("ICD10CM", "http://hl7.org/fhir/sid/icd-10-cm", ("ICD-10-CM", "ICD10-CM")),
    Vocabulary("ICD11", "http://id.who.int/icd/release/11/mms", ("ICD-11", "ICD11MMS")),
    Vocabulary("ICD9CM", "http://hl7.org/fhir/sid/icd-9-cm", ("ICD9", "ICD-9-CM", "ICD-9")),
    Vocabulary("ICDO", "http://terminology.hl7.org/CodeSystem/icd-o-3", ("ICDO3", "ICD-O-3", "ICD-O")),
    Vocabulary("LOINC", "http://loinc.org", ("LNC",)),
    Vocabulary("MESH", "http://id.nlm.nih.gov/mesh", ("MSH", "MESHID")),
    Vocabulary("MONDO", "http://purl.obolibrary.org/obo/mondo.owl"),
    Vocabulary("NCIT", "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl", ("NCI", "NCITHESAURUS")),
    Vocabulary("OMIM", "http://www.omim.org", ("MIM",)),
    Vocabulary("OMOP", "https://fhir-terminology.ohdsi.org"),
    Vocabulary("ORPHANET", "http://www.orpha.net", ("ORPHA", "ORDO", "ORPHACODE")),
    Vocabulary("RXNORM", "http://www.nlm.nih.gov/research/umls/rxnorm", ("RXCUI",)),
    Vocabulary("SNOMEDCT", "http://snomed.info/sct", ("SNOMED", "SCTID", "SNOMEDCT_US", "SNOMED_CT", "SCT")),
    Vocabulary("UMLS", "http://terminology.hl7.org/CodeSystem/umls", ("UMLS_CUI", "CUI")),
    Vocabulary("UNII", "http://fdasis.nlm.nih.gov"),
)

_PREFIXES = {spelling: v.prefix for v in VOCABULARIES for spelling in (v.prefix, *v.aliases)}
_SYSTEMS = {v.prefix: v.system for v in VOCABULARIES}
_PREFIX_OF_SYSTEM = {v.system: v.prefix for v in VOCABULARIES}
_LAST = re.compile(r"([A-Za-z0-9][\w.-]*)\W*$")


def canonical_prefix(prefix: str) -> str:
    """The spelling used here of a vocabulary's prefix.

    >>> canonical_prefix("SCTID"), canonical_prefix("mesh"), canonical_prefix("Fyler")
    ('SNOMEDCT', 'MESH', 'Fyler')
    """
    return _PREFIXES.get(prefix.upper(), prefix)


def split_curie(concept_id: str) -> tuple[str, str]:
    """Prefix and local part; the prefix is "" where the id has none.

    >>> split_curie("SNOMEDCT:22298006"), split_curie("D009203")
    (('SNOMEDCT', '22298006'), ('', 'D009203'))
    """
    prefix, colon, local = concept_id.partition(":")
    return (prefix, local) if colon else ("", concept_id)


def system_uri(prefix: str) -> str:
    """FHIR system URI of a vocabulary, or "" where none is registered here."""
    return _SYSTEMS.get(prefix, "")


def prefix_of_system(system: str) -> str:
    """The registered prefix of a code system, else the last part of its URI that can be one, else "".

    system: a URI, or a canonical with the version after a bar.

    >>> prefix_of_system("http://hl7.org/fhir/sid/icd-10-cm|2026"), prefix_of_system("http://example.org/codes/Fyler/")
    ('ICD10CM', 'Fyler')
    """
    uri = system.partition("|")[0]
    last = _LAST.search(uri)
    return _PREFIX_OF_SYSTEM.get(uri) or (canonical_prefix(last[1]) if last else "")


def prefix_of(system: str) -> str:
    """The prefix of a vocabulary that is given as a prefix, by any of its spellings, or as a code system URI.

    >>> prefix_of("icd-10-cm"), prefix_of("http://snomed.info/sct")
    ('ICD10CM', 'SNOMEDCT')
    """
    return prefix_of_system(system) if ":" in system else canonical_prefix(system)
