"""Links medical mentions to concepts of SNOMED CT, UMLS, MeSH or any other ontology.

from linker import Linker

linker = Linker.open("my-bundle")
for link in linker.link(["heart attack"]):
print(link.concept)
"""

from linker.errors import BundleCorrupt, BundleError, BundleMismatch, InvalidInput, LinkerError, NotFound
from linker.pipeline import Linker, Options, Timings
from linker.records import Candidate, Code, ConceptFilter, Link, MatchSource, Mention, NilReason, RerankMode

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
