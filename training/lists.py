"""Training lists: a mention and the candidates that retrieval proposes for it, of which some, or none, are right."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from pydantic import Field, field_validator

from linker.errors import InvalidInput
from linker.perturbation import PERTURBATIONS
from training.recipes import Section, Share


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateList:
    """A mention and its candidates as a cross-encoder reads them, best first as retrieved.

    supports, right: one for each candidate; nothing right means "none of these". certain: a unique exact hit, which
    the pipeline leaves alone. group: lists with one number are parts of one composite mention.
    """

    mention: str
    candidates: tuple[str, ...]
    supports: tuple[float, ...]
    right: tuple[bool, ...]
    certain: bool = False
    group: int = 0


class Shape(Section):
    """How lists are made.

    candidates: at most so many a list. context: characters on each side of the mention; other_names: of a concept,
    beside the matched and the preferred one. Shares are of lists. none_share: lose their gold. certain_share: of the
    unique exact hits, which no reranker will meet, are kept. perturbed_share: of the lists made from a bundle alone
    have their mention altered by one of `perturbations`.
    """

    candidates: int = Field(default=16, ge=2)
    context: int = Field(default=64, ge=0)
    other_names: int = Field(default=0, ge=0)
    none_share: Share = 0.1
    certain_share: Share = 0.1
    perturbed_share: Share = 0.3
    perturbations: tuple[str, ...] = ("typo", "word_order", "plural", "hyphen", "spelling")

    @field_validator("perturbations")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(names) - set(PERTURBATIONS)):
            raise ValueError(f"expected names among {', '.join(PERTURBATIONS)}, got {', '.join(unknown)}")
        return names


@dataclass(slots=True)
class Tally:
    """What became of the mentions: lists made, golds inserted and removed, and gold ids that the bundle lacks."""

    lists: int = 0
    inserted: int = 0
    removed: int = 0
    certain_left_out: int = 0
    repeated: int = 0
    missing: Counter[str] = field(default_factory=Counter)

    def figures(self) -> dict[str, object]:
        """As JSON has it. (Before Python 3.12 `asdict` makes a Counter of a Counter's pairs.)"""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def write_lists(lists: Iterable[CandidateList], path: Path) -> None:
    """Write lists as gzipped JSON lines. Raises OSError."""
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=3) as stream:
        for made in lists:
            stream.write(json.dumps(asdict(made), ensure_ascii=False) + "\n")


def read_lists(path: Path) -> list[CandidateList]:
    """Read what `write_lists` wrote. Raises `InvalidInput` naming file and line."""
    lists = []
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            for raw in stream:
                value = json.loads(raw)
                sequences = {key: tuple(v) for key, v in value.items() if isinstance(v, list)}
                lists.append(CandidateList(**{**value, **sequences}))
    except (OSError, EOFError, ValueError, TypeError) as error:
        where = f"{path}:{len(lists) + 1}"
        raise InvalidInput("expected training lists; delete the folder to mine them again", field=where) from error
    return lists
