"""Page tokens: where a page ended, for one query and one bundle."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

from linker.errors import InvalidInput

_CHECK_BYTES = 16
_ROW_BYTES = 4


def write_token(after: tuple[str, int], *, query: str, bundle_digest: str) -> str:
    """The token of the page that begins after (text, number), both as the method that pages has its order."""
    place = after[1].to_bytes(_ROW_BYTES, "big") + after[0].encode()
    return urlsafe_b64encode(_check(place, query, bundle_digest) + place).decode().rstrip("=")


def read_token(token: str, *, query: str, bundle_digest: str) -> tuple[str, int]:
    """The place in a token. Raises `InvalidInput` unless `write_token` made it for this query and this bundle."""
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        check, place = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        after = (place[_ROW_BYTES:].decode(), int.from_bytes(place[:_ROW_BYTES], "big"))
    except ValueError:
        after, check, place = ("", 0), b"", b""
    # The decoder passes over characters that are not of its alphabet, so the token is also compared as a whole.
    if (
        check != _check(place, query, bundle_digest)
        or write_token(after, query=query, bundle_digest=bundle_digest) != token
    ):
        message = "not a token for this query and this bundle; begin again without one"
        raise InvalidInput(message, field="page_token")
    return after


def _check(place: bytes, query: str, bundle_digest: str) -> bytes:
    parts = (place, query.encode(), bundle_digest.encode())
    digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts))
    return digest.digest()[:_CHECK_BYTES]
