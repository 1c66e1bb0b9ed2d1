"""Any number of mentions or notes as requests that a server accepts: at most so many, and so many bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from linker import limits
from linker.documents import document_message
from linker.errors import InvalidInput
from linker.notes import Note
from linker.records import Mention
from linker.wire import mention_message

_FRAMING = 5  # bytes of an item beside its own: a tag and a length
_MARGIN = 4096


@dataclass(frozen=True, slots=True)
class Kind:
    """What goes into requests: mentions, or notes.

    field: that holds them in a request. name: what callers call them. most: of them in a request. item: what the caller
    gave, as a record. message: the same as it is sent. size: what counts towards the size of a batch.
    """

    field: str
    name: str
    most: int
    item: Callable[[Any], Any]
    message: Callable[[Any], Any]
    size: Callable[[Any], int]

    def placed(self, error: InvalidInput, first: int) -> InvalidInput:
        """The error with the item's place among all of them; that of the request's first is `first`."""

        def place(found: re.Match[str]) -> str:
            return f"{self.name}[{first + int(found[1])}]"

        return InvalidInput(error.description, field=re.sub(rf"^{self.field}\[(\d+)\]", place, error.field))


def _note(given: Note | str) -> Note:
    note = given if isinstance(given, Note) else Note(given)
    if len(note.text) > limits.MAX_DOCUMENT_LENGTH:
        message = f"expected at most {limits.MAX_DOCUMENT_LENGTH:,} characters, got {len(note.text):,}; split it"
        raise InvalidInput(message, field="documents[0]")
    return note


MENTIONS = Kind(
    field="mentions",
    name="mentions",
    most=limits.MAX_MENTIONS,
    item=lambda given: given if isinstance(given, Mention) else Mention(given),
    message=mention_message,
    size=lambda _: 1,
)
NOTES = Kind(
    field="documents",
    name="notes",
    most=limits.MAX_DOCUMENTS,
    item=_note,
    message=document_message,
    size=lambda note: len(note.text),
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Items that go in one request. first: the place of its first item among all of them."""

    kind: Kind
    first: int
    items: tuple[Any, ...]
    request: Any

    def halves(self) -> tuple[Batch, Batch]:
        """The batch as two. It has at least two items."""
        middle = len(self.items) // 2
        return self._part(0, middle), self._part(middle, len(self.items))

    def _part(self, begin: int, end: int) -> Batch:
        request = _copy(self.request)
        items = getattr(request, self.kind.field)
        del items[end:]
        del items[:begin]
        return Batch(self.kind, self.first + begin, self.items[begin:end], request)

    def pinned(self, digest: str) -> Batch:
        """The batch for the bundle with this digest alone."""
        request = _copy(self.request)
        request.options.bundle_digest = digest
        return replace(self, request=request)

    def placed(self, error: InvalidInput) -> InvalidInput:
        """The error with the item's place among all of them, not among those of the request."""
        return self.kind.placed(error, self.first)


class Cutter:
    """Takes items one by one and gives a batch each time the next one does not fit."""

    def __init__(self, kind: Kind, template: Any, *, size: int) -> None:
        """template: a request without items. size: of a batch; an item that is larger has one to itself."""
        self._kind = kind
        self._template = template
        self._size = size
        self._room = limits.MAX_MESSAGE_BYTES - _MARGIN - template.ByteSize()
        self._first = 0
        self._start()

    def _start(self) -> None:
        self._items: list[Any] = []
        self._sum = self._bytes = 0
        self._request = _copy(self._template)

    def add(self, given: Any) -> Batch | None:
        """Take an item. The batch of those before it, where it does not fit into that. Raises `InvalidInput`."""
        kind, place = self._kind, self._first + len(self._items)
        with encodable(f"{kind.name}[{place}]"):
            try:
                item = kind.item(given)
            except InvalidInput as error:
                raise kind.placed(error, place) from None
            message = kind.message(item)
        size, weight = kind.size(item), message.ByteSize() + _FRAMING
        full = self._sum + size > self._size or self._bytes + weight > self._room or len(self._items) == kind.most
        batch = self.rest() if full else None
        self._items.append(item)
        getattr(self._request, kind.field).append(message)
        self._sum += size
        self._bytes += weight
        return batch

    def rest(self) -> Batch | None:
        """What has been taken and not given yet."""
        if not self._items:
            return None
        batch = Batch(self._kind, self._first, tuple(self._items), self._request)
        self._first += len(self._items)
        self._start()
        return batch


def _copy(request: Any) -> Any:
    copied = type(request)()
    copied.CopyFrom(request)
    return copied


@contextmanager
def encodable(field: str) -> Iterator[None]:
    """Raise `InvalidInput` where a text cannot be sent; what it says is not in it."""
    try:
        yield
    except UnicodeEncodeError:
        raise InvalidInput("expected Unicode text, got half of a surrogate pair", field=field) from None
    except TypeError:
        raise InvalidInput("expected a text", field=field) from None
