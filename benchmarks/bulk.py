"""Bulk annotation by local workers: notes a second by number of workers, whether cost is linear, and memory.

    python benchmarks/bulk.py BUNDLE CORPUS.jsonl.xz... [--notes 800] [--workers 1 2] [--detect names] [--long 5000000]

Each row is a whole job, from the start of its workers to its report. ratio: notes a second against the first row.
memory: the most that the driver, and a worker, held. The row `half` has half of the notes, the row `long` a note
of so many characters in place of one.
"""

from __future__ import annotations

import argparse
import json
import lzma
import tempfile
import threading
from itertools import cycle, islice
from pathlib import Path
from time import sleep

from machine import describe

from linker.bulk.annotator import BatchAnnotator
from linker.bulk.job import Job, run
from linker.bulk.sinks.parquet import ParquetSink
from linker.bulk.source import Columns
from linker.bulk.sources.jsonlines import JsonLinesSource
from linker.bundles import bundle_path
from linker.detection.choice import Detect
from linker.options import Options
from linker.records import RerankMode


class Watch(threading.Thread):
    """The most memory that the processes of a job held, in MiB, the driver apart from its workers."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.driver = self.worker = 0.0
        self.is_over = False

    def run(self) -> None:
        while not self.is_over:
            self.driver = max(self.driver, held("self"))
            for children in Path("/proc/self/task").glob("*/children"):
                self.worker = max([self.worker, *map(held, children.read_text().split())])
            sleep(0.1)


def held(pid: str) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("corpora", nargs="+", type=Path)
    parser.add_argument("--notes", type=int, default=800)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--long", type=int, default=0, help="characters")
    parser.add_argument("--rerank", type=RerankMode, default=RerankMode.AUTO)
    parser.add_argument("--detect", type=Detect, default=Detect.BOTH)
    args = parser.parse_args()
    texts: list[str] = []
    for corpus in args.corpora:
        with lzma.open(corpus) as lines:
            texts += [json.loads(line)["text"] for line in lines]
    notes = list(islice(cycle(texts), args.notes))
    print(describe())
    words = sum(len(note.split()) for note in notes) / len(notes)
    print(f"{len(notes):,} notes of {words:.0f} words, {len(set(notes)):,} of them different; {args.bundle}")
    print(f"{'':16}  workers  seconds  notes/s  mentions/s  ratio  driver  worker, MiB")
    first = 0.0
    most = max(args.workers)
    cases = [("all", notes, workers) for workers in args.workers]
    cases += [("half", notes[: len(notes) // 2], most)]
    if args.long:
        repeats = 1 + args.long // sum(map(len, notes))
        cases += [("long", [*notes[1:], " ".join(notes * repeats)[: args.long]], most)]
    for name, of, workers in cases:
        with tempfile.TemporaryDirectory() as folder:
            rate = measure(name, of, workers, Path(folder), args, first)
        first = first or rate


def measure(name: str, notes: list[str], workers: int, folder: Path, args: argparse.Namespace, first: float) -> float:
    file = folder / "notes.jsonl"
    file.write_text("".join(json.dumps({"note_id": n, "text": text}) + "\n" for n, text in enumerate(notes)))
    how = BatchAnnotator(str(bundle_path(args.bundle)), Options(top_k=1, rerank=args.rerank), detect=args.detect)
    job = Job(JsonLinesSource((file,), Columns()), how, ParquetSink(), folder / "out", workers, chunk_notes=50)
    watch = Watch()
    watch.start()
    outcome = run(job)
    watch.is_over = True
    watch.join()
    rate, mentions = outcome.notes / outcome.elapsed_s, outcome.summary.mentions / outcome.elapsed_s
    row = f"{name:16} {workers:8} {outcome.elapsed_s:8.1f} {rate:8.1f} {mentions:11.0f} {rate / (first or rate):6.2f}"
    print(f"{row} {watch.driver:7.0f} {watch.worker:7.0f}", flush=True)
    return rate


if __name__ == "__main__":
    main()
