"""Rules as data: section headers, and triggers of assertion by language. Users add their own files beside them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from linker.errors import InvalidInput

SECTIONS = Path(__file__).parent / "sections.toml"
TRIGGERS = tuple(Path(__file__).parent / f"{language}.toml" for language in ("en", "es"))


def read_rules(path: Path, table: str) -> list[dict[str, Any]]:
    """The tables `[[table]]` of a TOML file. Raises `InvalidInput` naming the file."""
    try:
        rules = tomllib.loads(path.read_text(encoding="utf-8"))[table]
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", field=str(path)) from error
    except (ValueError, KeyError) as error:
        raise InvalidInput(f"expected TOML with [[{table}]] tables", field=str(path)) from error
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise InvalidInput(f"expected [[{table}]] tables", field=str(path))
    return rules
