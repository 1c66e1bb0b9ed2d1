"""Mentions by dictionary: names of a bundle that stand in plain text and can mean one concept only.

Who learns from such a mention as it is learns to look names up, which the linker does already without a model. So each
is to be mined without the name (`training.miner.Miner.from_matched`; `hide_names` in a recipe): it is no exact hit
then, and its concept stands among the candidates under the best of its other names, in whatever language. What is left
to learn is that this wording, in this context, means what the other names say. A mention whose concept has no other
name is therefore left out here, and so is one that several concepts go by, in any language of the bundle, since only a
guess would say which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from linker.bundle import Bundle
from linker.detection.detector import Span
from linker.detection.dictionary import DictionaryDetector
from linker.errors import InvalidInput
from linker.records import ConceptFilter
from linker.surface import normalise
from training.miner import hidden_forms
from training.weak.corpus import IN_PIECES, WeakCorpus, collected, placed

NOT_VERBATIM = "not a name as it stands"  # but in the plural, say
AMBIGUOUS = "name of several concepts"
NO_OTHER_NAME = "only name of its concept"


class ByNames:
    """See the module, and `training.weak.corpus.Supervision`."""

    def __init__(self, bundle: Bundle, texts: Sequence[str], *, language: str, seed: int = 0) -> None:
        """language: BCP-47 tag of the names looked for. Raises `InvalidInput` where the bundle has none."""
        wanted = ConceptFilter(languages=frozenset({language}))
        if not bundle.terminology.name_mask(wanted).any():
            spoken = ", ".join(bundle.manifest.languages)
            raise InvalidInput(f"has no name in {language}, only in {spoken}", field=str(bundle.path))
        self._terminology = bundle.terminology
        self._detector = DictionaryDetector.of(bundle, wanted=wanted)
        self._texts, self._seed = texts, seed

    def corpus(self) -> WeakCorpus:
        """See `Supervision`."""
        left_out = Counter[str]()
        notes = []
        for number, (text, spans) in enumerate(zip(self._texts, self._detector.detect(self._texts), strict=True)):
            places = []
            for span in spans:
                concept, why = self._named(text, span)
                if why:
                    left_out[why] += 1
                else:
                    places.append((span.begin, span.end, concept.split("|")))
            notes.append(placed(str(number), text, places))
        return collected(notes, left_out, seed=self._seed)

    def _named(self, text: str, span: Span) -> tuple[str, str]:
        """The id of the only concept that a span names, or why there is none to learn."""
        terminology, form = self._terminology, normalise(span.text(text))
        rows = terminology.names_alike(form)
        concepts = {int(terminology.concept_of_name[row]) for row in rows}
        why = ""
        if len(span.pieces) > 1:
            why = IN_PIECES
        elif not concepts:
            why = NOT_VERBATIM
        elif len(concepts) > 1:
            why = AMBIGUOUS
        elif {normalise(name) for name in terminology.names(min(concepts))} <= hidden_forms(terminology, form):
            why = NO_OTHER_NAME
        return ("", why) if why else (terminology.concept_id(concepts.pop()), "")
