"""The names that the shipped models learn from, as tables that `linker build` and `linker train` read.

    python -m training.sources NAMES --unii UNII_Names.txt.xz --out sources

NAMES is a folder of tables `*.names.tsv.xz` (concept id, language, name, kind, note) and `*.xrefs.tsv.xz` (concept id,
code, relation), made from the releases that `SOURCES` names. Only openly licensed terminologies are taken, and of them
English names; a code counts as exact where its release says so. Of the FDA's list of substances (UNII) those are taken
that MeSH names too: it knows what drugs are called in shops, laboratories and other countries. `mesh-substances.tsv` is
the other side of that: the MeSH descriptors that UNII names too. `mesh-diseases.tsv` are those of diseases and mental
disorders, an open dictionary for gold mentions that name MeSH.

`hpo-translated.tsv` and `doid-translated.tsv` have names in other languages beside the English ones, to align by. No
table holds a concept of HPO that is held out, and these two none that shares a name with one: on those it is measured
how well names are found across languages (`benchmarks/translations.py`) and from what patients say
(`benchmarks/layperson.py`).
"""

from __future__ import annotations

import csv
import lzma
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from linker.console import stderr
from linker.surface import normalise

_LONGEST = 100  # characters; longer names are systematic ones of chemicals, which no note holds
_CROSSWALKS = {"SCTID": "SNOMED", "mesh": "MESH", "Orphanet": "ORPHA", "NCIT": "NCIT", "DOID": "DOID"}
_DISEASES = ("MeSHTree:C", "MeSHTree:F03")  # trees of diseases and of mental disorders
_TAGS = ("disorder", "finding", "body structure", "procedure", "situation", "substance", "morphologic abnormality")

LANGUAGES = ("es", "fr", "de", "nl", "pt")  # of HPO's translations, those of which there is enough
HELD_OUT = Path(__file__).parent / "recipes" / "held-out.txt"
_LONGEST_TRANSLATED = 120

Row = tuple[str, str, str, str]  # concept id, name, language, codes


@dataclass(frozen=True, slots=True)
class Table:
    """A table to write: from which tables of names, and whether its codes are exact."""

    names: tuple[str, ...]
    exact: bool = False


SOURCES = {
    "mesh": Table(("mesh2024_en",)),
    "mondo": Table(("mondo_en",), exact=True),
    "hpo": Table(("hpo_multilingual",)),
    "doid": Table(("doid_en_es", "doid_2018")),
    "ncit": Table(("ncit_disease_2018",)),
    "orphanet": Table(("orphanet_en_2025-12", "ordo_2018")),
    "snomed-gps": Table(("snomed_gps_en",)),
}


def held_out() -> frozenset[str]:
    """The concepts of HPO of which no name is learned."""
    return frozenset(HELD_OUT.read_text(encoding="utf-8").split())


def write_sources(folder: Path, unii: Path, out: Path) -> dict[str, int]:
    """Write a TSV for each of `SOURCES`, `unii.tsv`, `mesh-substances.tsv`, `mesh-diseases.tsv` and the translated ones
    into `out`; how many names each has.

    Raises OSError.
    """
    out.mkdir(parents=True, exist_ok=True)
    without = held_out()
    tables = {name: [row for row in _rows(folder, table) if row[0] not in without] for name, table in SOURCES.items()}
    tables["unii"] = list(_substances(unii, {normalise(name) for _, name, *_ in tables["mesh"]}))
    substances = {normalise(name) for _, name, *_ in tables["unii"]}
    shared = {concept_id for concept_id, name, *_ in tables["mesh"] if normalise(name) in substances}
    tables["mesh-substances"] = [row for row in tables["mesh"] if row[0] in shared and not _is_code(row[1])]
    diseases = {row[0] for row in _read(folder / "mesh2024_en.xrefs.tsv.xz") if row[1].startswith(_DISEASES)}
    tables["mesh-diseases"] = [row for row in tables["mesh"] if row[0] in diseases]
    # The synonyms of HPO's translations are mostly English still, or mined from a corpus, but for the German ones.
    hpo = list(_translated(folder / "hpo_multilingual.names.tsv.xz", with_synonyms=("en", "de")))
    doid = list(_translated(folder / "doid_en_es.names.tsv.xz", with_synonyms=("en", "es")))
    hidden = {normalise(name) for concept_id, name, *_ in hpo if concept_id in without}
    tables["hpo-translated"] = list(_informative(hpo, hidden))
    informative = list(_informative(doid, hidden))
    spanish = {concept_id for concept_id, _, language, _ in informative if language == "es"}
    tables["doid-translated"] = [row for row in informative if row[0] in spanish]
    for name, rows in tables.items():
        with (out / f"{name}.tsv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
            writer.writerow(("concept_id", "name", "language", "codes"))
            writer.writerows(rows)
    return {name: len(rows) for name, rows in tables.items()}


def _substances(path: Path, known: set[str]) -> Iterator[Row]:
    """UNII substances with a name among `known`, without the brackets that say which list a name comes from."""
    substances: dict[str, dict[str, str]] = {}
    for name, _, code, *_ in islice(_read(path), 1, None):
        spelled = name.partition(" [")[0].strip()
        if normalise(spelled) and len(spelled) <= _LONGEST // 2 and not _is_code(spelled) and not _is_organism(spelled):
            substances.setdefault(code, {}).setdefault(normalise(spelled), spelled)
    for code, names in substances.items():
        if len(names) > 1 and not known.isdisjoint(names):
            yield from ((f"UNII:{code}", name, "en", "") for name in names.values())


def _is_code(name: str) -> bool:
    """Whether it is a laboratory's or a registry's number ("NSC 57630"), which nobody can learn."""
    return sum(map(str.isdigit, name)) > sum(map(str.isalpha, name))


def _is_organism(name: str) -> bool:
    """Whether it is a plant or an animal as such, which UNII calls so."""
    return name.lower().endswith(" whole")


def _rows(folder: Path, table: Table) -> Iterator[Row]:
    codes: dict[str, list[str]] = {}
    if table.exact:
        for concept_id, code, relation, *_ in _read(folder / f"{table.names[0]}.xrefs.tsv.xz"):
            prefix, _, local = code.partition(":")
            if relation == "exactMatch" and prefix in _CROSSWALKS:
                codes.setdefault(concept_id, []).append(f"{_CROSSWALKS[prefix]}:{local}=skos:exactMatch")
    seen: set[tuple[str, str]] = set()
    for part in table.names:
        for raw_id, language, name, kind, *_ in _read(folder / f"{part}.names.tsv.xz"):
            concept_id = raw_id.replace("Orphanet:", "ORPHA:")
            spelled = _without_tag(name) if kind == "FSN" else name
            key = concept_id, normalise(spelled)
            if language == "en" and key[1] and key not in seen and len(spelled) <= _LONGEST:
                seen.add(key)
                yield concept_id, spelled.strip().replace("\t", " "), "en", "|".join(codes.pop(concept_id, ()))


def _translated(path: Path, with_synonyms: tuple[str, ...]) -> Iterator[Row]:
    """Names in English and `LANGUAGES`: the preferred ones, and in some languages the others."""
    for concept_id, language, name, kind, *_ in _read(path):
        if language in with_synonyms or (language in LANGUAGES and kind == "PT"):
            yield concept_id, name.strip().replace("\t", " "), language, ""


def _informative(rows: Iterable[Row], hidden: set[str]) -> Iterator[Row]:
    """Names that say something new of their concept, of concepts without a name among `hidden`."""
    concepts: dict[str, dict[tuple[str, str], Row]] = {}
    for row in rows:
        concept_id, name, language, _ = row
        if (form := normalise(name)) and len(name) <= _LONGEST_TRANSLATED:
            concepts.setdefault(concept_id, {}).setdefault((language, form), row)
    for names in concepts.values():
        if hidden.isdisjoint(form for _, form in names):
            yield from (row for (tag, form), row in names.items() if tag == "en" or ("en", form) not in names)


def _without_tag(name: str) -> str:
    """A fully specified name without its semantic tag."""
    head, _, tag = name.rpartition(" (")
    return head if head and tag.removesuffix(")") in _TAGS else name


def _read(path: Path) -> Iterator[list[str]]:
    with lzma.open(path, "rt", encoding="utf-8", errors="replace") as stream:
        for line in stream:
            yield line.rstrip("\n").split("\t")


def main(
    names: Annotated[Path, typer.Argument(metavar="NAMES", help="Folder of *.names.tsv.xz and *.xrefs.tsv.xz.")],
    unii: Annotated[Path, typer.Option(help="The FDA's UNII_Names.txt, as .xz.")],
    out: Annotated[Path, typer.Option(help="Folder to write the tables to.")],
) -> None:
    """Write the tables that the shipped models learn from."""
    for name, count in write_sources(names, unii, out).items():
        stderr.print(f"{out / name}.tsv: {count:,} names")


if __name__ == "__main__":
    typer.run(main)
