"""Bearer tokens: who may call what, from a file that holds no secret.

One token a line, three fields separated by blanks; `#` begins a comment:

    etl-2026  link,read  5e884898da28047151d0e56f8dc6292773603d0d6aabbd...

The first is the key id, which audit logs show; the second the scopes; the third the SHA-256 of the token, which is
`linker_<key id>_<secret>`. A secret has 256 random bits: nobody can try them out, so one plain hash is as good as the
slow ones that passwords need. Several tokens are live at once: add the new one, move clients, remove the old one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from linker.errors import InvalidInput
from linker.server.errors import Unauthenticated
from linker.server.watched import Watched

PREFIX = "linker"  # lets secret scanners recognise a token that was committed somewhere
SCHEME = "bearer "
_KEY_ID = re.compile(r"[A-Za-z0-9-]{1,32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NOBODY = "0" * 64
LOOK_EVERY_S = 1.0  # a revoked token is refused so much later at most


class Scope(StrEnum):
    """What a token is for. None includes another."""

    LINK = "link"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Key:
    """A token as the file has it. sha256: of the token, hexadecimal."""

    key_id: str
    scopes: frozenset[Scope]
    sha256: str


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made: its secret, shown once, and the line for the file."""

    token: str
    line: str


class Tokens:
    """The tokens of a file, which is read again when it changes."""

    def __init__(self, path: Path) -> None:
        """Raises `InvalidInput` naming file and line. A file without tokens is an error, later it revokes all."""
        self._keys: Watched[Mapping[str, Key]] = Watched(
            [path], lambda: read_keys(path), what="tokens", every_s=LOOK_EVERY_S
        )
        if not self._keys.get():
            message = f"{path}: has no token, so every call would be refused; add what `linker token new` prints"
            raise InvalidInput(message, field="--tokens")

    def authenticate(self, authorization: Iterable[str]) -> Key:
        """The key of a call, given its `authorization` metadata. Raises `Unauthenticated`."""
        match [*authorization]:
            case [value] if value[: len(SCHEME)].lower() == SCHEME:
                token = value[len(SCHEME) :].strip()
            case _:
                raise Unauthenticated("expected one bearer token, as metadata `authorization: Bearer TOKEN`")
        key = self._keys.get().get(_key_id(token))
        # Compared also where there is no such key, and in constant time: how long it takes tells nothing.
        if not hmac.compare_digest(key.sha256 if key else _NOBODY, _digest(token)) or key is None:
            raise Unauthenticated("the bearer token is unknown or was revoked; ask the operator for a new one")
        return key


def new_token(scopes: Iterable[Scope], *, key_id: str | None = None) -> NewToken:
    """A new token. key_id: its name in audit logs; None makes one up. Raises `InvalidInput`."""
    key_id = secrets.token_hex(4) if key_id is None else key_id
    if not _KEY_ID.fullmatch(key_id):
        raise InvalidInput("expected 1 to 32 letters, digits and hyphens", field="--id")
    token = f"{PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
    return NewToken(token, f"{key_id} {','.join(sorted(set(scopes)))} {_digest(token)}")


def read_keys(path: Path) -> Mapping[str, Key]:
    """The keys of a file, by id. Raises `InvalidInput` naming file and line, and quoting neither secret nor hash."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InvalidInput(f"{path}: cannot be read ({why})", field="--tokens") from None
    keys: dict[str, Key] = {}
    for number, line in enumerate(lines, start=1):
        fields = line.partition("#")[0].split()
        if not fields:
            continue
        try:
            key = _key(fields)
            if key.key_id in keys:
                raise ValueError("the key id of an earlier line; each token has its own")
        except ValueError as error:
            raise InvalidInput(f"{path}, line {number}: {error}", field="--tokens") from None
        keys[key.key_id] = key
    return keys


def _key(fields: list[str]) -> Key:
    if len(fields) != 3:
        raise ValueError(f"expected `KEY_ID SCOPES SHA256`, got {len(fields)} fields; `linker token new` prints a line")
    key_id, scopes, sha256 = fields
    if not _KEY_ID.fullmatch(key_id):
        raise ValueError("expected a key id of 1 to 32 letters, digits and hyphens")
    if not set(scopes.split(",")) <= set(Scope):
        raise ValueError(f"expected scopes among {', '.join(Scope)}, separated by commas without blanks")
    if not _SHA256.fullmatch(sha256):
        raise ValueError("expected the SHA-256 of the token as 64 hexadecimal digits; is this the token itself?")
    return Key(key_id, frozenset(map(Scope, scopes.split(","))), sha256)


def _key_id(token: str) -> str:
    prefix, _, rest = token.partition("_")
    return rest.partition("_")[0] if prefix == PREFIX else ""


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
