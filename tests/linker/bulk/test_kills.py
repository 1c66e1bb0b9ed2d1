"""`kill -9` of driver and workers, anywhere: the same command goes on, and no row is lost, doubled or altered."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.linker.bulk.conftest import notes, write_notes, written

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for worker processes in /proc")


def as_lines(folder: Path, count: int) -> str:
    return str(write_notes(folder / "notes.jsonl", notes(count)))


def as_table(folder: Path, count: int) -> str:
    """A database whose keys have gaps."""
    rows = [(3 * place, note["text"]) for place, note in enumerate(notes(count))]
    with closing(sqlite3.connect(folder / "clinic.db")) as connection, connection:
        connection.execute("create table visits (note_id integer primary key, note_text text, person_id integer)")
        connection.executemany("insert into visits values (?, ?, 7)", rows)
    return f"sqlite:///{folder}/clinic.db#visits"


def command(bundle: Path, given: str, out: Path, *, chunk_notes: int) -> list[str]:
    asked = ["--bundle", str(bundle), "--out", str(out), "--workers", "2", "--chunk-notes", str(chunk_notes)]
    kept = ["--keep", "person_id"] if "://" in given else []
    return [sys.executable, "-m", "linker", "bulk", given, *asked, *kept]


def workers_of(driver: int) -> list[int]:
    """Its worker processes, of all its children."""
    children = read(Path(f"/proc/{driver}/task/{driver}/children")).split()
    return [int(child) for child in children if b"spawn_main" in read(Path(f"/proc/{child.decode()}/cmdline"))]


def read(file: Path) -> bytes:
    """What is in a file, nothing where there is none."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def interrupted(arguments: list[str], journal: Path, *, kills: int, within_s: float, seed: int) -> int:
    """Run until it ends by itself, killing a driver or a worker at random so many times. Gives how often it was.

    Every second kill, and no two in a row, may come while workers start: a job gives up where none ever is ready.
    """
    chance = random.Random(seed)
    killed = 0
    while True:
        driver = subprocess.Popen(arguments, stderr=subprocess.PIPE)
        while killed < kills:
            before = read(journal)
            while killed % 2 and read(journal) == before and driver.poll() is None:
                time.sleep(0.01)
            time.sleep(chance.uniform(0.0, within_s))
            if driver.poll() is not None:
                break
            victim = chance.choice([driver.pid, *workers_of(driver.pid)])
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed += 1
            if victim == driver.pid:
                break
        _, said = driver.communicate()
        if driver.returncode == 0:
            return killed
        assert driver.returncode == -signal.SIGKILL, said.decode()


def check(
    bundle: Path,
    folder: Path,
    write: Callable[[Path, int], str],
    *,
    count: int,
    chunk_notes: int,
    kills: int,
    within_s: float,
) -> None:
    given = write(folder, count)
    subprocess.run(command(bundle, given, folder / "whole", chunk_notes=chunk_notes), check=True, capture_output=True)
    again = command(bundle, given, folder / "killed", chunk_notes=chunk_notes)
    journal = folder / "killed/job/finished.jsonl"
    killed = interrupted(again, journal, kills=kills, within_s=within_s, seed=count)
    assert killed == kills
    assert written(folder / "killed") == written(folder / "whole")
    assert written(folder / "killed").total() == count
    assert not list((folder / "killed").rglob(".*"))


@pytest.mark.parametrize("write", [as_lines, as_table])
def test_a_job_killed_a_few_times(bundle: Path, tmp_path: Path, write: Callable[[Path, int], str]) -> None:
    check(bundle, tmp_path, write, count=400, chunk_notes=4, kills=3, within_s=0.2)


@pytest.mark.long
@pytest.mark.parametrize("write", [as_lines, as_table])
def test_a_job_killed_twenty_times(bundle: Path, tmp_path: Path, write: Callable[[Path, int], str]) -> None:
    check(bundle, tmp_path, write, count=20_000, chunk_notes=50, kills=20, within_s=2.0)


def test_workers_end_with_their_driver(bundle: Path, tmp_path: Path) -> None:
    given = as_lines(tmp_path, 5000)
    driver = subprocess.Popen(command(bundle, given, tmp_path / "out", chunk_notes=1000), stderr=subprocess.DEVNULL)
    while not (workers := workers_of(driver.pid)):
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    deadline = time.monotonic() + 60
    while any(read(Path(f"/proc/{worker}/cmdline")) for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
