"""The bundles of a server: which of them a call gets, and how one is replaced while calls go on.

A bundle is replaced by putting one snapshot in the place of another. Calls keep the snapshot they began with; the one
replaced stays open, so that the server can go back to it.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from linker.errors import BundleError, InvalidInput
from linker.server.calls import current_call
from linker.server.errors import NotFit, NotReady, WrongBundle
from linker.server.logs import log, log_problem
from linker.server.priority import RELOAD_NICENESS, give_way
from linker.server.snapshot import Snapshot


@dataclass(slots=True, eq=False)
class Served:
    """A bundle as it is served now. snapshot: None until it has been opened. since: when that began to serve.

    previous: the snapshot that was replaced last. reload_error: why the last reload was refused, else "".
    """

    name: str
    path: Path
    snapshot: Snapshot | None = None
    previous: Snapshot | None = None
    since: datetime | None = None
    reload_error: str = ""
    reloading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def serve(self, snapshot: Snapshot) -> None:
        """Answer from `snapshot` from now on, and keep the one before."""
        self.previous, self.snapshot = self.snapshot, snapshot
        self.since = datetime.now(UTC)


class Bundles:
    """The bundles by name; the first is the default. Belongs to one event loop."""

    def __init__(
        self,
        paths: Mapping[str, Path],
        *,
        opener: Callable[..., Snapshot] = Snapshot.open,
        tell: Callable[[Sequence[tuple[str, str]]], object] = len,
    ) -> None:
        """opener: `Snapshot.open` with its options. tell: is given name and digest of each bundle on a change."""
        self._opener = opener
        self._tell = tell
        self._served = {name: Served(name, path) for name, path in paths.items()}
        self._reloader = ThreadPoolExecutor(
            1, thread_name_prefix="reload", initializer=give_way, initargs=(RELOAD_NICENESS,)
        )
        self._stopped = False
        self._changed = asyncio.Event()

    @property
    def all(self) -> list[Served]:
        """Every bundle, the default first."""
        return list(self._served.values())

    @property
    def stopped(self) -> bool:
        """Whether calls are taken no more."""
        return self._stopped

    def get(self, name: str = "", digest: str = "", *, field: str = "bundle") -> Snapshot:
        """The snapshot to answer a call from. name, digest: as the client gave them, "" for the default and any.

        Raises `NotReady`, `InvalidInput` naming `field` and what there is, or `WrongBundle`.
        """
        served = self.find(name, field=field)
        if served.snapshot is None or self._stopped:
            raise NotReady("the server is loading or stopping; try another, or again")
        check_digest(served.snapshot, digest, field=field)
        if call := current_call():
            call.bundle_digest = served.snapshot.digest
        return served.snapshot

    def find(self, name: str, *, field: str = "bundle") -> Served:
        """The bundle of a name, "" for the default. Raises `InvalidInput` naming `field` and what there is."""
        served = self._served.get(name) if name else next(iter(self._served.values()))
        if served is None:
            raise InvalidInput(f"expected a bundle of this server: {', '.join(self._served)}", field=field)
        return served

    def current(self, snapshot: Snapshot) -> bool:
        """Whether new calls may still get this snapshot."""
        return not self._stopped and any(served.snapshot is snapshot for served in self._served.values())

    async def changed(self) -> None:
        """Return when a bundle has been replaced, or the server stops."""
        await self._changed.wait()

    async def open(self) -> None:
        """Open every bundle and serve it. Raises `BundleError` and its kinds."""
        for served in self._served.values():
            served.serve(await self._opened(served))
        _settle()
        self._tell_digests()

    async def reload(self, name: str, digest: str = "") -> Served:
        """Open the bundle anew from where it lies and put it in the place of the one served.

        Raises `NotFit` where it cannot be served, or does not have the digest asked for: the old one then goes on.
        """
        served = self.find(name)
        async with served.reloading:
            try:
                snapshot = await self._opened(served, self._reloader)
                if digest and snapshot.digest != digest:
                    raise BundleError(f"{served.path}: its digest is {snapshot.digest}, not the one asked for")
            except BundleError as error:
                served.reload_error = str(error)
                log_problem("reload refused", error)
                raise NotFit(f"the bundle served stays in its place: {error}") from error
            served.reload_error = ""
            self._replace(served, snapshot)
        return served

    def roll_back(self, name: str) -> Served:
        """Serve again what the last reload replaced. Raises `NotFit` where there is nothing."""
        served = self.find(name)
        if served.previous is None:
            raise NotFit("no reload has replaced this bundle, so there is none to go back to")
        self._replace(served, served.previous)
        return served

    def _replace(self, served: Served, snapshot: Snapshot) -> None:
        served.serve(snapshot)
        _settle()
        log("bundle replaced", bundle=served.name, bundle_digest=snapshot.digest)
        self._tell_digests()
        self._announce()

    def stop(self) -> None:
        """Take no more calls; those that have begun keep their snapshot."""
        self._stopped = True
        self._reloader.shutdown(wait=False, cancel_futures=True)
        self._announce()

    async def _opened(self, served: Served, thread: ThreadPoolExecutor | None = None) -> Snapshot:
        return await asyncio.get_running_loop().run_in_executor(thread, self._open, served)

    def _open(self, served: Served) -> Snapshot:
        snapshot = self._opener(served.path, name=served.name)
        snapshot.try_out()
        return snapshot

    def _tell_digests(self) -> None:
        self._tell([(served.name, served.snapshot.digest) for served in self.all if served.snapshot])

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def check_digest(snapshot: Snapshot, digest: str, *, field: str) -> None:
    """Raises `WrongBundle`, naming `field`, unless the digest is the snapshot's or ""."""
    if digest and digest != snapshot.digest:
        raise WrongBundle(f"{field}_digest is not the digest of the bundle served here, which is {snapshot.digest}")


def _settle() -> None:
    """Keep what lives as long as a bundle from the garbage collector: a full run over it held all threads for 50 ms."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
