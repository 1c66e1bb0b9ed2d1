"""What finds mentions where the caller gives no detector: names and a trained model, or one of them."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from linker.bundle import Bundle
from linker.detection.combined import CombinedDetector, ModelDetector
from linker.detection.detector import Detector
from linker.detection.dictionary import DictionaryDetector
from linker.detection.scope import scope_of
from linker.detection.tagger import OnnxTagger, Tagger
from linker.records import EVERYTHING, ConceptFilter

SHIPPED = Path(__file__).parent / "model"


class Detect(StrEnum):
    """Who finds mentions: the names of the bundle, a trained model, or both together."""

    BOTH = "both"
    NAMES = "names"
    MODEL = "model"


def detector_of(
    bundle: Bundle, *, detect: Detect = Detect.BOTH, tagger: Tagger | None = None, wanted: ConceptFilter = EVERYTHING
) -> Detector:
    """What finds mentions of the concepts that `wanted` lets through. tagger: in place of the shipped one."""
    if detect is Detect.NAMES:
        return DictionaryDetector.of(bundle, wanted=wanted)
    tagger = tagger or shipped_tagger(bundle.workers)
    scope = scope_of(tagger, bundle.terminology, wanted)
    if detect is Detect.MODEL:
        return ModelDetector(tagger, scope)
    return CombinedDetector(DictionaryDetector.of(bundle, wanted=wanted), tagger, scope)


@lru_cache
def shipped_tagger(workers: int) -> Tagger:
    """The model of this package, shared by all that use it; `workers` threads share it within one call."""
    return OnnxTagger(SHIPPED, workers=workers)
