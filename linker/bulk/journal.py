"""What a job is, and what of it is finished: `OUT/job/`, from which a later run goes on.

`fingerprint.json` says what the output was made of and with. `finished.jsonl` has a line for each chunk that is
written, and one for each part of which all chunks are known. A line counts when it is whole: a kill while one is
written costs what it says, and that is done again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path
from typing import Any

from linker.bulk.chunks import Chunk
from linker.bulk.fingerprint import Fingerprint, differences
from linker.bulk.summary import Summary
from linker.errors import JobError
from linker.publishing import publish_file, remove_abandoned

FOLDER = "job"
_FINGERPRINT = "fingerprint.json"
_FINISHED = "finished.jsonl"


@contextmanager
def open_journal(out: Path, fingerprint: Fingerprint) -> Iterator[Journal]:
    """Begin a job in `out`, or go on with the one that is there; no other process can until it is closed.

    Raises OSError, and `JobError` where `out` is in use, or is not of this fingerprint.
    """
    _check(out, fingerprint)
    folder = out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _FINISHED).open("a+b") as stream:
        _lock(stream, out)
        _check(out, fingerprint)  # again, now that no other job can begin one there
        remove_abandoned(out)  # of killed drivers, and below of workers
        with publish_file(folder / _FINGERPRINT) as file:
            file.write_text(json.dumps(fingerprint, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        yield Journal(stream)
        remove_abandoned(out)


class Journal:
    """What is finished of a job, kept as it comes.

    chunks: those that are written, with their numbers of notes. lengths: how many chunks each part has, where that is
    known. summary: of all chunks.
    """

    def __init__(self, stream: BufferedRandom) -> None:
        """Read what there is, and leave out a last line that was not written to its end. Raises OSError."""
        self.chunks: dict[Chunk, int] = {}
        self.lengths: dict[int, int] = {}
        self.summary = Summary()
        self._stream = stream
        self._read()

    def finish_chunk(self, chunk: Chunk, summary: Summary) -> None:
        """Keep that a chunk is written. Raises OSError."""
        self._append({"chunk": [chunk.part, chunk.number], "summary": summary.to_dict()})
        self._count(chunk, summary)

    def finish_part(self, part: int, chunks: int) -> None:
        """Keep how many chunks a part has. Raises OSError."""
        self._append({"part": part, "chunks": chunks})
        self.lengths[part] = chunks

    def has_part(self, part: int) -> bool:
        """Are all chunks of a part written?"""
        return part in self.lengths and all(Chunk(part, number) in self.chunks for number in range(self.lengths[part]))

    def _count(self, chunk: Chunk, summary: Summary) -> None:
        if chunk not in self.chunks:
            self.chunks[chunk] = summary.notes
            self.summary += summary

    def _read(self) -> None:
        self._stream.seek(0)
        end = 0
        for raw in self._stream:
            line = _parsed(raw)
            if line is None:
                break
            end += len(raw)
            if "part" in line:
                self.lengths[line["part"]] = line["chunks"]
            else:
                self._count(Chunk(*line["chunk"]), Summary.from_dict(line["summary"]))
        self._stream.truncate(end)

    def _append(self, line: Mapping[str, Any]) -> None:
        self._stream.write(json.dumps(line, ensure_ascii=False).encode(errors="replace") + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())


def _lock(stream: BufferedRandom, out: Path) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise JobError(f"{out}: another process is writing to it; wait until it has ended") from error


def _parsed(raw: bytes) -> dict[str, Any] | None:
    """A line of the journal, None for one that was not written to its end."""
    try:
        return json.loads(raw) if raw.endswith(b"\n") else None
    except ValueError:
        return None


def _check(out: Path, fingerprint: Fingerprint) -> None:
    """Raise `JobError` where `out` is not a folder that this job may write to, and say why not."""
    if out.exists() and not out.is_dir():
        raise JobError(f"{out}: is a file, expected a folder; choose another --out")
    file = out / FOLDER / _FINGERPRINT
    if not file.exists():
        if out.exists() and any(path.name != FOLDER for path in out.iterdir()):
            raise JobError(f"{out}: is not empty and not the output of a job; choose another --out")
        return
    if not (out / FOLDER / _FINISHED).stat().st_size:  # begun, and nothing came of it
        return
    try:
        theirs: Fingerprint = json.loads(file.read_bytes())
    except ValueError as error:
        raise JobError(f"{file}: expected JSON; choose another --out") from error
    if told := differences(theirs, fingerprint):
        raise JobError(f"{out}: holds the output of another job: {told}. Choose another --out, or remove this one")
