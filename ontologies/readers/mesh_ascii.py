"""Reads MeSH, descriptors and supplementary concept records, in its ASCII format (`d2026.bin`, `c2026.bin`).

Format: https://www.nlm.nih.gov/mesh/asc_abt.html and https://www.nlm.nih.gov/mesh/dtype.html: a line `*NEWRECORD`, then
one `ELEMENT = value` a line. An entry term's relation to the heading (EQV, NRW, BRD, REL) is one of its subfields; an
entry without subfields, a permuted term, does not say it and is taken for a synonym. The headings that a supplementary
record is mapped to have no id in this format, and are not read; the XML has them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ontologies.errors import SourceError
from ontologies.readers.files import read_lines
from ontologies.readers.mesh import MeshRecord, records_of, registry_codes, release_of
from ontologies.readers.options import Options
from ontologies.records import Source, TermType

_NEW_RECORD = "*NEWRECORD"
_HEADING = {"D": "MH", "C": "NM"}
_RELATED = frozenset(("NRW", "BRD", "REL"))
_Elements = dict[str, list[str]]


def is_mesh_ascii(_: Path, head: bytes) -> bool:
    """Whether a file that begins so holds MeSH records in ASCII."""
    return head.startswith(_NEW_RECORD.encode())


def read_mesh_ascii(path: str | Path, options: Options) -> Source:
    """The descriptors or supplementary concept records of the file; qualifiers are left out. Raises `SourceError`."""
    path = Path(path)
    return Source(path=str(path), releases=(release_of(path),), records=records_of(_read(path, options), path, options))


def _read(path: Path, options: Options) -> Iterator[MeshRecord]:
    for line, elements in _elements(path, options):
        record_type, ui = "".join(elements["RECTYPE"][:1]), "".join(elements["UI"][:1])
        if record_type not in _HEADING:
            continue
        if not ui:
            error = SourceError("expected the id of this record, got none", path=path, line=line, field="UI")
            options.problems.found("records without an id", error)
            continue
        mesh = MeshRecord(ui, line)
        language = options.language or "en"
        mesh.terms += [(name, language, TermType.PREFERRED) for name in elements[_HEADING[record_type]]]
        for entry in elements["PRINT ENTRY"] + elements["ENTRY"] + elements["SY"]:
            term, *subfields = entry.split("|")
            term_type = TermType.RELATED if _RELATED & set(subfields) else TermType.SYNONYM
            mesh.terms.append((term.strip(), language, term_type))
        mesh.definition = " ".join(elements["MS"] + elements["NO"])
        mesh.tree_numbers = elements["MN"]
        mesh.codes = [code for number in elements["RN"] for code in registry_codes(number)]
        yield mesh


def _elements(path: Path, options: Options) -> Iterator[tuple[int, _Elements]]:
    """Each record's elements, and the line it begins on."""
    begin, elements = 0, _Elements()
    for number, line in read_lines(path):
        text = line.strip()
        if text == _NEW_RECORD:
            if begin:
                yield begin, elements
            begin, elements = number, defaultdict(list)
        elif text:
            name, equals, value = text.partition(" = ")
            if not equals or not begin:
                message = f"expected ELEMENT = value, got {text[:80]!r}"
                options.problems.found("lines that are no element", SourceError(message, path=path, line=number))
            else:
                elements[name.strip()].append(value.strip())
    if begin:
        yield begin, elements
