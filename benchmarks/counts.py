"""Concepts and names that the readers find in releases, beside what plain tools count in the same files.

    python benchmarks/counts.py hp.obo symp.owl icd10cm-tabular.xml UNII_Names.txt UMLS/META SnomedCT_Release ...

The plain way reads lines, columns, elements or JSON with the standard library, knows one format each, and shares no
code with the readers. Ends with exit code 1 where a count differs, or there is no plain way for a release.

concepts: different ids. names: different pairs of a concept's id and a name of it, as it is written.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import lzma
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ontologies.readers import read, recognised
from ontologies.records import Concept, Name

Pairs = set[tuple[str, str]]
_OPENERS: dict[str, Callable[..., Any]] = {".xz": lzma.open, ".gz": gzip.open}
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_RDFS = "{http://www.w3.org/2000/01/rdf-schema#}"
_OWL = "{http://www.w3.org/2002/07/owl#}"
_OBO_IN_OWL = "{http://www.geneontology.org/formats/oboInOwl#}"
_SYNONYMS = tuple(f"has{scope}Synonym" for scope in ("Exact", "Related", "Broad", "Narrow"))
_HEADED = ("chapter", "section")
_DEFINITION = "IAO:0000115"
_FULLY_SPECIFIED, _SYNONYM = "900000000000003001", "900000000000013009"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path, nargs="+")
    print(f"{'release':44}{'concepts':>10}{'plainly':>10}{'names':>10}{'plainly':>10}")
    agreed = [_agree(release) for release in parser.parse_args().release]
    sys.exit(0 if all(agreed) else 1)


def _agree(release: Path) -> bool:
    kind = recognised(release).name
    plain = next((count for start, count in PLAIN.items() if kind.startswith(start)), None)
    if plain is None:
        print(f"{release.name[:43]:44}no plain way for {kind}")
        return False
    concepts, names = read_by_us(release)
    ids, pairs = plain(release)
    same = (len(concepts), len(names)) == (len(ids), len(pairs))
    counts = "".join(f"{len(found):>10,}" for found in (concepts, ids, names, pairs))
    print(f"{release.name[:43]:44}{counts}{'' if same else '   DIFFERS'}", flush=True)
    return same


def read_by_us(release: Path) -> tuple[set[str], Pairs]:
    """Ids of concepts, and names with theirs."""
    ids: set[str] = set()
    pairs: Pairs = set()
    for record in read(release).records:
        if isinstance(record, Concept):
            ids.add(record.concept_id)
        elif isinstance(record, Name):
            pairs.add((record.concept_id, record.name))
    return ids, pairs


def _lines(path: Path) -> Iterator[str]:
    with _OPENERS.get(path.suffix, open)(path, "rt", encoding="utf-8") as file:
        yield from file


def _obo(path: Path) -> tuple[set[str], Pairs]:
    ids: set[str] = set()
    pairs: Pairs = set()
    for stanza in "".join(_lines(path)).split("\n[")[1:]:
        if stanza.startswith("Term]"):
            own = re.findall(r"^id: (\S+)", stanza, re.MULTILINE)[0]
            ids.add(own)
            quoted = re.findall(r'^synonym: "((?:[^"\\]|\\.)*)"', stanza, re.MULTILINE)
            named = re.findall(r"^name: (.*?)\s*$", stanza, re.MULTILINE)
            pairs |= {(own, re.sub(r"\\(.)", r"\1", name).strip()) for name in [*named, *quoted]}
    return ids, pairs


def _owl(path: Path) -> tuple[set[str], Pairs]:
    with _OPENERS.get(path.suffix, open)(path, "rb") as file:
        root = ElementTree.parse(file).getroot()
    ids: set[str] = set()
    pairs: Pairs = set()
    for element in root.findall(f"{_OWL}Class"):
        own = element.get(f"{_RDF}about")
        texts = [element.findtext(f"{_RDFS}label")]
        texts += [found.text for tag in _SYNONYMS for found in element.findall(f"{_OBO_IN_OWL}{tag}")]
        if own and any(texts):
            ids.add(own)
            pairs |= {(own, text.strip()) for text in texts if text}
    return ids, pairs


def _obograph(path: Path) -> tuple[set[str], Pairs]:
    nodes = [node for graph in json.loads("".join(_lines(path)))["graphs"] for node in graph["nodes"]]
    named = [node for node in nodes if node.get("type") == "CLASS" and node.get("lbl")]
    texts = {n["id"]: [n["lbl"], *(s["val"] for s in n.get("meta", {}).get("synonyms", []))] for n in named}
    return set(texts), {(own, text.strip()) for own, each in texts.items() for text in each}


def _icd10cm(path: Path) -> tuple[set[str], Pairs]:
    with _OPENERS.get(path.suffix, open)(path, "rb") as file:
        root = ElementTree.parse(file).getroot()
    titled = re.compile(r"(.*?) +\(([A-Z0-9]{3}-[A-Z0-9]{3})\)", re.DOTALL)
    headed = [titled.fullmatch((found.findtext("desc") or "").strip()) for found in root.iter() if found.tag in _HEADED]
    pairs = {(match[2], match[1]) for match in headed if match}
    for section in root.iter("section"):
        for diag in section.findall("diag"):
            pairs |= set(_diagnoses(diag, {}))
    return {code for code, _ in pairs}, pairs


def _diagnoses(diag: ElementTree.Element, characters: dict[str, str]) -> Iterator[tuple[str, str]]:
    code, title = diag.findtext("name") or "", (diag.findtext("desc") or "").strip()
    own = {found.get("char", ""): (found.text or "").strip() for found in diag.findall("sevenChrDef/extension")}
    yield code, title
    yield from ((code, (note.text or "").strip()) for note in diag.findall("inclusionTerm/note"))
    below = diag.findall("diag")
    for found in below:
        yield from _diagnoses(found, own or characters)
    for character, meaning in ({} if below or len(code) == 8 else own or characters).items():
        yield (code + ("" if "." in code else ".")).ljust(7, "X") + character, f"{title}, {meaning}"


def _unii(path: Path) -> tuple[set[str], Pairs]:
    rows = list(csv.DictReader(_lines(path), delimiter="\t", quoting=csv.QUOTE_NONE))
    # "ASPIRIN [USP-RS]": the list that a name is from is no part of it.
    pairs = {(row["UNII"], re.sub(r"\s+\[[^\[\]]*\]$", "", row["Name"])) for row in rows}
    return {own for own, _ in pairs}, pairs


def _babelon(path: Path) -> tuple[set[str], Pairs]:
    table = csv.DictReader(_lines(path), delimiter="\t")
    rows = [row for row in table if row["translation_status"] == "OFFICIAL" and row["predicate_id"] != _DEFINITION]
    return set(), {(row["subject_id"], row["translation_value"]) for row in rows if row["translation_value"]}


def _value_set(path: Path) -> tuple[set[str], Pairs]:
    concepts = [c for i in json.loads("".join(_lines(path)))["compose"]["include"] for c in i.get("concept", [])]
    names = [(c["code"], text) for c in concepts for text in _spoken(c)]
    return {c["code"] for c in concepts}, set(names)


def _spoken(concept: dict[str, Any]) -> list[str]:
    texts = [concept["display"], *(other["value"] for other in concept.get("designation", []))]
    return texts + [re.sub(r" \([^()]*\)$", "", text) for text in texts]  # without the semantic tag


def _rrf(path: Path) -> tuple[set[str], Pairs]:
    rows = [line.split("|") for line in _lines(path / "MRCONSO.RRF")]
    rows = [row for row in rows if row[16] not in {"O", "E", "Y"}]
    return {row[0] for row in rows}, {(row[0], row[14]) for row in rows}


def _rf2(path: Path) -> tuple[set[str], Pairs]:
    concepts = _rf2_rows(path, "sct2_Concept_*.txt")
    active = {row["conceptId"] for row in _rf2_rows(path, "sct2_Description_*.txt") if row["active"] == "1"}
    rows = [row for row in _rf2_rows(path, "sct2_Description_*.txt") if row["active"] == "1"]
    pairs = {(row["conceptId"], row["term"]) for row in rows if row["typeId"] in {_FULLY_SPECIFIED, _SYNONYM}}
    return {row["id"] for row in concepts if row["id"] in active}, pairs


def _rf2_rows(path: Path, pattern: str) -> list[dict[str, str]]:
    [file] = path.rglob(pattern)
    return list(csv.DictReader(_lines(file), delimiter="\t", quoting=csv.QUOTE_NONE))


PLAIN: dict[str, Callable[[Path], tuple[set[str], Pairs]]] = {
    "OBO (": _obo,
    "OWL": _owl,
    "OBO graphs": _obograph,
    "ICD-10-CM": _icd10cm,
    "FDA": _unii,
    "Babelon": _babelon,
    "FHIR ValueSet": _value_set,
    "UMLS": _rrf,
    "SNOMED CT RF2": _rf2,
}

if __name__ == "__main__":
    main()
