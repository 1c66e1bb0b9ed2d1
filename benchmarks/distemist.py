"""DisTEMIST against HPO and MeSH: its mentions with the gold of its crosswalks, and dictionaries with Spanish names.

    python benchmarks/distemist.py CORPUS NAMES --out distemist
    linker build distemist/hpo.es.tsv --encoder models/es --no-reranker --out distemist/bundle
    linker evaluate distemist/dev.hpo.jsonl -b distemist/bundle --rerank never

CORPUS is a folder with train.jsonl.xz and dev.jsonl.xz, whose mentions carry `hpo` and `mesh` beside their SNOMED CT
gold; a mention without one, with several joined by `+`, or of several concepts is left out. NAMES is a folder of tables
`*.names.tsv.xz` (concept id, language, name, kind, note) and `mesh2024_en.xrefs.tsv.xz` (concept id, tree number).

Written are {train,dev}.{hpo,mesh}.jsonl, and for either target a dictionary of its English names, `.en.tsv`, and one
with Spanish names as well, `.es.tsv`: HPO's own translation, and the Spanish names that HPO, DOID, ICD-10 and ICD-11
give concepts with the same English name. Of MeSH the trees A, C, E, F, G and M count, without chemicals, organisms and
places. No name comes from the corpus.
"""

from __future__ import annotations

import argparse
import csv
import json
import lzma
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from linker.surface import normalise

_PREFIX = {"hpo": "", "mesh": "MESH:"}  # of the ids as mentions carry them
_TABLE = {"hpo": "hpo_multilingual", "mesh": "mesh2024_en"}
_TRANSLATED = ("hpo_multilingual", "doid_en_es", "icd10_multilingual", "icd11_en_es")
_TREES = frozenset("ACEFGM")

Rows = dict[str, dict[str, str]]  # concept id -> normalised name -> name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("names", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    spanish = spanish_by_english(options.names)
    for target in _PREFIX:
        for part in ("train", "dev"):
            kept, left = write_mentions(options.corpus, part, target, options.out)
            print(f"{part}.{target}: {kept:,} mentions; {left:,} have no single {target} id")
        english = _names(options.names, _TABLE[target], "en")
        if target == "mesh":
            wanted = _in_trees(options.names, set(english))
            english = {concept_id: names for concept_id, names in english.items() if concept_id in wanted}
        own = _names(options.names, _TABLE[target], "es")
        for concept_id, names in english.items():
            for name in names:
                own[concept_id].update(spanish.get(name, {}))
        _write(options.out / f"{target}.en.tsv", en=english)
        _write(options.out / f"{target}.es.tsv", en=english, es=own)
        print(f"{target}: {len(english):,} concepts, {sum(map(bool, own.values())):,} with a Spanish name")


def write_mentions(corpus: Path, part: str, target: str, out: Path) -> tuple[int, int]:
    """Write the mentions of one part with the gold of one crosswalk; how many were kept and left out."""
    kept = left = 0
    with (out / f"{part}.{target}.jsonl").open("w", encoding="utf-8") as stream:
        for line in _lines(corpus / f"{part}.jsonl.xz"):
            note = json.loads(line)
            mentions = [_with_gold(row, target) for row in note["mentions"] if _has_one(row, target)]
            kept, left = kept + len(mentions), left + len(note["mentions"]) - len(mentions)
            stream.write(json.dumps(note | {"mentions": mentions}, ensure_ascii=False) + "\n")
    return kept, left


def _has_one(row: dict[str, object], target: str) -> bool:
    return "+" not in str(row.get(target, "+")) and not row.get("composite")


def _with_gold(row: dict[str, object], target: str) -> dict[str, object]:
    return row | {"gold": [f"{_PREFIX[target]}{row[target]}"]}


def spanish_by_english(folder: Path) -> Rows:
    """The Spanish names of concepts, by each normalised English name that they have."""
    found: Rows = defaultdict(dict)
    for table in _TRANSLATED:
        spanish = _names(folder, table, "es")
        for concept_id, names in _names(folder, table, "en").items():
            for name in names:
                found[name].update(spanish.get(concept_id, {}))
    return found


def _names(folder: Path, table: str, language: str) -> defaultdict[str, dict[str, str]]:
    names: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for line in _lines(folder / f"{table}.names.tsv.xz"):
        concept_id, tag, name, *_ = line.split("\t")
        if tag == language and normalise(name):
            names[concept_id].setdefault(normalise(name), " ".join(name.split()))
    return names


def _in_trees(folder: Path, concept_ids: set[str]) -> set[str]:
    """Those in a wanted tree, and those at the top of one, which have no number here."""
    trees: defaultdict[str, set[str]] = defaultdict(set)
    for line in _lines(folder / "mesh2024_en.xrefs.tsv.xz"):
        concept_id, number, *_ = line.split("\t")
        trees[concept_id].add(number.removeprefix("MeSHTree:")[0])
    return {concept_id for concept_id in concept_ids if trees[concept_id] & _TREES or not trees[concept_id]}


def _write(path: Path, **languages: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
        writer.writerow(("concept_id", "name", "language"))
        for language, concepts in languages.items():
            for concept_id, names in concepts.items():
                writer.writerows((concept_id, name, language) for name in names.values())


def _lines(path: Path) -> Iterator[str]:
    with lzma.open(path, "rt", encoding="utf-8", errors="replace") as stream:
        for line in stream:
            yield line.rstrip("\n")


if __name__ == "__main__":
    main()
