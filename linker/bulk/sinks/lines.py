"""Objects of a chunk as lines of JSON, for formats in which a chunk may have none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from linker.publishing import publish_file


def publish_lines(target: Path, objects: Sequence[Mapping[str, Any]]) -> None:
    """Publish a line for each, or no file: one of a chunk that is written again goes. Raises OSError."""
    if not objects:
        target.unlink(missing_ok=True)
        return
    with publish_file(target) as file:
        file.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in objects), "utf-8", newline="")
