"""How an ontology refers to concepts, its own and others: by IRI, or by a CURIE such as `UMLS_CUI:C0015967`.

IRIs: the OBO Foundry's identifier policy (http://www.obofoundry.org/id-policy) and, for others, the IRI prefixes of
the Bioregistry (https://bioregistry.io). A vocabulary has one prefix here, that of `linker.identifiers`.
"""

from __future__ import annotations

import re

from linker.identifiers import VOCABULARIES, canonical_prefix

# What precedes the code in an IRI, without scheme and "www."; in those of _UNDERSCORING, the code is `PREFIX_code`.
_NAMESPACES = {re.sub(r"^https?://(www\.)?|[/#]$", "", v.system) + "/": v.prefix for v in VOCABULARIES} | {
    "identifiers.org/mesh/": "MESH",
    "identifiers.org/meddra/": "MedDRA",
    "identifiers.org/medgen/": "MEDGEN",
    "identifiers.org/hgnc/": "HGNC",
    "identifiers.org/snomedct/": "SNOMEDCT",
    "snomed.info/id/": "SNOMEDCT",
    "linkedlifedata.com/resource/umls/id/": "UMLS",
    "omim.org/entry/": "OMIM",
    "omim.org/phenotypicSeries/": "OMIM",
    "id.who.int/icd/entity/": "icd11.foundation",
    "icd.who.int/browse10/2019/en#/": "ICD10",
    "purl.bioontology.org/ontology/ICD10CM/": "ICD10CM",
    "ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl#": "NCIT",
}
_UNDERSCORING = frozenset(("purl.obolibrary.org/obo/", "orpha.net/ORDO/", "ebi.ac.uk/efo/"))
_IRI = re.compile(r"https?://(?:www\.)?(?P<namespace>.*[/#])(?P<code>[^/#]+)")
_UNDERSCORED = re.compile(r"(?P<prefix>[A-Za-z][A-Za-z0-9.-]*)_(?P<code>[A-Za-z0-9.-]+)")
_RELEASE_DATE = re.compile(r"_\d{4}_\d{1,2}_\d{1,2}$")  # DO's way to date a prefix: SNOMEDCT_US_2025_09_01
_WEB = frozenset(("http", "https", "url", "ftp", "mailto"))


def is_iri(text: str) -> bool:
    """Whether `text` is an address rather than a CURIE."""
    return "://" in text


def pair_of(prefix: str, code: str) -> tuple[str, str]:
    """Vocabulary and code as they are written here.

    An OMIM phenotypic series is an OMIM number with the prefix PS, as OMIM writes it.

    >>> pair_of("SNOMEDCT_US_2025_09_01", "386661006"), pair_of("OMIMPS", "100070")
    (('SNOMEDCT', '386661006'), ('OMIM', 'PS100070'))
    """
    if prefix.upper() == "OMIMPS":
        return "OMIM", f"PS{code.removeprefix('PS')}"
    return canonical_prefix(_RELEASE_DATE.sub("", prefix)), code


def pair_of_iri(iri: str) -> tuple[str, str] | None:
    """Vocabulary and code of a concept's IRI; None where it shows neither.

    >>> pair_of_iri("http://purl.obolibrary.org/obo/HP_0001945"), pair_of_iri("http://www.orpha.net/ORDO/Orphanet_124")
    (('HP', '0001945'), ('ORPHANET', '124'))
    >>> pair_of_iri("https://id.nlm.nih.gov/mesh/D005334"), pair_of_iri("http://example.org/fever")
    (('MESH', 'D005334'), None)
    """
    parts = _IRI.fullmatch(iri)
    if parts is None:
        return None
    if prefix := _NAMESPACES.get(parts["namespace"]):
        return pair_of(prefix, parts["code"])
    return _underscored(parts["code"]) if parts["namespace"] in _UNDERSCORING else None


def curie_of_iri(iri: str) -> str:
    """Concept id of a class by its IRI, which is kept where it shows no prefix.

    >>> curie_of_iri("http://id.nlm.nih.gov/mesh/D005334"), curie_of_iri("http://ward.example/signs#SX_1")
    ('MESH:D005334', 'SX:1')
    """
    pair = pair_of_iri(iri) or _underscored(re.split(r"[/#]", iri)[-1])
    return ":".join(pair) if pair else iri


def _underscored(text: str) -> tuple[str, str] | None:
    match = _UNDERSCORED.fullmatch(text)
    return pair_of(match["prefix"], match["code"]) if match else None


def code_of(xref: str) -> tuple[str, str] | None:
    """Vocabulary and code of a cross-reference, CURIE or IRI; None of one that names a web page or no vocabulary.

    >>> code_of("UMLS_CUI:C0015967"), code_of("url:http://example.org/fever"), code_of("fever")
    (('UMLS', 'C0015967'), None, None)
    """
    if is_iri(xref):
        return pair_of_iri(xref)
    prefix, _, code = (part.strip() for part in xref.partition(":"))
    named = prefix and code and prefix.lower() not in _WEB and " " not in prefix
    return pair_of(prefix, code) if named else None
