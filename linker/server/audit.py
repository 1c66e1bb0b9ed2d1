"""The audit log: who asked what, when, and how it ended, a JSON line a call. Never what was in it.

    {"time": "2026-11-23T09:15:02.113000+00:00", "request_id": "0b7c...", "client": "key:etl-2026",
     "peer": "ipv4:10.0.0.7:51122", "method": "/linker.v1.LinkingService/LinkMentions", "items": 64,
     "status": "OK", "duration_ms": 41.2, "bundle_digest": "9c1d..."}

A line is in the file before the client can know that the call has ended. The file is opened anew when it was moved, so
logrotate needs neither a signal nor `copytruncate`. Health checks are left out.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path

from linker.errors import InvalidInput
from linker.server.calls import Call


class AuditLog:
    """Appends to a file."""

    def __init__(self, path: Path) -> None:
        """Raises `InvalidInput` where the file cannot be written."""
        try:
            self._file = WatchedFileHandler(path, encoding="utf-8")
        except OSError as error:
            raise InvalidInput(f"{path}: cannot be written ({error.strerror})", field="--audit-log") from None

    def call_began(self, call: Call) -> None:
        """Nothing is written yet: how it ends is not known."""

    def call_ended(self, call: Call) -> None:
        """Write the line. Raises OSError."""
        if call.is_probe:
            return
        self._file.reopenIfNeeded()
        if self._file.stream is not None:  # it is None once closed
            self._file.stream.write(json.dumps(_line(call)) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


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
