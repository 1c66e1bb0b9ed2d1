"""What patients say against the names that clinicians use: how well an encoder knows that nosebleed is epistaxis.

    python benchmarks/layperson.py HP.OBO --out layperson
    linker build layperson/names.tsv --no-reranker --out layperson/bundle
    linker evaluate layperson/held-out.jsonl layperson/others.jsonl -b layperson/bundle --rerank never

HPO marks synonyms that its authors wrote for patients. Written are names.tsv, all other names; and as mentions those
marked, as far as no concept has them as another name: of the concepts that `training.sources` holds out, of which
`starter-synonyms` learned no name of HPO (the run that it began from had, once), and 1,500 of the others.
"""

from __future__ import annotations

import argparse
import lzma
from collections.abc import Iterator
from pathlib import Path
from random import Random

import fastobo
from translations import write_mentions, write_table

from linker.surface import normalise
from training.sources import held_out

_OTHERS = 1500
Named = tuple[str, str, bool]  # concept id, name, whether it is for patients


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path, help="hp.obo, plain or .xz")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    names = [named for frame in read_terms(options.release) for named in names_of(frame)]
    write_table(options.out / "names.tsv", [(concept_id, name) for concept_id, name, lay in names if not lay])
    known = {normalise(name) for _, name, lay in names if not lay}
    lay = [(concept_id, name) for concept_id, name, lay in names if lay and normalise(name) not in known]
    held = [row for row in lay if row[0] in held_out()]
    others = [row for row in lay if row[0] not in held_out()]
    Random(1).shuffle(others)
    for title, rows in (("held-out", held), ("others", others[:_OTHERS])):
        write_mentions(options.out / f"{title}.jsonl", rows)
        print(f"{title}: {len(rows):,} names")


def read_terms(release: Path) -> Iterator[fastobo.term.TermFrame]:
    """Terms that are in use."""
    with lzma.open(release) if release.suffix == ".xz" else release.open("rb") as stream:
        for frame in fastobo.iter(stream):
            tags = {clause.raw_tag() for clause in frame}
            if isinstance(frame, fastobo.term.TermFrame) and "is_obsolete" not in tags:
                yield frame


def names_of(frame: fastobo.term.TermFrame) -> Iterator[Named]:
    """The name and the synonyms of a term."""
    for clause in frame:
        if clause.raw_tag() == "name":
            yield str(frame.id), clause.name, False
        elif clause.raw_tag() == "synonym":
            yield str(frame.id), clause.synonym.desc, str(clause.synonym.type) == "layperson"


if __name__ == "__main__":
    main()
