"""What the rooms hand to one another: mention, candidate, link. Frozen, and never holding nonsense."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from linker.errors import InvalidInput

Embeddings = NDArray[np.float32]  # one unit row a text: (n, dimension)


class MatchSource(StrEnum):
    """How a candidate was found. Those that are names of a mention, `EXACT` and `TYPO`, are never found together."""

    EXACT = "exact"  # the normalised surface form is one of the concept's names, but for accents
    TYPO = "typo"  # one of the concept's names but for one letter, in a word that no name contains
    DENSE = "dense"  # nearest name in the encoder's space


# How much an exact hit on a name of this type says: a preferred name more than a synonym, a related one least.
TIERS = {"preferred": 0, "fully_specified": 0, "synonym": 1, "related": 2}


class NilReason(StrEnum):
    """Why a mention got no concept."""

    NO_CANDIDATE = "no_candidate"  # nothing to search for, or the filter leaves nothing to find
    BELOW_THRESHOLD = "below_threshold"  # likely not in this ontology: no candidate is likely enough
    AMBIGUOUS = "ambiguous"  # in it, but several concepts are about equally likely and nothing tells them apart


class RerankMode(StrEnum):
    """Whether the cross-encoder runs, where the bundle has one."""

    # unless the mention is a name of one concept only, verbatim or but for a letter, or retrieval alone is sure enough
    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Assertion(StrEnum):
    """What a note says of a mention, other than that it is there, in the patient, now."""

    NEGATED = "negated"
    UNCERTAIN = "uncertain"
    HISTORICAL = "historical"
    HYPOTHETICAL = "hypothetical"
    FAMILY = "family"


@dataclass(frozen=True, slots=True)
class Mention:
    """A surface form, and where it stands in its context when there is one.

    begin, end: half-open range of Unicode code points in `context`; None when the place is not known.
    """

    text: str
    context: str = ""
    begin: int | None = None
    end: int | None = None

    def check(self, field: str = "mention") -> None:
        """Raise `InvalidInput`, with a path under `field`, where begin and end do not describe `text` in `context`."""
        if self.begin is None and self.end is None:
            return
        if self.begin is None or self.end is None:
            raise InvalidInput("begin and end go together; one is missing", field=f"{field}.begin")
        if not 0 <= self.begin < self.end <= len(self.context):
            message = f"expected 0 <= begin < end <= {len(self.context)} (code points), got {self.begin}..{self.end}"
            raise InvalidInput(message, field=f"{field}.begin")
        if self.context[self.begin : self.end] != self.text:
            raise InvalidInput("context[begin:end] is not the mention; offsets are code points", field=f"{field}.begin")


@dataclass(frozen=True, slots=True)
class Code:
    """A concept's identifier in a vocabulary.

    relation: SSSOM predicate, a CURIE. source: the release that says so. confidence: how sure that release is, in
    [0, 1]; None where it does not say.
    """

    system: str
    code: str
    relation: str
    source: str = ""
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A concept proposed for a mention, with every score that put it where it is.

    term_type: what `matched_name` is to the concept: preferred, fully_specified, synonym or related.
    similarity: cosine of the mention and `matched_name`, in [-1, 1]; 1 for an exact hit.
    support: smooth maximum of the cosines of the mention and all near names of the concept, what retrieval ranks by;
    the similarity or, where several names are near, a little more. Exact hits, and names but for a letter, share the
    highest.
    rerank_score: the cross-encoder's logit; None where it did not run.
    confidence: calibrated probability, in [0, 1], that this is the right concept. A link's sum to at most 1.
    concept: row of the concept in its bundle.
    generalised_from: id of the concept that was found, where this is its nearest ancestor in a value set; else "". The
    name matched and the scores are then of the concept that was found.
    """

    concept: int
    concept_id: str
    preferred_name: str
    matched_name: str
    term_type: str
    source: MatchSource
    similarity: float
    support: float
    semantic_types: tuple[str, ...] = ()
    codes: tuple[Code, ...] = ()
    rerank_score: float | None = None
    confidence: float = 0.0
    generalised_from: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A mention and its candidates, best first; `nil_reason` says why none of them is the answer.

    truncated: the encoder saw only the beginning of the mention.
    expansion: the mention with its abbreviations in full, as its context defines them, where it defines any; this was
    linked in its place.
    """

    mention: Mention
    candidates: tuple[Candidate, ...]
    nil_reason: NilReason | None = None
    truncated: bool = False
    expansion: str = ""

    @property
    def concept(self) -> Candidate | None:
        """The answer, or None for NIL."""
        return self.candidates[0] if self.candidates and self.nil_reason is None else None


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a concept. `term_type` as in `ontologies.records.TermType`."""

    name: str
    language: str
    term_type: str
    source: str


@dataclass(frozen=True, slots=True)
class Successor:
    """A concept to use instead of one that a release has retired or merged.

    relations: how sure that is, in the words of the release, of each step on the way ("SAME_AS").
    """

    concept_id: str
    relations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConceptRecord:
    """A concept with all that the bundle knows of it."""

    concept: int
    concept_id: str
    preferred_name: str
    semantic_types: tuple[str, ...]
    definition: str
    parents: tuple[str, ...]
    retired: bool
    names: tuple[Name, ...]
    codes: tuple[Code, ...]
    replaced_by: tuple[Successor, ...]


@dataclass(frozen=True, slots=True)
class ConceptFilter:
    """Which concepts may be candidates. Empty fields do not restrict; values of one field are alternatives.

    semantic_types: as the ontology writes them. vocabularies: prefixes ("SNOMEDCT"); the concept's own or one it has
    a code in. languages: BCP-47 tags of the names searched; "es" takes "es-MX" too.
    """

    semantic_types: frozenset[str] = frozenset()
    vocabularies: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.semantic_types or self.vocabularies or self.languages)


EVERYTHING = ConceptFilter()
