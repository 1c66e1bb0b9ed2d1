"""A translator: any function of the user's that turns a list of strings into a list of as many strings.

`module:function` names it. In place of a string it may return a pair, of the translation and which of its words come
from which: "0-0 1-2", words as white space separates them, numbered from 0 (as fast_align and eflomal write it).
"""

from __future__ import annotations

import importlib
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linker.console import progress
from linker.errors import InvalidInput
from training.errors import TrainingError

_FUNCTION = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<function>[A-Za-z_]\w*)")
_LINKS = re.compile(r"(\d+)-(\d+)")
_SLICE = 256  # texts given to it at once

Translator = Callable[[Sequence[str]], "list[Translation]"]


@dataclass(frozen=True, slots=True)
class Translation:
    """A text in the other language. links: (word of the source, word of this), where the function says so."""

    text: str
    links: tuple[tuple[int, int], ...] | None = None


def load_translator(name: str) -> Translator:
    """What translates texts, in their order. Modules of the working folder are found.

    Raises `InvalidInput` where there is no such function. What it returns raises `TrainingError` where the function
    fails, or gives something else than as many translations; neither says what the texts are.
    """
    found = _FUNCTION.fullmatch(name)
    if found is None:
        raise InvalidInput(f"expected module:function, got {name}", field="--translate")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        function = getattr(importlib.import_module(found["module"]), found["function"])
    except (ImportError, AttributeError) as error:
        message = f"{name}: {error}. Install the package that has it, or run where the module is"
        raise InvalidInput(message, field="--translate") from error
    if not callable(function):
        raise InvalidInput(f"{name}: expected a function, got {type(function).__name__}", field="--translate")
    return lambda texts: _translated(function, name, texts)


def _translated(function: Callable[[list[str]], Any], name: str, texts: Sequence[str]) -> list[Translation]:
    translations = []
    with progress("Translating", len(texts), "texts") as advance:
        for start in range(0, len(texts), _SLICE):
            chunk = list(texts[start : start + _SLICE])
            translations += _checked(_called(function, name, chunk), name, len(chunk))
            advance(len(chunk))
    return translations


def _called(function: Callable[[list[str]], Any], name: str, texts: list[str]) -> Any:
    try:
        return function(texts)
    except Exception as error:
        # Its message may hold what it was given, and so may what it comes from.
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        message = f"translator {name}: raised {type(error).__name__} at {where}, given {len(texts):,} texts"
        raise TrainingError(message) from None


def _checked(given: Any, name: str, count: int) -> list[Translation]:
    if not isinstance(given, list | tuple):
        raise TrainingError(f"translator {name}: expected a list of {count:,} strings, got {type(given).__name__}")
    if len(given) != count:
        raise TrainingError(f"translator {name}: expected {count:,} translations, one a text, got {len(given):,}")
    translations = [_translation(one, name) for one in given]
    if not any(one.text for one in translations):
        raise TrainingError(f"translator {name}: all of {count:,} translations are empty")
    return translations


def _translation(given: Any, name: str) -> Translation:
    match given:
        case str():
            return Translation(given.strip())
        case (str() as text, str() as links) if not _LINKS.sub("", links).strip():
            return Translation(text, tuple((int(one), int(other)) for one, other in _LINKS.findall(links)))
    raise TrainingError(
        f"translator {name}: expected strings, or pairs of a string and its alignment such as '0-0 1-2', got "
        f"{type(given).__name__}"
    )
