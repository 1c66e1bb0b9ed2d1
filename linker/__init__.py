"""Links medical mentions to concepts of SNOMED CT, UMLS, MeSH or any other ontology.

from linker import Linker

linker = Linker.open("my-bundle")
for link in linker.link(["heart attack"]):
    print(link.concept)
"""

import os
from typing import TYPE_CHECKING, Any

from linker.errors import BundleCorrupt, BundleError, BundleMismatch, InvalidInput, LinkerError, NotFound
from linker.options import Options
from linker.records import Candidate, Code, ConceptFilter, Link, MatchSource, Mention, NilReason, RerankMode

# ONNX Runtime writes events to the user's cache and sends them to its maker, unless it is told so before its import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from linker.pipeline import Linker, Timings

__all__ = [
    "BundleCorrupt",
    "BundleError",
    "BundleMismatch",
    "Candidate",
    "Code",
    "ConceptFilter",
    "InvalidInput",
    "Link",
    "Linker",
    "LinkerError",
    "MatchSource",
    "Mention",
    "NilReason",
    "NotFound",
    "Options",
    "RerankMode",
    "Timings",
]


def __getattr__(name: str) -> Any:
    """What needs FAISS and ONNX Runtime is imported when it is asked for: `linker.client` has to do without them."""
    if name not in {"Linker", "Timings"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from linker import pipeline

    return getattr(pipeline, name)
