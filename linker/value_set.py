"""Value sets: the concepts that may be answers, from a file or a list of ids, and candidates generalised into them.

A file is a FHIR R4 ValueSet in JSON (https://hl7.org/fhir/R4/valueset.html; its expansion, or else the codes that
`compose.include.concept` enumerates) or text of one id a line, where blank lines and lines that begin with # are passed
over. An id is that of a concept, or an exact code of one as a CURIE.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linker.errors import InvalidInput
from linker.identifiers import prefix_of_system
from linker.records import Candidate
from linker.terminology import Terminology

_SPELLED = 5  # unknown ids that a message spells out


@dataclass(frozen=True, slots=True)
class Member:
    """One id of a value set. place: line or field of its file."""

    concept_id: str
    place: str


def generalised(
    candidates: Sequence[Candidate], sure: NDArray[np.float64], members: frozenset[int], terminology: Terminology
) -> tuple[list[Candidate], NDArray[np.float64]]:
    """Candidates outside a value set as their nearest ancestors inside it, each concept once, with their confidences.

    sure: confidence of each candidate, (n,), never rising: of candidates that become one, the first is the surest.
    members: rows of the concepts inside. Candidates without an ancestor inside are left out.
    """
    kept: dict[int, tuple[Candidate, float]] = {}
    for candidate, confidence in zip(candidates, sure.tolist(), strict=True):
        row = terminology.hierarchy.nearest(candidate.concept, members)
        if row is not None and row not in kept:
            kept[row] = (_as(candidate, row, terminology), confidence)
    return [candidate for candidate, _ in kept.values()], np.array([confidence for _, confidence in kept.values()])


def _as(candidate: Candidate, row: int, terminology: Terminology) -> Candidate:
    if row == candidate.concept:
        return candidate
    return replace(
        candidate,
        concept=row,
        concept_id=terminology.concept_id(row),
        preferred_name=terminology.preferred_name(row),
        semantic_types=terminology.semantic_types(row),
        generalised_from=candidate.concept_id,
    )


def known_members(ids: Iterable[str], terminology: Terminology) -> frozenset[int]:
    """Rows of the concepts with these ids. Raises `InvalidInput` where one is no current concept."""
    members, unknown = resolve((Member(concept_id, "") for concept_id in ids), terminology)
    if unknown:
        raise InvalidInput(_not_current(unknown, terminology), field="value_set")
    return members


def resolve(members: Iterable[Member], terminology: Terminology) -> tuple[frozenset[int], list[Member]]:
    """Rows of the concepts that may be answers, and the members that are no current concept."""
    rows: set[int] = set()
    unknown: list[Member] = []
    for member in members:
        found = terminology.current(member.concept_id)
        rows.update(found)
        if not found:
            unknown.append(member)
    return frozenset(rows), unknown


def open_value_set(path: Path, terminology: Terminology, *, lenient: bool) -> tuple[frozenset[str], list[Member]]:
    """The ids of a file that are current concepts of a bundle, and the members that are none.

    Raises `InvalidInput` naming file, and line or field: for a file that is no value set, for one without a current
    concept, and, unless `lenient`, for one that names anything else.
    """
    members = read_value_set(path)
    _, unknown = resolve(members, terminology)
    if unknown and (not lenient or len(unknown) == len(members)):
        hint = "" if lenient else "; --lenient leaves such ids out"
        message = f"{_not_current(unknown, terminology)} ({len(unknown):,} of {len(members):,} ids){hint}"
        raise InvalidInput(message, field=f"{path}: {unknown[0].place}")
    return frozenset(m.concept_id for m in members) - {m.concept_id for m in unknown}, unknown


def _not_current(unknown: Sequence[Member], terminology: Terminology) -> str:
    spelled = [_spelled(member.concept_id, terminology) for member in unknown[:_SPELLED]]
    more = ", ..." if len(unknown) > _SPELLED else ""
    return f"expected ids of current concepts of this bundle, got {', '.join(spelled)}{more}"


def _spelled(concept_id: str, terminology: Terminology) -> str:
    successors = ", ".join(successor.concept_id for successor in terminology.replaced_by(concept_id))
    return f"{concept_id[:80]} (replaced by {successors})" if successors else concept_id[:80]


def read_value_set(path: Path) -> list[Member]:
    """The ids of a file, each once. Raises `InvalidInput` naming file, and line or field."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", field=str(path)) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        message = f"expected UTF-8, got byte 0x{error.object[error.start]:02x}"
        raise InvalidInput(message, field=f"{path}: line {line}") from error
    read = _of_fhir if text.lstrip().startswith(("{", "[")) else _of_lines
    first: dict[str, Member] = {}
    for member in read(text, str(path)):
        first.setdefault(member.concept_id, member)
    if not first:
        raise InvalidInput("expected at least one id, got none", field=str(path))
    return list(first.values())


def _of_lines(text: str, path: str) -> Iterator[Member]:
    for number, line in enumerate(text.split("\n"), start=1):
        concept_id = line.strip()
        if not concept_id or concept_id.startswith("#"):
            continue
        if any(character.isspace() for character in concept_id):
            raise InvalidInput("expected one id without white space", field=f"{path}: line {number}")
        yield Member(concept_id, f"line {number}")


def _of_fhir(text: str, path: str) -> Iterator[Member]:
    document = _Json(_parsed(text, path), path, "")
    if document.get("resourceType").value != "ValueSet":
        raise document.get("resourceType").unexpected('"ValueSet"')
    expansion, compose = document.get("expansion").object(), document.get("compose").object()
    if expansion.get("contains").value is not None:
        yield from _contained(expansion.get("contains"))
        return
    if compose.get("exclude").value:
        raise compose.get("exclude").refused("expected an expansion where codes are excluded")
    for include in compose.get("include").items():
        for left in (include.get("filter"), include.get("valueSet")):
            if left.value:
                raise left.refused("expected an expansion where codes are left to a terminology server")
        concepts = include.get("concept").items()
        if not concepts:
            raise include.refused("expected enumerated codes or an expansion, got neither")
        for concept in concepts:
            yield _coded(include, concept)


def _contained(entries: _Json) -> Iterator[Member]:
    left = entries.items()[::-1]
    while left:
        entry = left.pop()
        if entry.get("abstract").value is not True:  # a heading that groups codes, not one of them
            yield _coded(entry, entry)
        left += entry.get("contains").items()[::-1]


def _coded(with_system: _Json, with_code: _Json) -> Member:
    system, code = with_system.get("system"), with_code.get("code")
    prefix = prefix_of_system(system.text())
    if not prefix:
        raise system.unexpected("a code system URI")
    return Member(f"{prefix}:{code.text()}", code.field)


def _parsed(text: str, path: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        message = f"expected JSON, got {error.msg.lower()} at column {error.colno}"
        raise InvalidInput(message, field=f"{path}: line {error.lineno}") from error
    except RecursionError as error:
        raise InvalidInput("expected JSON nested less deeply", field=path) from error


@dataclass(frozen=True, slots=True)
class _Json:
    """A value in a document, and its path there: `compose.include[0].concept[17].code`."""

    value: Any
    path: str
    field: str

    def get(self, key: str) -> _Json:
        """The value at a key, None where there is none."""
        if not isinstance(self.value, dict):
            raise self.unexpected("an object")
        return _Json(self.value.get(key), self.path, f"{self.field}.{key}" if self.field else key)

    def object(self) -> _Json:
        """An object, empty where there is no value."""
        return _Json({}, self.path, self.field) if self.value is None else self

    def items(self) -> list[_Json]:
        """The values of an array, none where there is no value."""
        if self.value is not None and not isinstance(self.value, list):
            raise self.unexpected("an array")
        return [_Json(value, self.path, f"{self.field}[{i}]") for i, value in enumerate(self.value or [])]

    def text(self) -> str:
        """A text without outer white space that holds more than that."""
        if isinstance(self.value, str) and self.value.strip():
            return self.value.strip()
        raise self.unexpected("a text that is not empty")

    def refused(self, message: str) -> InvalidInput:
        return InvalidInput(message, field=f"{self.path}: {self.field}" if self.field else self.path)

    def unexpected(self, expected: str) -> InvalidInput:
        came = "nothing" if self.value is None else json.dumps(self.value, ensure_ascii=False)[:80]
        return self.refused(f"expected {expected}, got {came}")
