"""An XML document (XML 1.0) too large to hold: the children of its root, one at a time, each with its line.

Expat is driven directly because ElementTree's parser does not say where an element begins. Nothing outside the file
is ever fetched. Entities could make a small file large (CWE-776), so only those that OWL editors write are allowed:
short plain text, an abbreviated namespace.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from ontologies.errors import SourceError
from ontologies.readers.files import open_file

XML = "{http://www.w3.org/XML/1998/namespace}"  # of xml:lang and xml:base
_CHUNK = 1 << 16
_ENTITY_LENGTH = 256
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_START_TAG = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?(?P<name>[A-Za-z_][\w.-]*)[\s/>]")


@dataclass(frozen=True, slots=True)
class Child:
    """One child of the document's root. line: of its start tag."""

    root: Element  # without children
    element: Element
    line: int


def root_name(head: bytes) -> str:
    """The local name of the root element of a document that begins so, or "" where it shows none.

    >>> root_name(b'<?xml version="1.0"?><!-- a < b --><rdf:RDF xmlns:rdf="..."><owl:On')
    'RDF'
    """
    match = _START_TAG.search(_COMMENT.sub(b"", head))
    return match["name"].decode() if match else ""


def stream_xml(path: Path) -> Generator[Child, None, None]:
    """The root's children in order, names written `{namespace}local`.

    Raises `SourceError` with the line of what is not well-formed, or is an entity that is not short plain text.
    """
    document = _Document(path)
    with open_file(path) as handle:
        while chunk := handle.read(_CHUNK):
            yield from document.children(chunk)
        yield from document.children(b"", final=True)


class _Document:
    """Takes a document's bytes, gives the children of its root that they complete."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parser = parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = self._entity
        parser.SkippedEntityHandler = self._skipped
        self._root: Element | None = None
        self._builder: TreeBuilder | None = None
        self._depth = 0
        self._line = 0
        self._complete: list[Child] = []

    def children(self, chunk: bytes, *, final: bool = False) -> list[Child]:
        self._complete = []
        try:
            self._parser.Parse(chunk, final)
        except expat.ExpatError as error:
            message = f"expected well-formed XML, got {expat.ErrorString(error.code)} at column {error.offset + 1}"
            raise SourceError(message, path=self._path, line=error.lineno) from None
        return self._complete

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = _name(name)
        named = {_name(key): value for key, value in attributes.items()}
        self._depth += 1
        if self._depth == 1:
            self._root = Element(tag, named)
            return
        if self._depth == 2:
            self._builder = TreeBuilder()
            self._line = self._parser.CurrentLineNumber
        if self._builder is not None:
            self._builder.start(tag, named)

    def _end(self, name: str) -> None:
        if self._builder is not None:
            self._builder.end(_name(name))
            if self._depth == 2 and self._root is not None:
                self._complete.append(Child(self._root, self._builder.close(), self._line))
                self._builder = None
        self._depth -= 1

    def _text(self, text: str) -> None:
        if self._builder is not None:
            self._builder.data(text)

    def _entity(
        self,
        name: str,
        is_parameter: bool,
        value: str | None,
        *_: object,
    ) -> None:
        if is_parameter or value is None or len(value) > _ENTITY_LENGTH or "&" in value or "<" in value:
            raise self._error(f"expected no entity but a short plain text, got the entity {name!r}")

    def _skipped(self, name: str, is_parameter: bool) -> None:
        if not is_parameter:
            raise self._error(f"expected text, got the entity &{name}; that this file does not declare")

    def _error(self, message: str) -> SourceError:
        return SourceError(message, path=self._path, line=self._parser.CurrentLineNumber)


def _name(name: str) -> str:
    return f"{{{name}" if "}" in name else name
