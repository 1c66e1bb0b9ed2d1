"""`linker get NAME`: download an open release, or be told how to come by one that needs a licence."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from linker.console import stderr, stdout
from ontologies.errors import DownloadError
from ontologies.get.catalogue import RemoteFile, Terminology, catalogue
from ontologies.get.download import Downloaded, Progress, download, fetch_document
from ontologies.get.published import Published, published
from ontologies.get.unpacking import unpack

_LINE_EVERY_S = 10.0


def get(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="What to get: mondo, hpo, mesh ... Without: a list.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to put it into.")] = Path(),
) -> None:
    """Download open releases from where their publishers put them; without a name, list what there is.

    An interrupted download goes on where it stopped. Proxies are those of the environment (HTTPS_PROXY, NO_PROXY).
    For what needs a licence (umls, snomed, rxnorm, loinc, omop), it says where to get it and what to build from:

      linker get mondo --out releases
      linker build releases/mondo.obo --out mondo-bundle
    """
    known = catalogue()
    if unknown := [name for name in names or () if name not in known]:
        raise DownloadError(f"expected one of {', '.join(known)}; got {unknown[0]}")
    if not names:
        _list(known)
    for name in names or ():
        entry = known[name]
        _tell(entry) if entry.steps else _get(entry, out)


def _list(known: dict[str, Terminology]) -> None:
    width = max(map(len, known))
    for entry in known.values():
        by_hand = " [needs a licence: `linker get` says how]" if entry.steps else ""
        _answer(f"{entry.name:<{width}}  {entry.title}{by_hand}")
        _answer(f"{'':<{width}}    licence: {entry.licence}")


def _tell(entry: Terminology) -> None:
    _answer(
        f"{entry.title}\nlicence: {entry.licence}\n{entry.steps}\nfilters: linker build --help; docs/terminologies.md"
    )


def _get(entry: Terminology, out: Path) -> None:
    version = f" {entry.version}" if entry.version else ""
    _say(f"{entry.title}{version}\n  licence: {entry.licence}\n  from: {entry.homepage}")
    folder = out / entry.folder
    for file in entry.files:
        try:
            _fetch(file, folder)
        except DownloadError as error:
            raise DownloadError(f"{error} (see {entry.homepage})") from error
    if entry.note:
        _say(entry.note)
    given = " ".join(str(out / path) for path in entry.build.split())
    _answer(f"linker build {given} --out {entry.name}-bundle")


def _fetch(file: RemoteFile, folder: Path) -> None:
    said = _published(file)
    with _progress(file.name) as progress:
        got = download(file.url, folder / file.name, checksum=said.checksum if said else "", progress=progress)
    _report(got, said)
    if file.unpack:
        for path in unpack(got.path, file.unpack, folder):
            _say(f"  unpacked: {path}")
        got.path.unlink()


def _published(file: RemoteFile) -> Published | None:
    """What the publisher says of the file. That it cannot be asked is no reason not to download."""
    if not file.checksums:
        return None
    try:
        return published(fetch_document(file.checksums), file.name)
    except DownloadError as error:
        _say(f"warning: {file.name} will not be compared with what its publisher says of it: {error}")
        return None


def _report(got: Downloaded, said: Published | None) -> None:
    version = f", version {said.version}" if said and said.version else ""
    changed = f", last changed {got.changed}" if got.changed else ""
    _say(f"{got.path}: {got.size:,} bytes{version}{changed}")
    if said and said.checksum.startswith("sha256:"):
        compared = "as the publisher says"
    else:
        compared = (
            f"and {said.checksum} as the publisher says" if said else "the publisher gives none to compare it with"
        )
    _say(f"  sha256: {got.sha256} ({compared})")


@contextmanager
def _progress(name: str) -> Iterator[Progress]:
    """A bar with rate and time left; without a terminal, a line every ten seconds."""
    if stderr.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Bar(*columns, TimeRemainingColumn(), console=stderr) as bar:
            task = bar.add_task(name, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        yield _Lines(name).show


class _Lines:
    def __init__(self, name: str) -> None:
        self._name = name
        self._began: tuple[float, int] | None = None  # when, and with how many bytes
        self._last = time.monotonic()

    def show(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self._began is None or done < self._began[1]:
            self._began = now, done
        if now - self._last < _LINE_EVERY_S:
            return
        self._last = now
        rate = (done - self._began[1]) / max(now - self._began[0], 1e-6)
        of = f" of {total / 1e6:,.1f}" if total else ""
        left = f", {(total - done) / rate:.0f} s left" if total and rate else ""
        _say(f"{self._name}: {done / 1e6:,.1f}{of} MB, {rate / 1e6:.1f} MB/s{left}")


def _say(line: str) -> None:
    stderr.print(line, markup=False, soft_wrap=True)


def _answer(line: str) -> None:
    stdout().print(line, markup=False, soft_wrap=True)
