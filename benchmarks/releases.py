"""Writes invented releases of any size in the formats of the UMLS Metathesaurus (RRF) and of SNOMED CT (RF2).

    python benchmarks/releases.py rrf --concepts 1000000 --names 4000000 --out FOLDER
    python benchmarks/releases.py rf2 --concepts 350000 --names 1200000 --out FOLDER

Names are invented words, about 30 characters long, and some are shared by several concepts. Rows are in the order of
real releases, the same arguments give the same bytes, and memory does not grow with the size.

Formats: UMLS Reference Manual, chapter 3 (https://www.ncbi.nlm.nih.gov/books/NBK9685); SNOMED CT Release File
Specification (https://docs.snomed.org/snomed-ct-specifications/snomed-ct-release-file-specification).
"""

from __future__ import annotations

import argparse
import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

SHARED = 0.04  # names that another concept has too
RETIRED = 50  # one concept more for each so many is retired, and replaced by a current one
POOL = 20_000  # names that may be given to another concept
WORDS = 60_000
ARITIES = (9, 31)  # the hierarchy is a tree of each width laid over the other: parents and children are arithmetic

_ONSETS = ("b", "br", "c", "ch", "d", "f", "g", "gl", "h", "k", "l", "m", "n", "p", "ph", "pr", "r", "s", "t", "v")
_VOWELS = ("a", "e", "i", "o", "u", "y", "ae", "io")
_CODAS = ("", "", "", "l", "n", "r", "s", "x")
_ENDINGS = ("itis", "osis", "oma", "emia", "pathy", "ine", "ase", "al", "ic", "ous", "ectomy", "algia", "um", "a")
_QUALIFIERS = ("", "", "", "", ", nos", " (acute)", ", left", ", right", " type 2", ", unspecified", "'s disease")

# TUI, tree number and name of some types of the Semantic Network.
SEMANTIC_TYPES = (
    ("T047", "B2.2.1.2.1", "Disease or Syndrome"),
    ("T191", "B2.2.1.2.1.2", "Neoplastic Process"),
    ("T033", "A2.2", "Finding"),
    ("T061", "B1.3.1.3", "Therapeutic or Preventive Procedure"),
    ("T023", "A1.2.3.1", "Body Part, Organ, or Organ Component"),
    ("T121", "A1.4.1.1.1", "Pharmacologic Substance"),
)
TAGS = ("disorder", "morphologic abnormality", "finding", "procedure", "body structure", "substance")

# RSAB, LAT and term types of the vocabularies of an invented Metathesaurus.
VOCABULARIES = (("INVA", "ENG", ("PT", "SY", "FN")), ("INVB", "ENG", ("PN", "AB")), ("INVSPA", "SPA", ("PT", "SY")))
VERSION = "2026AA"
DATE = "20260101"


@dataclass(frozen=True, slots=True)
class Invented:
    """A concept by its number, from 0, with its names, the preferred one first, and the numbers of its relatives."""

    number: int
    names: tuple[str, ...]
    parents: tuple[int, ...]
    children: tuple[int, ...]
    kind: int


def invent(concepts: int, names: int, seed: int) -> Iterator[Invented]:
    """Concepts with about so many names together, each at least one."""
    chance = random.Random(seed)
    vocabulary = [_word(chance) for _ in range(WORDS)]
    pool: list[str] = []
    left = names
    for number in range(concepts):
        mean = max(left / (concepts - number), 1.0)
        count = 1 if mean <= 1 else 1 + int(chance.expovariate(1 / (mean - 0.5)))
        own = dict.fromkeys(_name(chance, vocabulary, pool) for _ in range(count))
        left -= len(own)
        parents = tuple(dict.fromkeys((number - 1) // width for width in ARITIES)) if number else ()
        below = (child for width in ARITIES for child in range(width * number + 1, width * number + width + 1))
        children = tuple(dict.fromkeys(child for child in below if child < concepts))
        yield Invented(number, tuple(own), parents, children, chance.randrange(len(SEMANTIC_TYPES)))


def _word(chance: random.Random) -> str:
    syllables = (
        chance.choice(_ONSETS) + chance.choice(_VOWELS) + chance.choice(_CODAS) for _ in range(chance.randint(1, 3))
    )
    return "".join(syllables) + chance.choice(_ENDINGS)


def _name(chance: random.Random, vocabulary: Sequence[str], pool: list[str]) -> str:
    if len(pool) == POOL and chance.random() < SHARED:
        return pool[int(POOL * chance.random())]
    # Few words are frequent, as in any language.
    words = [vocabulary[int(WORDS * chance.random() ** 3)] for _ in range(1 + int(4 * chance.random()))]
    name = " ".join(words) + _QUALIFIERS[int(len(_QUALIFIERS) * chance.random())]
    name = name[0].upper() + name[1:] if chance.random() < 0.7 else name
    if len(pool) < POOL:
        pool.append(name)
    else:
        pool[int(POOL * chance.random())] = name
    return name


class _Files:
    """Text files of a release, open together."""

    def __init__(self, folder: Path, stack: ExitStack, *, newline: str) -> None:
        self._folder, self._stack, self._newline = folder, stack, newline

    def open(self, path: str) -> Callable[[str], int]:
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return self._stack.enter_context(target.open("w", encoding="utf-8", newline=self._newline)).write


def write_rrf(folder: Path, *, concepts: int, names: int, seed: int) -> None:
    """MRCONSO, MRSTY, MRREL, MRCUI and MRSAB."""
    with ExitStack() as stack:
        files = _Files(folder, stack, newline="\n")
        conso, sty, rel, cui, sab = (files.open(f"MR{n}.RRF") for n in ("CONSO", "STY", "REL", "CUI", "SAB"))
        for row in _vocabulary_rows():
            sab(row)
        atoms = relations = 0
        for concept in invent(concepts, names, seed):
            me = _cui(concept.number)
            rows = [_atom_row(me, at, name, atoms + at) for at, name in enumerate(concept.names)]
            atoms += len(rows)
            conso("".join(sorted(rows)))
            tui, number, kind = SEMANTIC_TYPES[concept.kind]
            sty(f"{me}|{tui}|{number}|{kind}|AT{concept.number:08}||\n")
            edges = [("CHD", child) for child in concept.children] + [("PAR", parent) for parent in concept.parents]
            for relation, other in edges:
                relations += 1
                rel(f"{me}||CUI|{relation}|{_cui(other)}||CUI||R{relations:08}||INVA|INVA|||N||\n")
        for number in range(concepts // RETIRED):
            cui(f"{_cui(concepts + number)}|2025AB|SY|||{_cui(number * RETIRED)}|Y|\n")


def _cui(number: int) -> str:
    return f"C{number + 1:07}"


def _atom_row(me: str, at: int, name: str, atom: int) -> str:
    rsab, language, term_types = VOCABULARIES[at % len(VOCABULARIES)]
    term_type = term_types[at // len(VOCABULARIES) % len(term_types)]
    status, form, preferred = ("P", "PF", "Y") if at == 0 else ("S", "PF" if at % 2 else "VO", "Y" if at % 2 else "N")
    ids = f"L{atom:08}|{form}|S{atom:08}|{preferred}|A{atom:08}"
    return f"{me}|{language}|{status}|{ids}||{me[1:]}||{rsab}|{term_type}|{me[1:]}|{name}|0|N||\n"


def _vocabulary_rows() -> Iterator[str]:
    for at, (rsab, language, term_types) in enumerate((*VOCABULARIES, ("MTH", "ENG", ("PN",)))):
        name = f"Invented vocabulary {at + 1}"
        cui = f"C999999{at}"
        what = f"{cui}|{cui}|{rsab}{VERSION}|{rsab}|{name}|{rsab}|{VERSION}|||{VERSION}||||0|||"
        yield f"{what}|{','.join(term_types)}||{language}|UTF-8|Y|Y|{name}|{name}. {VERSION}.|\n"


MODULE, PRIMITIVE, ROOT, IS_A = "900000000000207008", "900000000000074008", "138875005", "116680003"
FSN, SYNONYM, CASE = "900000000000003001", "900000000000013009", "900000000000448009"
INFERRED, SOME = "900000000000011006", "900000000000451002"
ENGLISH, PREFERRED, ACCEPTABLE = "900000000000509007", "900000000000548007", "900000000000549004"
SAME_AS = "900000000000527005"
NAMESPACE = "1999999"  # of an extension: the ids of the International Edition are taken

_RF2 = {
    "Terminology/sct2_Concept_Snapshot_INT_{date}.txt": "definitionStatusId",
    "Terminology/sct2_Description_Snapshot-en_INT_{date}.txt": "conceptId languageCode typeId term caseSignificanceId",
    "Terminology/sct2_Relationship_Snapshot_INT_{date}.txt": "sourceId destinationId relationshipGroup typeId "
    "characteristicTypeId modifierId",
    "Refset/Language/der2_cRefset_LanguageSnapshot-en_INT_{date}.txt": "refsetId referencedComponentId acceptabilityId",
    "Refset/Content/der2_cRefset_AssociationSnapshot_INT_{date}.txt": "refsetId referencedComponentId "
    "targetComponentId",
}


def write_rf2(folder: Path, *, concepts: int, names: int, seed: int) -> None:
    """Concept, Description, Relationship, Language and Association files of a snapshot."""
    with ExitStack() as stack:
        files = _Files(folder / "Snapshot", stack, newline="\r\n")
        rows = []
        for path, columns in _RF2.items():
            rows.append(files.open(path.format(date=DATE)))
            rows[-1]("\t".join(("id", "effectiveTime", "active", "moduleId", *columns.split())) + "\n")
        concept_row, description_row, relationship_row, language_row, association_row = rows
        descriptions = relationships = 0
        for concept in invent(concepts, names, seed):
            me = _concept_id(concept.number)
            concept_row(_row(me, PRIMITIVE))
            full = f"{concept.names[0]} ({TAGS[concept.kind]})"
            for at, name in enumerate((full, *concept.names)):
                descriptions += 1
                description = sctid(descriptions, "11")
                description_row(_row(description, me, "en", SYNONYM if at else FSN, name, CASE))
                accepted = PREFERRED if at < 2 else ACCEPTABLE
                language_row(_row(_member(descriptions), ENGLISH, description, accepted))
            for parent in concept.parents:
                relationships += 1
                about = (me, _concept_id(parent), "0", IS_A, INFERRED, SOME)
                relationship_row(_row(sctid(relationships, "12"), *about))
        for number in range(concepts // RETIRED):
            retired = _concept_id(concepts + number)
            concept_row(_row(retired, PRIMITIVE, active="0"))
            descriptions += 1
            old = f"Retired concept {number} (disorder)"
            description_row(_row(sctid(descriptions, "11"), retired, "en", FSN, old, CASE))
            about = (SAME_AS, retired, _concept_id(number * RETIRED))
            association_row(_row(_member(-1 - number), *about))


def _row(identifier: str, *fields: str, active: str = "1") -> str:
    return "\t".join((identifier, DATE, active, MODULE, *fields)) + "\n"


def _concept_id(number: int) -> str:
    return sctid(number, "10") if number else ROOT


def _member(number: int) -> str:
    return str(uuid.UUID(int=number % (1 << 128)))


# Verhoeff's check digit: the dihedral group of ten elements, and its permutation.
_TIMES = [[(i + j) % 5 if j < 5 else 5 + (i + j) % 5 for j in range(10)] for i in range(5)] + [
    [5 + (i - j) % 5 if j < 5 else (i - j) % 5 for j in range(10)] for i in range(5, 10)
]
_STEP = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
_TURNED = [list(range(10))]
for _ in range(7):
    _TURNED.append([_STEP[digit] for digit in _TURNED[-1]])


def sctid(item: int, partition: str) -> str:
    """The SNOMED CT identifier of an extension's component: item, namespace, partition, check digit."""
    digits = f"{10_000_000 + item}{NAMESPACE}{partition}"
    return digits + check_digit(digits)


def check_digit(digits: str) -> str:
    """The digit that makes Verhoeff's check of `digits` and itself come out."""
    check = 0
    for at, digit in enumerate(reversed(digits), 1):
        check = _TIMES[check][_TURNED[at % 8][int(digit)]]
    return str(_TIMES[check].index(0))


WRITERS = {"rrf": write_rrf, "rf2": write_rf2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("format", choices=WRITERS)
    parser.add_argument("--concepts", type=int, default=100_000)
    parser.add_argument("--names", type=int, default=400_000, help="of all concepts together, about")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    began = time.perf_counter()
    WRITERS[options.format](options.out, concepts=options.concepts, names=options.names, seed=options.seed)
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"{options.out}: {size / 2**20:,.0f} MiB in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
