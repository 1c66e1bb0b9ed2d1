"""Reads MeSH, descriptors and supplementary concept records, in XML; also the translations that keep its elements.

Format: https://www.nlm.nih.gov/mesh/xml_data_elements.html. A record is a concept: the terms of its preferred MeSH
concept are its names, those of its narrower, broader and related MeSH concepts are evidence (RELATED). Permuted terms
("Abdomen, Acute") are names too. A descriptor's parents are the descriptors one tree number up, told once all tree
numbers are known; its semantic types are its tree categories. What a supplementary record is mapped to is a code in
MESH, with the relation of MeSH RDF (https://hhs.github.io/meshrdf/), which claims no equivalence.

A translated file marks its terms by the language before the number of their id, `fre0002386`, or, as INSERM's does, has
`StringFR` and `StringUS` for `String`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

from ontologies.errors import SourceError
from ontologies.readers.files import digest, first_bytes, uncompressed_name
from ontologies.readers.options import Options
from ontologies.readers.rrf.languages import language_tag
from ontologies.readers.xml_stream import Child, root_name, stream_xml
from ontologies.records import Code, Concept, Name, Record, Release, Source, TermType

PREFIX = "MESH"
_ROOTS = {"DescriptorRecordSet": "Descriptor", "SupplementalRecordSet": "SupplementalRecord"}
_TREES = {
    "A": "Anatomy",
    "B": "Organisms",
    "C": "Diseases",
    "D": "Chemicals and Drugs",
    "E": "Analytical, Diagnostic and Therapeutic Techniques, and Equipment",
    "F": "Psychiatry and Psychology",
    "G": "Phenomena and Processes",
    "H": "Disciplines and Occupations",
    "I": "Anthropology, Education, Sociology, and Social Phenomena",
    "J": "Technology, Industry, and Agriculture",
    "K": "Humanities",
    "L": "Information Science",
    "M": "Named Groups",
    "N": "Health Care",
    "V": "Publication Characteristics",
    "Z": "Geographicals",
}
_CLASSES = {  # of supplementary records, which have no tree numbers
    "1": "Chemicals and Drugs",
    "2": "Chemotherapy Protocols",
    "3": "Diseases",
    "4": "Organisms",
    "5": "Population Groups",
    "6": "Anatomy",
}
_REGISTRIES = {
    "UNII": re.compile(r"[0-9A-Z]{10}"),
    "CAS": re.compile(r"\d{2,7}-\d{2}-\d"),
    "EC": re.compile(r"EC (\S+)"),
    "NCBITaxon": re.compile(r"txid(\d+)"),
}
_UI = re.compile(r"[A-Z]\d+")
_TERM_UI = re.compile(r"(?P<language>[a-z]{3})\d+")
_YEAR = re.compile(r"(?:desc|supp|\b[dc])(\d{4})\b")
_DTD_DATE = re.compile(rb"_(\d{4})(\d{2})(\d{2})\.dtd")


@dataclass(slots=True)
class MeshRecord:
    """What a record says, whichever format it is written in. terms: text, language and type of each name."""

    ui: str
    line: int
    terms: list[tuple[str, str, TermType]] = field(default_factory=list)
    definition: str = ""
    categories: list[str] = field(default_factory=list)
    tree_numbers: list[str] = field(default_factory=list)
    codes: list[tuple[str, str, str]] = field(default_factory=list)  # system, code, relation


def is_mesh_xml(_: Path, head: bytes) -> bool:
    """Whether a file that begins so holds MeSH records in XML."""
    return root_name(head) in _ROOTS


def read_mesh_xml(path: str | Path, options: Options) -> Source:
    """The records of a MeSH descriptor or supplementary file. Raises `SourceError`."""
    path = Path(path)
    with closing(stream_xml(path)) as children:
        first = next(children, None)
    if first is None or first.root.tag not in _ROOTS:
        came = "an empty document" if first is None else first.root.tag
        raise SourceError(f"expected {' or '.join(_ROOTS)}, got {came}", path=path)
    dated = _DTD_DATE.search(first_bytes(path))
    date = b"-".join(dated.groups()).decode() if dated else ""
    read = (_read(child, path, options) for child in stream_xml(path))
    return Source(path=str(path), releases=(release_of(path, date),), records=records_of(read, path, options))


def release_of(path: Path, date: str = "") -> Release:
    """A MeSH file's release: the year in its name is the version, for a file in ASCII does not say it."""
    year = _YEAR.search(uncompressed_name(path))
    return Release(
        source=PREFIX,
        version=year[1] if year else date[:4],
        date=date,
        attribution="Medical Subject Headings, U.S. National Library of Medicine.",
        url="https://www.nlm.nih.gov/mesh/",
        sha256=digest(path),
    )


def records_of(read: Iterable[MeshRecord | None], path: Path, options: Options) -> Iterator[Record]:
    """The records of MeSH records in turn; at last, the parents that their tree numbers show."""
    lines: dict[str, int] = {}
    places: dict[str, str] = {}  # tree number -> the descriptor that stands there
    for mesh in read:
        if mesh is None:
            continue
        if mesh.ui in lines:
            message = f"expected each record once, got {mesh.ui} on line {lines[mesh.ui]} and here"
            error = SourceError(message, path=path, line=mesh.line, field="UI")
            options.problems.found("repeated records", error)
            continue
        told = list(_told(mesh, path, options))
        if told:
            lines[mesh.ui] = mesh.line
            places.update(dict.fromkeys(mesh.tree_numbers, mesh.ui))
            yield from told
    if not lines:
        raise SourceError("expected at least one record, got none", path=path)
    yield from _hierarchy(places, lines, path, options)


def _told(mesh: MeshRecord, path: Path, options: Options) -> Iterator[Record]:
    concept_id = f"{PREFIX}:{mesh.ui}"
    if not mesh.terms:
        error = SourceError(f"expected a name for {mesh.ui}, got none", path=path, line=mesh.line, field="String")
        options.problems.found("records without a name", error)
        return
    categories = mesh.categories or [_TREES[number[0]] for number in mesh.tree_numbers if number[0] in _TREES]
    spoken = [term for term in mesh.terms if options.speaks(term[1])]
    terms: dict[tuple[str, str], TermType] = {}
    for text, language, term_type in sorted(spoken, key=lambda term: term[2].rank):
        terms.setdefault((text, language), term_type)
    if not terms or (options.semantic_types and not set(categories) & set(options.semantic_types)):
        return
    yield Concept(
        concept_id=concept_id,
        semantic_types=tuple(dict.fromkeys(categories)),
        definition=mesh.definition,
        line=mesh.line,
    )
    for (text, language), term_type in terms.items():
        yield Name(concept_id=concept_id, name=text, language=language, term_type=term_type, line=mesh.line)
    for system, code, relation in dict.fromkeys(mesh.codes):
        yield Code(concept_id=concept_id, system=system, code=code, relation=relation, line=mesh.line)


def _hierarchy(places: dict[str, str], lines: dict[str, int], path: Path, options: Options) -> Iterator[Concept]:
    """Each descriptor that has parents once more, with them. A selection may have left some of them out."""
    parents: dict[str, list[str]] = {}
    for number, ui in places.items():
        above = number.rpartition(".")[0]
        if above in places:
            parents.setdefault(ui, []).append(f"{PREFIX}:{places[above]}")
        elif above and not options.semantic_types and not options.languages:
            message = f"expected a descriptor at the tree number {above}, above {ui}, got none"
            error = SourceError(message, path=path, line=lines[ui], field="TreeNumber")
            options.problems.found("tree numbers with nothing above them", error)
    for ui, found in parents.items():
        yield Concept(concept_id=f"{PREFIX}:{ui}", parents=tuple(dict.fromkeys(found)), line=lines[ui])


def _read(child: Child, path: Path, options: Options) -> MeshRecord | None:
    kind = _ROOTS[child.root.tag]
    record, ui = child.element, (child.element.findtext(f"{kind}UI") or "").strip()
    if not _UI.fullmatch(ui):
        error = SourceError(
            f"expected an id such as D005334, got {ui!r}", path=path, line=child.line, field=f"{kind}UI"
        )
        options.problems.found("records without an id", error)
        return None
    language = language_tag(child.root.get("LanguageCode", "eng").upper().encode(), b"") or options.language
    mesh = MeshRecord(ui, child.line)
    for concept in record.iterfind("ConceptList/Concept"):
        _read_concept(concept, mesh, language)
    if not any(term_type is TermType.PREFERRED for _, _, term_type in mesh.terms):
        name = record.find(f"{kind}Name")
        heading = [] if name is None else [(*pair, TermType.PREFERRED) for pair in _texts(name, language)]
        mesh.terms[:0] = heading
    mesh.definition = mesh.definition or (record.findtext("Note") or "").strip()
    mesh.tree_numbers = [(e.text or "").strip() for e in record.iterfind("TreeNumberList/TreeNumber") if e.text]
    mesh.categories = [_CLASSES[c] for c in (record.get("SCRClass"),) if c in _CLASSES]
    for mapped in record.iterfind("HeadingMappedToList/HeadingMappedTo/DescriptorReferredTo/DescriptorUI"):
        code = (mapped.text or "").strip()
        relation = "meshv:preferredMappedTo" if code.startswith("*") else "meshv:mappedTo"
        mesh.codes.append((PREFIX, code.removeprefix("*"), relation))
    return mesh


def _read_concept(concept: Element, mesh: MeshRecord, language: str) -> None:
    preferred = concept.get("PreferredConceptYN", "Y") == "Y"
    for term in concept.iterfind("TermList/Term"):
        if term.get("RecordPreferredTermYN") == "Y":
            term_type = TermType.PREFERRED
        else:
            term_type = TermType.SYNONYM if preferred else TermType.RELATED
        spoken = _TERM_UI.fullmatch((term.findtext("TermUI") or "").strip())
        marked = language_tag(spoken["language"].upper().encode(), b"") if spoken else None
        mesh.terms += [(*pair, term_type) for pair in _texts(term, marked or language)]
    if preferred:
        mesh.definition = (concept.findtext("ScopeNote") or "").strip()
        mesh.codes += [code for e in concept.iter("RegistryNumber") for code in registry_codes((e.text or "").strip())]


def registry_codes(number: str) -> Iterator[tuple[str, str, str]]:
    """The code of a registry number, which is that of a substance, an enzyme or an organism, or 0.

    >>> list(registry_codes("37H9VM9WZL")), list(registry_codes("EC 1.1.1.1")), list(registry_codes("0"))
    ([('UNII', '37H9VM9WZL', 'skos:exactMatch')], [('EC', '1.1.1.1', 'skos:exactMatch')], [])
    """
    for system, pattern in _REGISTRIES.items():
        if match := pattern.fullmatch(number):
            yield system, match[match.lastindex or 0], "skos:exactMatch"


def _texts(element: Element, language: str) -> Iterator[tuple[str, str]]:
    """The strings that an element holds, each with its language."""
    for child in element:
        text = (child.text or "").strip()
        if text and child.tag.startswith("String"):
            country = child.tag.removeprefix("String").lower()
            yield text, {"": language, "us": "en"}.get(country, country)
