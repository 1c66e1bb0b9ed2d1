"""Names in other languages against the English names of HPO: what an encoder knows of concepts it never saw translated.

    python benchmarks/translations.py NAMES --out translations
    linker build translations/en.tsv --no-reranker --out translations/bundle
    linker evaluate translations/{es,fr,de,nl,pt}.jsonl -b translations/bundle --rerank never

NAMES is `hpo_multilingual.names.tsv.xz` (concept id, language, name, kind, note). Written are en.tsv, the English names
of all concepts, and for each language the translated names of the concepts that `training.sources` holds out, as far as
those are no English name of theirs. No name of these was in the training of the shipped encoder, in any language.
"""

from __future__ import annotations

import argparse
import csv
import json
import lzma
from collections import defaultdict
from pathlib import Path

from linker.surface import normalise
from training.sources import LANGUAGES, held_out

Names = list[tuple[str, str]]  # concept id, name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    english, translated = read_names(options.names)
    write_table(options.out / "en.tsv", english)
    for language in LANGUAGES:
        held = [(concept_id, name) for concept_id, name in translated[language] if concept_id in held_out()]
        write_mentions(options.out / f"{language}.jsonl", held)
        print(f"{language}: {len(held):,} names")


def read_names(path: Path) -> tuple[Names, dict[str, Names]]:
    """The English names, and the preferred ones of each other language that are no English name of their concept."""
    english: Names = []
    others: defaultdict[str, Names] = defaultdict(list)
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            concept_id, language, name, kind, *_ = line.rstrip("\n").split("\t")
            if language == "en":
                english.append((concept_id, name))
            elif kind == "PT":
                others[language].append((concept_id, name))
    known = {(concept_id, normalise(name)) for concept_id, name in english}
    return english, {
        tag: [row for row in rows if (row[0], normalise(row[1])) not in known] for tag, rows in others.items()
    }


def write_table(path: Path, names: Names) -> None:
    """A dictionary that `linker build` reads."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
        writer.writerow(("concept_id", "name", "language"))
        writer.writerows((concept_id, name, "en") for concept_id, name in names)


def write_mentions(path: Path, names: Names) -> None:
    """Each name a mention without context."""
    with path.open("w", encoding="utf-8") as stream:
        for concept_id, name in names:
            mention = {"begin": 0, "end": len(name), "mention": name, "gold": [concept_id]}
            note = {"doc_id": f"{path.stem} {concept_id}", "text": None, "mentions": [mention]}
            stream.write(json.dumps(note, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
