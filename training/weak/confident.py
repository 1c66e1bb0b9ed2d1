"""Mentions by self-training: what a calibrated linker is sure of in plain text (Yarowsky 1995), in one round.

A link counts where it belongs to the surest, so many of them that their confidences average to the precision asked
for; as far as the calibration holds for this text, that share of them is right. What is a name of a concept, verbatim
or but for a letter, is left out: the linker finds it without a model. So mentions have to come from a detector that
knows more than names, the shipped one or one of the user's. No annotation of the text is read, nor could be: lines of
text are all there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, zip_longest

from linker.annotation import Annotator
from linker.console import progress
from linker.decision import UNFITTED
from linker.detection.choice import Detect
from linker.detection.tagger import Tagger
from linker.errors import InvalidInput
from linker.notes import AnnotatedMention
from linker.pipeline import Linker
from linker.records import MatchSource
from training.weak.corpus import IN_PIECES, WeakCorpus, collected, placed

NAMED = "a name as it stands"
UNSURE = "not sure enough"
_BATCH = 64  # lines


class ByConfidence:
    """See the module, and `training.weak.corpus.Supervision`."""

    def __init__(
        self,
        linker: Linker,
        texts: Sequence[str],
        *,
        precision: float = 0.9,
        tagger: Tagger | None = None,
        seed: int = 0,
    ) -> None:
        """precision: expected of the links, in (0, 1]. tagger: what finds mentions beside names; None: the shipped one.

        Raises `InvalidInput`: a bundle that was never calibrated, a precision out of its range.
        """
        if not 0 < precision <= 1:
            raise InvalidInput(f"expected more than 0 and at most 1, got {precision}", field="precision")
        if linker.bundle.calibration == UNFITTED:
            message = (
                "nobody has fitted its confidences, so none stands for a precision; `linker train calibrate` first"
            )
            raise InvalidInput(message, field=str(linker.bundle.path))
        self._annotator = Annotator(linker, detect=Detect.BOTH, tagger=tagger)
        self._texts, self._precision, self._seed = texts, precision, seed

    def corpus(self) -> WeakCorpus:
        """See `Supervision`. Raises `InvalidInput` where no link is so sure."""
        found = self._found()
        left_out = Counter(why for mentions in found for mention in mentions if (why := _unfit(mention)))
        fit = [[mention for mention in mentions if not _unfit(mention)] for mentions in found]
        least = surest([_confidence(mention) for mentions in fit for mention in mentions], self._precision)
        left_out[UNSURE] = sum(_confidence(mention) < least for mentions in fit for mention in mentions)
        notes = [
            placed(
                str(number),
                text,
                [
                    (mention.span.begin, mention.span.end, mention.link.candidates[0].concept_id.split("|"))
                    for mention in mentions
                    if _confidence(mention) >= least
                ],
            )
            for number, (text, mentions) in enumerate(zip(self._texts, fit, strict=True))
        ]
        return collected(notes, left_out, seed=self._seed)

    def _found(self) -> list[tuple[AnnotatedMention, ...]]:
        found = []
        with progress("Linking plain text", len(self._texts), "lines") as advance:
            for start in range(0, len(self._texts), _BATCH):
                batch = self._texts[start : start + _BATCH]
                found += [note.mentions for note in self._annotator.annotate(batch)]
                advance(len(batch))
        return found


def surest(confidences: Sequence[float], precision: float) -> float:
    """The lowest confidence so that those at or above it average to `precision` or more.

    Raises `InvalidInput` where even the highest do not.
    """
    falling = sorted(confidences, reverse=True)
    means = (total / count for count, total in enumerate(accumulate(falling), start=1))
    # Of equal confidences all are taken, or none.
    last = (one != after for one, after in zip_longest(falling, falling[1:]))
    good = [one for one, mean, is_last in zip(falling, means, last, strict=True) if is_last and mean >= precision]
    if not good:
        told = f"the surest of {len(falling):,} has confidence {max(falling, default=0.0):.3f}"
        raise InvalidInput(f"no links that are no names reach {precision}; {told}", field="precision")
    return good[-1]


def _unfit(mention: AnnotatedMention) -> str:
    """Why a mention is not to be learned from whatever its confidence, "" for none."""
    candidates = mention.link.candidates
    if len(mention.span.pieces) > 1:
        return IN_PIECES
    return NAMED if any(candidate.source is not MatchSource.DENSE for candidate in candidates) else ""


def _confidence(mention: AnnotatedMention) -> float:
    return mention.link.candidates[0].confidence if mention.link.concept else 0.0
