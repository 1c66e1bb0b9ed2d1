"""Detection on raw notes with gold mentions: spans alone, then spans with their concepts, and what it costs.

    python benchmarks/detection.py BUNDLE CORPUS.jsonl.xz [--prefix MESH]

strict: begin and end are the gold's. relaxed: they overlap. Each span counts once; the
parts of a coordination have one span. end to end: strict, and an id of the link is one of the gold's.
"""

from __future__ import annotations

import argparse
import json
import lzma
import resource
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time

from linker import Linker
from linker.annotation import AnnotatedNote, Annotator
from linker.outcomes import identifiers

Place = tuple[int, int]


def f1(right_found: int, found: int, right_gold: int, gold: int) -> str:
    precision, recall = right_found / max(found, 1), right_gold / max(gold, 1)
    harmonic = 2 * precision * recall / max(precision + recall, 1e-9)
    return f"precision {precision:.3f}  recall {recall:.3f}  F1 {harmonic:.3f}"


def overlaps(one: Place, others: Sequence[Place]) -> bool:
    return any(one[0] < end and begin < one[1] for begin, end in others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--prefix", default="")
    args = parser.parse_args()
    with lzma.open(args.corpus) as lines:
        notes = [json.loads(line) for line in lines]
    texts = [note["text"] for note in notes]
    linker = Linker.open(args.bundle, workers=1)
    annotator = Annotator(linker)

    detector = annotator.detector()
    detector.detect(texts[:1])
    started = process_time()
    detector.detect(texts)
    detection_s = process_time() - started
    started, wall = process_time(), perf_counter()
    annotated = [note for text in texts for note in annotator.annotate([text])]
    spent, elapsed = process_time() - started, perf_counter() - wall
    report(args.prefix, notes, annotated)
    print(f"detection {len(texts) / detection_s:,.0f} notes per CPU second; ", end="")
    print(f"all of it {len(texts) / spent:,.0f}, {len(texts) / elapsed:,.0f} a second")
    print(f"{sum(len(t.split()) for t in texts) / len(texts):.0f} words a note; ", end="")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


def report(prefix: str, notes: list[dict], annotated: Sequence[AnnotatedNote]) -> None:
    strict = found = gold = relaxed_found = relaxed_gold = linked = 0
    for note, result in zip(notes, annotated, strict=True):
        wanted: dict[Place, set[str]] = {}
        for mention in note["mentions"]:
            ids = {f"{prefix}:{g}" if prefix and ":" not in g else g for g in mention["gold"]}
            wanted.setdefault((mention["begin"], mention["end"]), set()).update(ids)
        got: dict[Place, set[str]] = {}
        for m in result.mentions:
            answer = m.link.concept
            ids = identifiers(answer) if answer else set()
            got.setdefault((m.span.begin, m.span.end), set()).update(ids)
        strict += len(wanted.keys() & got.keys())
        found, gold = found + len(got), gold + len(wanted)
        relaxed_found += sum(overlaps(place, list(wanted)) for place in got)
        relaxed_gold += sum(overlaps(place, list(got)) for place in wanted)
        linked += sum(bool(wanted[place] & ids) for place, ids in got.items() if place in wanted)
    print(f"{len(notes):,} notes, {gold:,} gold spans, {found:,} found")
    print("strict     ", f1(strict, found, strict, gold))
    print("relaxed    ", f1(relaxed_found, found, relaxed_gold, gold))
    print("end to end ", f1(linked, found, linked, gold))


if __name__ == "__main__":
    main()
