"""`kill -9` of driver and workers, anywhere: the same command goes on, and no row is lost, doubled or altered."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.linker.bulk.conftest import notes, write_notes, written

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for worker processes in /proc")


def command(bundle: Path, file: Path, out: Path, *, chunk_notes: int) -> list[str]:
    asked = ["--bundle", str(bundle), "--out", str(out), "--workers", "2", "--chunk-notes", str(chunk_notes)]
    return [sys.executable, "-m", "linker", "bulk", str(file), *asked]


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


def check(bundle: Path, folder: Path, *, count: int, chunk_notes: int, kills: int, within_s: float) -> None:
    file = write_notes(folder / "notes.jsonl", notes(count))
    subprocess.run(command(bundle, file, folder / "whole", chunk_notes=chunk_notes), check=True, capture_output=True)
    again = command(bundle, file, folder / "killed", chunk_notes=chunk_notes)
    journal = folder / "killed/job/finished.jsonl"
    killed = interrupted(again, journal, kills=kills, within_s=within_s, seed=count)
    assert killed == kills
    assert written(folder / "killed") == written(folder / "whole")
    assert written(folder / "killed").total() == count
    assert not list((folder / "killed").rglob(".*"))


def test_a_job_killed_a_few_times(bundle: Path, tmp_path: Path) -> None:
    check(bundle, tmp_path, count=400, chunk_notes=4, kills=3, within_s=0.2)


@pytest.mark.long
def test_a_job_killed_twenty_times(bundle: Path, tmp_path: Path) -> None:
    check(bundle, tmp_path, count=20_000, chunk_notes=50, kills=20, within_s=2.0)


def test_workers_end_with_their_driver(bundle: Path, tmp_path: Path) -> None:
    file = write_notes(tmp_path / "notes.jsonl", notes(5000))
    driver = subprocess.Popen(command(bundle, file, tmp_path / "out", chunk_notes=1000), stderr=subprocess.DEVNULL)
    while not (workers := workers_of(driver.pid)):
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    deadline = time.monotonic() + 60
    while any(read(Path(f"/proc/{worker}/cmdline")) for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
