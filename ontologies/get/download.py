"""Fetches one file over HTTP, whole or not at all: it takes its name once it is complete and is what it should be.

What has come is kept beside it in `.NAME.part`, with what the server called it in `.NAME.part.json`. The next attempt,
or the next run, asks for the rest, on condition that the file is still the same (RFC 9110, sections 13.1.5 If-Range and
14.2 Range); else it begins anew. Proxies are those of the environment (HTTPS_PROXY, NO_PROXY).
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import os
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

from ontologies.errors import DownloadError

ATTEMPTS = 5  # in a row that bring nothing
TIMEOUT_S = 60.0
_LONGEST_WAIT_S = 60.0
_CHUNK = 1 << 18
_LARGEST_DOCUMENT = 1 << 22
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))

Progress = Callable[[int, int | None], object]  # bytes there are, and will be if the server says


def _silent(_done: int, _total: int | None) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """A file that was fetched. changed: the day it was last changed (ISO 8601), if the server says."""

    path: Path
    size: int
    sha256: str
    changed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What the server calls the file whose beginning is kept."""

    url: str
    etag: str = ""
    modified: str = ""

    @property
    def validator(self) -> str:
        """What If-Range takes: a strong entity tag, else the date."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


class _Interrupted(Exception):
    """What may pass if one tries again. wait_s: how long the server asks to wait."""

    def __init__(self, message: str, *, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


def download(
    url: str,
    target: Path,
    *,
    checksum: str = "",
    progress: Progress = _silent,
    pause_s: float = 1.0,
) -> Downloaded:
    """Fetch `url` to `target`, going on where an earlier attempt stopped.

    checksum: "sha256:...", or another algorithm of `hashlib`. pause_s: before the second attempt, doubled each time.

    Raises `DownloadError`; an older `target` is then untouched.
    """
    part = target.with_name(f".{target.name}.part")
    with _told(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        stream = part.open("ab", buffering=0)
    with stream:
        _lock(stream, part)
        state = _persistently(url, stream, part, progress, pause_s)
        with _told(part):
            os.fsync(stream.fileno())
            size = stream.seek(0, os.SEEK_END)
        _check(part, checksum, url)
        sha256 = _sum_of(part, "sha256")
        with _told(target):
            part.replace(target)
            _state_file(part).unlink(missing_ok=True)
    return Downloaded(path=target, size=size, sha256=sha256, changed=_day(state.modified))


def fetch_document(url: str) -> bytes:
    """A small document, whole. Raises `DownloadError`."""
    try:
        with _open(url, {}) as response:
            return bytes(response.read(_LARGEST_DOCUMENT))
    except (_Interrupted, OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{url}: {error}") from error


def _persistently(url: str, stream: BinaryIO, part: Path, progress: Progress, pause_s: float) -> _State:
    failures = 0
    while True:
        before = part.stat().st_size
        try:
            return _rest(url, stream, part, progress)
        except _Interrupted as error:
            size = part.stat().st_size
            failures = 1 if size > before else failures + 1
            if failures >= ATTEMPTS:
                kept = f"; {size:,} bytes are kept, run again to go on" if size else ""
                raise DownloadError(f"{url}: {error}, {failures} times in a row{kept}") from error
            time.sleep(min(max(pause_s * 2 ** (failures - 1), error.wait_s), _LONGEST_WAIT_S))


def _rest(url: str, stream: BinaryIO, part: Path, progress: Progress) -> _State:
    """Fetch what is not there yet, to the end. Raises `_Interrupted` or `DownloadError`."""
    kept = _kept_state(url, part)
    begin = part.stat().st_size if kept else 0
    conditions = {"Range": f"bytes={begin}-", "If-Range": kept.validator} if kept and begin else {}
    with _open(url, conditions) as response:
        if response.status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            if kept and response.headers.get("Content-Range") == f"bytes */{begin}":
                return kept
            _begin_anew(stream, part)
            raise _Interrupted("expected the rest of the file, got that there is none")
        state = _stated(url, response.headers)
        if not _goes_on(response, kept, state, begin):
            if response.status == http.HTTPStatus.PARTIAL_CONTENT:
                _begin_anew(stream, part)
                raise _Interrupted("expected the rest of the same file, got another part")
            _begin_anew(stream, part)
            begin = 0
        _check_kind(url, response.headers, part)
        length = response.headers.get("Content-Length")
        total = begin + int(length) if length and length.isdigit() else None
        with _told(part):
            _check_space(part, (total or 0) - begin)
            _state_file(part).write_text(json.dumps(asdict(state)), encoding="utf-8")
        _copy(response, stream, part, lambda done: progress(done, total), begin)
    if total is not None and part.stat().st_size < total:
        raise _Interrupted(f"the connection ended after {part.stat().st_size:,} of {total:,} bytes")
    return state


def _begin_anew(stream: BinaryIO, part: Path) -> None:
    """Forget what has come."""
    with _told(part):
        stream.truncate(0)
        _state_file(part).unlink(missing_ok=True)


def _goes_on(response: Any, kept: _State | None, state: _State, begin: int) -> bool:
    """Does the response hold what comes after the bytes there are, of the same file?"""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT or kept is None:
        return False
    same = not (kept.etag and state.etag) or kept.etag == state.etag
    return same and str(response.headers.get("Content-Range", "")).startswith(f"bytes {begin}-")


def _copy(response: Any, stream: BinaryIO, part: Path, progress: Callable[[int], object], done: int) -> None:
    progress(done)
    while True:
        try:
            chunk = memoryview(response.read(_CHUNK))
        except (OSError, http.client.HTTPException) as error:
            raise _Interrupted(f"the connection ended: {error or type(error).__name__}") from error
        if not chunk:
            return
        done += len(chunk)
        with _told(part, "; what has come is kept, run again to go on"):
            while chunk:  # an unbuffered write may take a part of it
                chunk = chunk[stream.write(chunk) :]
        progress(done)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from an encrypted address to one that is not."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise DownloadError(f"{req.full_url}: expected an encrypted address, was sent on to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _open(url: str, conditions: Mapping[str, str]) -> Iterator[Any]:
    """The response; one that is no answer is an error. Raises `_Interrupted` or `DownloadError`."""
    # What is read is stored as it came: a coding on the way would make ranges and sums those of another file.
    headers = {"User-Agent": f"medlinker/{version('medlinker')}", "Accept-Encoding": "identity", **conditions}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - addresses are those of the catalogue
    try:
        response = urllib.request.build_opener(_Redirects).open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            response = error
        elif error.code in _PASSING:
            wait = error.headers.get("Retry-After", "")
            raise _Interrupted(
                f"got {error.code} {error.reason}", wait_s=float(wait) if wait.isdigit() else 0
            ) from error
        else:
            raise DownloadError(f"{url}: expected the file, got {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            hint = "where a proxy signs for others, SSL_CERT_FILE names its certificate"
            raise DownloadError(f"{url}: {reason.verify_message} ({hint})") from error
        hint = " (is HTTPS_PROXY needed here?)" if isinstance(reason, socket.gaierror) else ""
        raise _Interrupted(f"no connection: {reason or type(reason).__name__}{hint}") from error
    with response:
        yield response


def _stated(url: str, headers: Any) -> _State:
    return _State(url=url, etag=headers.get("ETag", ""), modified=headers.get("Last-Modified", ""))


def _check_kind(url: str, headers: Any, part: Path) -> None:
    """No release is a web page; a portal that wants a login, or an address that has moved, answers with one."""
    if headers.get_content_type() == "text/html":
        _remove(part)
        raise DownloadError(f"{url}: expected a file, got a web page; the release may have moved")


def _check_space(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise DownloadError(f"{part.parent}: expected {needed:,} bytes of free space, got {free:,}")


def _check(part: Path, checksum: str, url: str) -> None:
    if not checksum:
        return
    algorithm, _, expected = checksum.partition(":")
    came = _sum_of(part, algorithm)
    if came != expected.lower():
        _remove(part)
        raise DownloadError(
            f"{url}: expected {algorithm} {expected}, as the publisher says, got {came}; it is not kept"
        )


def _sum_of(path: Path, algorithm: str) -> str:
    with _told(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def _remove(part: Path) -> None:
    with _told(part):
        part.unlink(missing_ok=True)
        _state_file(part).unlink(missing_ok=True)


def _state_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _kept_state(url: str, part: Path) -> _State | None:
    """What is known of the beginning that is kept; None where it cannot be gone on with."""
    try:
        state = _State(**json.loads(_state_file(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return state if state.url == url and state.validator else None


def _lock(stream: BinaryIO, part: Path) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        own = os.path.samestat(part.stat(), os.fstat(stream.fileno()))
    except (BlockingIOError, FileNotFoundError):
        own = False
    if not own:  # or another process gave it its name, before it let go of the lock
        raise DownloadError(f"{part}: another process is downloading this file")


def _day(modified: str) -> str:
    try:
        return parsedate_to_datetime(modified).date().isoformat()
    except ValueError:
        return ""


@contextmanager
def _told(path: Path, hint: str = "") -> Iterator[None]:
    """Errors of the file system as ours."""
    try:
        yield
    except OSError as error:
        raise DownloadError(f"{path}: cannot write: {error.strerror or error}{hint}") from error
