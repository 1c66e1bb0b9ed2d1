"""Seconds, memory and disk that a release takes on its way to the tables of a bundle, before anything is encoded.

    python benchmarks/releases.py rrf --concepts 1000000 --names 4000000 --out RELEASE
    python benchmarks/collect.py RELEASE --work FOLDER [--threads 2] [--memory 2GB]

The folder holds the spilled records and then the tables; it must not exist, and stays.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from threading import Event, Thread

import machine

from ontologies import joining
from ontologies.collecting import Collector
from ontologies.readers import read
from ontologies.readers.options import Problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", default=joining.MEMORY, help="that the database may take")
    options = parser.parse_args()
    joining.MEMORY = options.memory
    print(machine.describe())
    collector = Collector(options.work)
    with DiskUse(options.work) as used:
        stages = {}
        began = time.perf_counter(), time.process_time()
        collector.add(read(options.release))
        stages["read and normalise"] = time.perf_counter() - began[0], time.process_time() - began[1]
        began = time.perf_counter(), time.process_time()
        tables = collector.tables(problems=Problems(), threads=options.threads)
        stages["join and write"] = time.perf_counter() - began[0], time.process_time() - began[1]
    for stage, (wall, processor) in stages.items():
        print(f"{stage:20} {wall:8.1f} s, {processor:8.1f} s of processor")
    print(f"{len(tables.concepts):,} concepts, {len(tables.names):,} names, {len(tables.crosswalk):,} codes")
    print(f"peak: {machine.peak_rss():,.0f} MiB of memory, {used.peak / 2**20:,.0f} MiB of disk")


class DiskUse:
    """Watches what the files of a folder take together; `peak` in bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._ended, self.peak = folder, Event(), 0
        self._thread = Thread(target=self._watch)

    def __enter__(self) -> DiskUse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.2):
            try:
                self.peak = max(self.peak, sum(p.stat().st_size for p in self._folder.rglob("*") if p.is_file()))
            except FileNotFoundError:  # one was removed between the listing and the look
                continue


if __name__ == "__main__":
    main()
