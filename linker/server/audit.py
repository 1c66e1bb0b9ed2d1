"""The audit log: who asked what, when, and how it ended, a JSON line a call. Never what was in it.

    {"time": "2026-11-23T09:15:02.113000+00:00", "request_id": "0b7c...", "client": "key:etl-2026",
     "peer": "ipv4:10.0.0.7:51122", "method": "/linker.v1.LinkingService/LinkMentions", "items": 64,
     "status": "OK", "duration_ms": 41.2, "bundle_digest": "9c1d..."}

A line is in the file before the client can know that the call has ended. The file is opened anew when it was moved, so
logrotate needs neither a signal nor `copytruncate`. Health checks are left out.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

from linker.errors import InvalidInput
from linker.server.calls import Call


class AuditLog:
    """Appends to a file, which others than its owner and group cannot read."""

    def __init__(self, path: Path) -> None:
        """Raises `InvalidInput` where the file cannot be written."""
        self._path = path
        try:
            self._file = _opened(path)
        except OSError as error:
            raise InvalidInput(f"{path}: cannot be written ({error.strerror})", field="--audit-log") from None

    def call_began(self, call: Call) -> None:
        """Nothing is written yet: how it ends is not known."""

    def call_ended(self, call: Call) -> None:
        """Write the line. Raises OSError."""
        if call.is_probe:
            return
        if self._was_moved():
            self._file.close()
            self._file = _opened(self._path)
        self._file.write(json.dumps(_line(call)).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _was_moved(self) -> bool:
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            return True


def _opened(path: Path) -> FileIO:
    # Unbuffered: a line goes to the kernel whole and at once, and nothing of one that failed comes out with the next.
    return FileIO(path, "a", opener=lambda name, flags: os.open(name, flags, 0o640))


def _line(call: Call) -> dict[str, object]:
    return {
        "time": datetime.fromtimestamp(call.began_ns / 1e9, UTC).isoformat(),
        "request_id": call.request_id,
        "client": call.client,
        "peer": call.peer,
        "method": call.method,
        "items": call.items,
        "status": call.code.name,
        "duration_ms": round(call.duration_ns / 1e6, 3),
        "bundle_digest": call.bundle_digest,
    }
