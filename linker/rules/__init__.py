"""Rules as data: section headers, and triggers of assertion by language. Users add their own files beside them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from linker.errors import InvalidInput
from linker.language import EXPECTED, UNDETERMINED, is_tag, speaks

SECTIONS = Path(__file__).parent / "sections.toml"
TRIGGERS = tuple(Path(__file__).parent / f"{language}.toml" for language in ("de", "en", "es", "fr"))


def read_rules(path: Path, table: str) -> list[dict[str, Any]]:
    """The tables `[[table]]` of a TOML file, each with the file's `language` where it states none of its own, or "".

    Raises `InvalidInput` naming file and field.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        rules = content[table]
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", field=str(path)) from error
    except (ValueError, KeyError) as error:
        raise InvalidInput(f"expected TOML with [[{table}]] tables", field=str(path)) from error
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise InvalidInput(f"expected [[{table}]] tables", field=str(path))
    rules = [{"language": content.get("language", ""), **rule} for rule in rules]
    for position, rule in enumerate(rules):
        if rule["language"] != "" and not (isinstance(rule["language"], str) and is_tag(rule["language"])):
            raise InvalidInput(EXPECTED, field=f"{path}: {table}[{position}].language")
    return rules


def applies(language: str, note: str) -> bool:
    """Do rules of a language, "" for all, apply to a note of another? Where it is "und", those of each language do."""
    return not language or speaks(note, UNDETERMINED) or speaks(note, language)
