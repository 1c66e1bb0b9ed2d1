"""Detection on raw notes with gold mentions, by names, by the trained model and by both: spans alone, then concepts.

    python benchmarks/detection.py BUNDLE CORPUS.jsonl.xz [--prefix MESH] [--model DIR]

strict: begin and end are the gold's. relaxed: they overlap. Each span counts once. The corpora give the parts of a
coordination ("breast and ovarian cancer") one span with several ids, so parts of ours that overlap count as the span
of them all, with the ids of each; --apart counts each by itself. end to end: strict, and an id of the link is one of
the gold's. by note: the set of concepts that a note has, wherever they stand in it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

from machine import describe, peak_rss

from linker import Linker
from linker.annotation import AnnotatedNote, Annotator
from linker.corpus import GoldNote, read_notes
from linker.detection.choice import Detect
from linker.detection.tagger import OnnxTagger
from linker.outcomes import identifiers

Place = tuple[int, int]


@dataclass(slots=True)
class Tally:
    """How many were found, how many of those are right, and how many of the gold ones were found."""

    found: int = 0
    gold: int = 0
    right: int = 0
    reached: int = 0

    def count(self, found: int, gold: int, right: int, reached: int) -> None:
        self.found, self.gold = self.found + found, self.gold + gold
        self.right, self.reached = self.right + right, self.reached + reached

    def __str__(self) -> str:
        precision, recall = self.right / max(self.found, 1), self.reached / max(self.gold, 1)
        return f"{precision:.3f} {recall:.3f} {2 * precision * recall / max(precision + recall, 1e-9):.3f}"


def overlaps(one: Place, others: Sequence[Place]) -> bool:
    return any(one[0] < end and begin < one[1] for begin, end in others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--prefix", default="")
    parser.add_argument("--model", type=Path, help="an exported detector; the shipped one without it")
    parser.add_argument("--apart", action="store_true", help="count the parts of a coordination by themselves")
    args = parser.parse_args()
    notes = list(read_notes(args.corpus, prefix=args.prefix))
    linker = Linker.open(args.bundle, workers=1)
    tagger = OnnxTagger(args.model) if args.model else None
    print(describe())
    print(f"{len(notes):,} notes of {sum(len(n.text.split()) for n in notes) / len(notes):.0f} words")
    print(f"{'precision, recall, F1':8}", *(f"{name:>18}" for name in ("strict", "relaxed", "end to end", "by note")))
    for detect in Detect:
        annotator = Annotator(linker, detect=detect, tagger=tagger)
        annotator.annotate([notes[0].text])
        started, wall = process_time(), perf_counter()
        annotated = [note for gold in notes for note in annotator.annotate([gold.text])]
        spent, elapsed = process_time() - started, perf_counter() - wall
        print(f"{detect:8}", *(f"{tally!s:>18}" for tally in tallies(notes, annotated, apart=args.apart)), end="  ")
        print(f"{len(notes) / spent:.0f} notes a CPU second, {len(notes) / elapsed:.0f} a second")
    print(f"peak memory {peak_rss():,.0f} MiB")


def spans(note: AnnotatedNote, *, apart: bool) -> dict[Place, set[str]]:
    """What was found, with the ids of its concepts."""
    found: dict[Place, set[str]] = {}
    for m in note.mentions:
        place = (m.span.begin, m.span.end)
        within = [] if apart else [other for other in found if overlaps(place, [other])]
        begin, end = min(b for b, _ in [place, *within]), max(e for _, e in [place, *within])
        ids = set().union(*(found.pop(other) for other in within))
        found.setdefault((begin, end), set()).update(ids, identifiers(m.link.concept) if m.link.concept else ())
    return found


def tallies(notes: Sequence[GoldNote], annotated: Sequence[AnnotatedNote], *, apart: bool = False) -> tuple[Tally, ...]:
    strict, relaxed, linked, by_note = (Tally() for _ in range(4))
    for note, result in zip(notes, annotated, strict=True):
        wanted: dict[Place, set[str]] = {}
        for mention in note.mentions:
            begin, end = mention.parts[0].begin, mention.parts[0].end
            if begin is not None and end is not None:
                wanted.setdefault((begin, end), set()).update(mention.gold)
        got = spans(result, apart=apart)
        same = len(wanted.keys() & got.keys())
        strict.count(len(got), len(wanted), same, same)
        near, reached = sum(overlaps(p, list(wanted)) for p in got), sum(overlaps(p, list(got)) for p in wanted)
        relaxed.count(len(got), len(wanted), near, reached)
        right = sum(bool(wanted[place] & ids) for place, ids in got.items() if place in wanted)
        linked.count(len(got), len(wanted), right, right)
        concepts = {m.link.concept.concept_id: m.link.concept for m in result.mentions if m.link.concept}
        meant = set().union(*wanted.values()) if wanted else set()
        hits = sum(bool(meant & identifiers(concept)) for concept in concepts.values())
        known = set().union(*map(identifiers, concepts.values())) if concepts else set()
        by_note.count(len(concepts), len(meant), hits, len(meant & known))
    return strict, relaxed, linked, by_note


if __name__ == "__main__":
    main()
