"""What a server answers from: one bundle, opened and tried. It is replaced as a whole, never altered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from linker.errors import BundleError
from linker.pipeline import Linker
from linker.records import Mention
from linker.server.errors import NotReady
from linker.surface import normalise
from linker.terminology import Terminology
from linker.v1.common_pb2 import Provenance
from linker.v1.linking_service_pb2 import LinkMentionsResponse
from linker.wire import provenance_message

LinkMentions = Callable[["Snapshot", Sequence[Mention]], Awaitable[LinkMentionsResponse]]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """An opened bundle, and what every answer from it says of its origin."""

    linker: Linker
    provenance: Provenance

    @classmethod
    def open(cls, path: Path) -> Snapshot:
        """Verify and open the bundle at `path`. Raises `BundleError` and its kinds."""
        # One worker: batches run side by side, so a batch has no need of threads of its own.
        linker = Linker.open(path, workers=1)
        return cls(linker, provenance_message(linker.bundle, version("medlinker")))


class Current:
    """The snapshot served now: none while the server loads, and none again when it stops."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self.since: datetime | None = None

    def serve(self, snapshot: Snapshot) -> None:
        """Answer from `snapshot` from now on."""
        self._snapshot = snapshot
        self.since = datetime.now(UTC)

    def stop(self) -> None:
        """Take no more calls; those that have begun keep their snapshot."""
        self._snapshot = None

    def get(self) -> Snapshot:
        """The snapshot. Raises `NotReady`."""
        if self._snapshot is None:
            raise NotReady("the server is loading or stopping; try another, or again")
        return self._snapshot


async def try_canary(snapshot: Snapshot, link: LinkMentions) -> None:
    """Link a preferred name of the bundle, and raise `BundleError` unless the answer is its concept."""
    mention, concept_id = _canary(snapshot.linker.bundle.terminology)
    response = await link(snapshot, [Mention(mention)])
    result = response.results[0]
    candidates = result.match.candidates or result.no_match.candidates
    if not candidates or candidates[0].concept.id != concept_id:
        found = candidates[0].concept.id if candidates else "nothing"
        message = f"the name of {concept_id} was linked to {found}; the bundle is not fit to serve"
        raise BundleError(f"{snapshot.linker.bundle.path}: {message}")


def _canary(terminology: Terminology) -> tuple[str, str]:
    """The first preferred name that belongs to one concept, and the concept's id."""
    for concept in range(terminology.concept_count):
        name = terminology.preferred_name(concept)
        rows = terminology.names_equal(normalise(name))
        if rows and all(terminology.concept_of_name[row] == concept for row in rows):
            return name, terminology.concept_id(concept)
    raise BundleError("no preferred name in this bundle belongs to one concept alone, so it cannot be tried out")
