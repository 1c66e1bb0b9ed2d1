"""How mentions are linked, as a caller asks for it: apart from the pipeline, since clients have none of its engines."""

from __future__ import annotations

from dataclasses import dataclass

from linker.errors import InvalidInput
from linker.records import EVERYTHING, ConceptFilter, RerankMode

MAX_TOP_K = 1000


@dataclass(frozen=True, slots=True)
class Options:
    """How mentions are linked.

    top_k: candidates returned for a mention, 1 to 1,000. min_confidence: below it NIL, in [0, 1]; None takes the
    bundle's own threshold. codes: vocabularies whose codes candidates carry, their own among them; none takes every
    code in another vocabulary. value_set: ids, or exact codes as CURIEs, of the concepts that may be answers; one
    outside becomes its nearest ancestor inside, or is left out where there is none. None takes any. display_language:
    BCP-47 tag of the language that preferred names are shown in, where a concept has one; "" is one of the filter's.
    """

    top_k: int = 5
    filter: ConceptFilter = EVERYTHING
    rerank: RerankMode = RerankMode.AUTO
    min_confidence: float | None = None
    codes: tuple[str, ...] = ()
    value_set: frozenset[str] | None = None
    display_language: str = ""

    @property
    def shown_in(self) -> frozenset[str]:
        """Languages that preferred names are shown in; none for the bundle's own."""
        return frozenset({self.display_language}) if self.display_language else self.filter.languages

    def check(self) -> None:
        """Raise `InvalidInput` where a value is out of its range."""
        if not 1 <= self.top_k <= MAX_TOP_K:
            raise InvalidInput(f"expected 1 to {MAX_TOP_K}, got {self.top_k}", field="top_k")
        if self.min_confidence is not None and not 0.0 <= self.min_confidence <= 1.0:
            raise InvalidInput(f"expected 0 to 1, got {self.min_confidence}", field="min_confidence")
        if self.value_set is not None and not self.value_set:
            raise InvalidInput("expected at least one id, or None", field="value_set")


DEFAULTS = Options()
