"""What is said of a class in an OBO Foundry ontology, in the properties that its OWL and its OBO graph share.

Properties: oboInOwl (https://github.com/information-artifact-ontology/ontology-metadata), IAO, SKOS; and those with
which NCIt and ORDO say the same (NCIt's https://evs.nci.nih.gov/ftp1/NCI_Thesaurus, ORDO's EFO properties).
The words of OBO 1.4 are used for how a class is replaced, so that a release reads the same from either format.

Annotated axioms (the evidence of a synonym, of a cross-reference) are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from linker.identifiers import canonical_prefix, split_curie
from ontologies.readers.options import Options
from ontologies.readers.xrefs import code_of, curie_of_iri, is_iri, pair_of
from ontologies.records import Code, Concept, Name, Record, Replacement, TermType

RDFS = "http://www.w3.org/2000/01/rdf-schema#"
OWL = "http://www.w3.org/2002/07/owl#"
OBO = "http://purl.obolibrary.org/obo/"
OBO_IN_OWL = "http://www.geneontology.org/formats/oboInOwl#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
_EFO = "http://www.ebi.ac.uk/efo/"
_NCIT = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl#"

LABEL = f"{RDFS}label"
DEFINITION = f"{OBO}IAO_0000115"
DEPRECATED = f"{OWL}deprecated"
XREF = f"{OBO_IN_OWL}hasDbXref"
DEFAULT_NAMESPACE = f"{OBO_IN_OWL}default-namespace"

_NAMES = {
    LABEL: TermType.PREFERRED,
    f"{OBO_IN_OWL}hasExactSynonym": TermType.SYNONYM,
    f"{OBO_IN_OWL}hasBroadSynonym": TermType.RELATED,
    f"{OBO_IN_OWL}hasNarrowSynonym": TermType.RELATED,
    f"{OBO_IN_OWL}hasRelatedSynonym": TermType.RELATED,
    f"{OBO}IAO_0000118": TermType.SYNONYM,  # alternative label
    f"{SKOS}altLabel": TermType.SYNONYM,
    f"{_EFO}alternative_term": TermType.SYNONYM,
    f"{_NCIT}P90": TermType.SYNONYM,  # FULL_SYN
}
_DEFINITIONS = (DEFINITION, f"{_EFO}definition", f"{_NCIT}P97")
_SEMANTIC_TYPES = (f"{OBO_IN_OWL}hasOBONamespace", f"{_NCIT}P106")
SKOS_MATCHES = tuple(f"skos:{kind}Match" for kind in ("exact", "close", "broad", "narrow", "related"))
_RELATIONS = {XREF: "oboInOwl:hasDbXref"} | {match.replace("skos:", SKOS): match for match in SKOS_MATCHES}
_NCIT_CUI = f"{_NCIT}P207"
_REPLACED = {f"{OBO}IAO_0100001": "replaced_by", f"{OBO_IN_OWL}consider": "consider"}
_ALTERNATIVE_ID = f"{OBO_IN_OWL}hasAlternativeId"
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_OBO_DATE = re.compile(r"(\d{2}):(\d{2}):(\d{4})\b")


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing said of a class. prefix: of the property, its whole IRI. language: BCP-47 tag or ""."""

    predicate: str
    value: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class AnnotatedClass:
    """A class and all that its document says of it in one place. parents: IRIs."""

    iri: str
    statements: list[Statement]
    parents: tuple[str, ...]
    line: int


def records_of(cls: AnnotatedClass, options: Options, *, namespace: str = "") -> Iterator[Record]:
    """The class's concept, names and codes, and what replaces it or is replaced by it.

    namespace: its semantic type where it states none. A class without a name is only referred to, or was merged into
    another: it is no concept. `options.sources` are prefixes of concept ids.
    """
    concept_id = curie_of_iri(cls.iri)
    if not _wanted(concept_id, options):
        return
    yield from _replacements(concept_id, cls)
    names = list(_names(concept_id, cls, options))
    types = tuple(dict.fromkeys(s.value for s in cls.statements if s.predicate in _SEMANTIC_TYPES)) or (namespace,)
    if not names or (options.semantic_types and not set(types) & set(options.semantic_types)):
        return
    parents = dict.fromkeys(curie_of_iri(parent) for parent in cls.parents if parent != f"{OWL}Thing")
    yield Concept(
        concept_id=concept_id,
        semantic_types=tuple(filter(None, types)),
        definition=next((s.value for wanted in _DEFINITIONS for s in cls.statements if s.predicate == wanted), ""),
        parents=tuple(parent for parent in parents if _wanted(parent, options)),
        retired=any(s.predicate == DEPRECATED and s.value.lower() in {"true", "1"} for s in cls.statements),
        line=cls.line,
    )
    yield from names
    yield from _codes(concept_id, cls)


def short_name(ontology: str) -> str:
    """The prefix behind an ontology's id.

    >>> short_name("hp.obo"), short_name("doid/subsets/DO_rare_slim")
    ('HP', 'DOID')
    >>> short_name("http://purl.obolibrary.org/obo/mondo.owl"), short_name("http://www.orpha.net/ontology/ordo.owl")
    ('MONDO', 'ORDO')
    """
    name = ontology.rpartition("/obo/" if "/obo/" in ontology else "/")[2] if is_iri(ontology) else ontology
    return name.partition("/")[0].partition(".")[0].upper()


def iso_date(text: str) -> str:
    """The date that a version or OBO's own notation of a date holds, ISO 8601, or "".

    >>> iso_date("hp/releases/2026-02-16"), iso_date("30:07:2026 20:10"), iso_date("2.6")
    ('2026-02-16', '2026-07-30', '')
    """
    if found := _ISO_DATE.search(text):
        return found[0]
    found = _OBO_DATE.match(text)
    return "-".join(reversed(found.groups())) if found else ""


def _wanted(concept_id: str, options: Options) -> bool:
    return not options.sources or split_curie(concept_id)[0] in {canonical_prefix(s) for s in options.sources}


def _names(concept_id: str, cls: AnnotatedClass, options: Options) -> Iterator[Name]:
    """Each name once; of the labels of a language the first is preferred."""
    said = [(s, _NAMES[s.predicate]) for s in cls.statements if s.predicate in _NAMES and s.value.strip()]
    seen: set[tuple[str, str]] = set()
    preferred: set[str] = set()
    for statement, term_type in sorted(said, key=lambda pair: pair[1].rank):
        language, text = statement.language or options.language, statement.value.strip()
        if (text, language) in seen or not options.speaks(language):
            continue
        seen.add((text, language))
        again = term_type is TermType.PREFERRED and language in preferred
        preferred.update([language] if term_type is TermType.PREFERRED else ())
        yield Name(
            concept_id=concept_id,
            name=text,
            language=language,
            term_type=TermType.SYNONYM if again else term_type,
            line=cls.line,
        )


def _codes(concept_id: str, cls: AnnotatedClass) -> Iterator[Code]:
    for predicate, value in dict.fromkeys((s.predicate, s.value) for s in cls.statements):
        if predicate in _RELATIONS and (pair := code_of(value)) is not None:
            yield Code(
                concept_id=concept_id, system=pair[0], code=pair[1], relation=_RELATIONS[predicate], line=cls.line
            )
        elif predicate == _NCIT_CUI:
            yield Code(concept_id=concept_id, system="UMLS", code=value, line=cls.line)


def _replacements(concept_id: str, cls: AnnotatedClass) -> Iterator[Replacement]:
    for predicate, value in dict.fromkeys((s.predicate, s.value) for s in cls.statements):
        other = curie_of_iri(value) if is_iri(value) else ":".join(filter(None, pair_of(*split_curie(value))))
        if other == concept_id:
            continue
        if predicate in _REPLACED:
            relation = _REPLACED[predicate]
            yield Replacement(concept_id=concept_id, replaced_by=other, relation=relation, line=cls.line)
        elif predicate == _ALTERNATIVE_ID:
            yield Replacement(concept_id=other, replaced_by=concept_id, relation="alt_id", line=cls.line)
