"""Any number of mentions as requests that a server accepts: at most so many mentions, and so many bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from linker import limits
from linker.errors import InvalidInput
from linker.records import Mention
from linker.v1.linking_service_pb2 import LinkMentionsRequest
from linker.wire import mention_message

_MENTION_FRAMING = 5  # bytes of a mention beside its own: a tag and a length
_MARGIN = 4096
_POSITION = re.compile(r"^mentions\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Batch:
    """Mentions that go in one request. first: the place of its first mention among all of them."""

    first: int
    mentions: tuple[Mention, ...]
    request: LinkMentionsRequest

    def halves(self) -> tuple[Batch, Batch]:
        """The batch as two. It has at least two mentions."""
        middle = len(self.mentions) // 2
        return self._part(0, middle), self._part(middle, len(self.mentions))

    def _part(self, begin: int, end: int) -> Batch:
        request = LinkMentionsRequest()
        request.CopyFrom(self.request)
        del request.mentions[end:]
        del request.mentions[:begin]
        return Batch(self.first + begin, self.mentions[begin:end], request)

    def pinned(self, digest: str) -> Batch:
        """The batch for the bundle with this digest alone."""
        request = LinkMentionsRequest()
        request.CopyFrom(self.request)
        request.options.bundle_digest = digest
        return replace(self, request=request)

    def placed(self, error: InvalidInput) -> InvalidInput:
        """The error with the mention's place among all of them, not among those of the request."""
        field = _POSITION.sub(lambda found: f"mentions[{self.first + int(found[1])}]", error.field)
        return InvalidInput(error.description, field=field)


class Cutter:
    """Takes mentions one by one and gives a batch each time the next one does not fit."""

    def __init__(self, template: LinkMentionsRequest, *, size: int) -> None:
        """template: a request without mentions. size: mentions in a batch."""
        self._template = template
        self._size = size
        self._room = limits.MAX_MESSAGE_BYTES - _MARGIN - template.ByteSize()
        self._first = 0
        self._start()

    def _start(self) -> None:
        self._mentions: list[Mention] = []
        self._bytes = 0
        self._request = LinkMentionsRequest()
        self._request.CopyFrom(self._template)

    def add(self, mention: Mention | str) -> Batch | None:
        """Take a mention. The batch of those before it, where it does not fit into that. Raises `InvalidInput`."""
        taken = mention if isinstance(mention, Mention) else Mention(mention)
        with encodable(f"mentions[{self._first + len(self._mentions)}]"):
            message = mention_message(taken)
        weight = message.ByteSize() + _MENTION_FRAMING
        full = len(self._mentions) >= self._size or self._bytes + weight > self._room
        batch = self.rest() if full else None
        self._mentions.append(taken)
        self._request.mentions.append(message)
        self._bytes += weight
        return batch

    def rest(self) -> Batch | None:
        """What has been taken and not given yet."""
        if not self._mentions:
            return None
        batch = Batch(self._first, tuple(self._mentions), self._request)
        self._first += len(self._mentions)
        self._start()
        return batch


@contextmanager
def encodable(field: str) -> Iterator[None]:
    """Raise `InvalidInput` where a text cannot be sent; what it says is not in it."""
    try:
        yield
    except UnicodeEncodeError:
        raise InvalidInput("expected Unicode text, got half of a surrogate pair", field=field) from None
    except TypeError:
        raise InvalidInput("expected a text", field=field) from None
