"""What calls are answered from: one bundle, opened and tried out. It is replaced as a whole, never altered."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from linker.annotation import Annotator
from linker.assertion import Triggers
from linker.detection.choice import Detect
from linker.detection.tagger import Tagger
from linker.errors import BundleError
from linker.options import Options
from linker.pipeline import CACHED, Linker
from linker.records import RerankMode
from linker.sections import Headers
from linker.surface import normalise
from linker.terminology import Terminology
from linker.v1.common_pb2 import Provenance
from linker.wire import provenance_message

WARM_UP = 32  # names, spread over the bundle, that are linked before anyone's are


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """An opened bundle, and what every answer from it says of its origin. Safe to share between threads."""

    annotator: Annotator
    provenance: Provenance

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        name: str = "",
        cached: int = CACHED,
        detect: Detect = Detect.BOTH,
        tagger: Tagger | None = None,
        headers: Headers | None = None,
        triggers: Triggers | None = None,
    ) -> Snapshot:
        """Verify and open the bundle at `path`, to be served as `name`, its linker remembering `cached` mentions.

        detect, tagger: what finds mentions in notes. tagger, headers, triggers: in place of those that are shipped.

        Raises `BundleError` and its kinds.
        """
        # One worker: batches run side by side, so a batch has no need of threads of its own.
        linker = Linker.open(path, workers=1, cached=cached)
        annotator = Annotator(linker, detect=detect, tagger=tagger, headers=headers, triggers=triggers)
        return cls(annotator, provenance_message(linker.bundle, version("medlinker"), name=name))

    @property
    def linker(self) -> Linker:
        """What links."""
        return self.annotator.linker

    @property
    def digest(self) -> str:
        """SHA-256 of the bundle's manifest, hexadecimal."""
        return self.linker.bundle.digest

    def try_out(self) -> None:
        """Find and link a few names with all there is: the first callers do not wait for what is loaded on first use.

        Raises `BundleError` unless a name that belongs to one concept is linked to it.
        """
        terminology = self.linker.bundle.terminology
        name, concept_id = _canary(terminology)
        [link] = self.linker.link([name])
        found = link.candidates[0].concept_id if link.candidates else "nothing"
        if found != concept_id:
            message = f"the name of {concept_id} was linked to {found}; the bundle is not fit to serve"
            raise BundleError(f"{self.linker.bundle.path}: {message}")
        step = max(1, terminology.name_count // WARM_UP)
        names = [terminology.name(row) for row in range(0, terminology.name_count, step)]
        self.linker.link(names[:WARM_UP], Options(rerank=RerankMode.ALWAYS))
        self.annotator.annotate(names[:WARM_UP])


def _canary(terminology: Terminology) -> tuple[str, str]:
    """The first preferred name that belongs to one concept, and the concept's id."""
    for concept in range(terminology.concept_count):
        name = terminology.preferred_name(concept)
        rows = terminology.names_equal(normalise(name))
        if rows and all(terminology.concept_of_name[row] == concept for row in rows):
            return name, terminology.concept_id(concept)
    raise BundleError("no preferred name in this bundle belongs to one concept alone, so it cannot be tried out")
