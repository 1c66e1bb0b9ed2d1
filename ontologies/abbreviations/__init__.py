"""Short forms and everyday wordings that terminologies lack: "HTN" becomes a name of what is called "hypertension".

A list says what short forms mean, and a bundle's own names say which concepts these meanings are. Nothing else is
added: a meaning that no concept is called by is left out, and a short form that is somebody's name already stays
theirs. A short form of several meanings is a name of several concepts, and what is written around it decides.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from linker.language import UNDETERMINED
from linker.surface import normalise
from ontologies.errors import SourceError
from ontologies.records import Name, Release, TermType

HERE = Path(__file__).parent
SHIPPED = tuple(sorted(HERE.glob("*.tsv")))  # each named after its language, and what else it is of
SOURCE = "abbreviations"
_EXACT = TermType.RELATED.rank  # names of a lower rank say what a concept is


@dataclass(frozen=True, slots=True)
class Meaning:
    """One meaning of a short form.

    wordings: what it may be called, normalised, the most telling first. language: of the names to look among (BCP-47
    primary subtag), "" for any.
    """

    short: str
    wordings: tuple[str, ...]
    language: str
    line: int


@dataclass(frozen=True, slots=True)
class Abbreviations:
    """A list of short forms as its file has it."""

    path: Path
    release: Release
    meanings: tuple[Meaning, ...]


def read_abbreviations(path: Path) -> Abbreviations:
    """Read a list: on each line a short form, a tab, and names of one meaning separated by `|`; `#` begins a comment.

    The lists that are shipped look among names of the language they are named after, others among all. Raises
    `SourceError` naming file, line and what was expected.
    """
    try:
        data = path.read_bytes()
        lines = data.decode("utf-8-sig").splitlines()
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path=path) from None
    except UnicodeDecodeError:
        raise SourceError("expected UTF-8", path=path) from None
    shipped = path in SHIPPED
    language = path.stem.partition("-")[0] if shipped else ""
    meanings = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        short, _, named = line.partition("\t")
        wordings = tuple(dict.fromkeys(filter(None, map(normalise, named.split("|")))))
        if not (normalise(short) and wordings):
            raise SourceError(
                "expected a short form, a tab, and names of what it means separated by |", path=path, line=number
            )
        meanings.append(Meaning(short.strip(), wordings, language, number))
    sha256 = hashlib.sha256(data).hexdigest()
    release = Release(
        source=SOURCE, version=f"{path.name} {sha256[:8]}", licence="Apache-2.0" if shipped else "", sha256=sha256
    )
    return Abbreviations(path, release, tuple(meanings))


def read_lists(own: Iterable[Path] = (), *, shipped: bool = True) -> tuple[Abbreviations, ...]:
    """Lists of the user's own, and those that are shipped, without short forms that the user's own tell of."""
    lists = tuple(map(read_abbreviations, own))
    told = {normalise(meaning.short) for one in lists for meaning in one.meanings}
    others = map(read_abbreviations, SHIPPED if shipped else ())
    return lists + tuple(
        replace(one, meanings=tuple(m for m in one.meanings if normalise(m.short) not in told)) for one in others
    )


class Expander:
    """Sees the names of a bundle go by, and then says which short forms are names of which concepts.

    Remembers only names that a list has; what it says does not depend on their order.
    """

    def __init__(self, meanings: Sequence[Meaning]) -> None:
        self._meanings = meanings
        self._short = {normalise(meaning.short) for meaning in meanings}
        self._wanted = {wording for meaning in meanings for wording in meaning.wordings}
        self._taken: set[str] = set()
        self._found: dict[str, set[tuple[int, str, str]]] = defaultdict(set)  # rank, language and concept by wording

    def see(self, concept_id: str, key: str, language: str, rank: int) -> None:
        """A name: `key` is its normalised form, `rank` that of its term type."""
        if rank >= _EXACT:
            return
        if key in self._short:
            self._taken.add(key)
        if key in self._wanted:
            self._found[key].add((rank, language.partition("-")[0].lower(), concept_id))

    def names(self) -> Iterator[Name]:
        """The short forms as related names, in the order of the lists, then by concept."""
        for meaning in self._meanings:
            if normalise(meaning.short) not in self._taken:
                for concept_id in self._meant(meaning):
                    yield Name(
                        concept_id=concept_id,
                        name=meaning.short,
                        language=meaning.language,
                        term_type=TermType.RELATED,
                        line=meaning.line,
                    )

    def _meant(self, meaning: Meaning) -> list[str]:
        """The concepts called by the first wording that any is called by; those that prefer it before others."""
        for wording in meaning.wordings:
            called = sorted(
                (rank, concept_id)
                for rank, language, concept_id in self._found.get(wording, ())
                if not meaning.language or language in (meaning.language, UNDETERMINED)
            )
            if called:
                return list(dict.fromkeys(concept_id for rank, concept_id in called if rank == called[0][0]))
        return []
