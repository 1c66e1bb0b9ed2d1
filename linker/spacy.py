"""The spaCy component `linker`: entities to concepts, or texts to both, by a bundle in the process or by a server.

nlp = spacy.load(...)                                       # anything that sets doc.ents
nlp.add_pipe("linker", config={"bundle": "my-bundle"})      # or {"server": "127.0.0.1:50051"}
for ent in nlp("heart attack in 2019").ents:
    print(ent.kb_id_, ent._.linker.candidates)

With `"detect": True` it finds the entities itself, and `doc._.linker` is the annotated note, with assertions and
sections as the rules of the pipeline's language read them; under "xx" the language of each doc is detected.

A pipeline is saved with what its bundle is called and with its digest, never with the bundle itself; it answers with
that bundle alone from then on. Entities of more than 1,024 characters are left as they are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans, minibatch

from linker.bundles import DEFAULT
from linker.client import TLS, LinkerClient, Settings, WrongBundle
from linker.documents import annotated_mention_message, annotated_note
from linker.errors import BundleMismatch, InvalidInput
from linker.limits import MAX_CONTEXT_LENGTH, MAX_MENTION_LENGTH
from linker.notes import AnnotatedNote, Note
from linker.offsets import Offsets, OffsetUnit
from linker.options import Options
from linker.records import ConceptFilter, Link, Mention, RerankMode
from linker.v1.linking_service_pb2 import Annotation, LinkMentionsResponse, LinkResult
from linker.wire import links_of, result_message

if TYPE_CHECKING:
    from linker.pipeline import Linker

LABEL = "MENTION"  # of entities that were found here
NIL = "NIL"  # as spaCy's own entity_linker has it
WINDOW = 200  # characters of context on each side where there are no sentences
TOKEN = "LINKER_TOKEN"  # noqa: S105 - where it is, not what it is
_ANY = ("", "xx")  # what a doc of no language in particular says
_FILE = "linker.json"
_ANSWER = "linker_answer"


class Engine(Protocol):
    """What links and annotates: a `LinkerClient`, or the engines in this process."""

    def link(self, mentions: Iterable[Mention | str], options: Options) -> list[Link]:
        """One link for each mention, in order."""

    def annotate(self, notes: Sequence[Note | str], options: Options) -> list[AnnotatedNote]:
        """Each note with its mentions, in order."""


class _InProcess:
    """See `Engine`."""

    def __init__(self, linker: Linker) -> None:
        from linker.annotation import Annotator

        self.link, self.annotate = linker.link, Annotator(linker).annotate


@dataclass(frozen=True, slots=True)
class Source:
    """Where answers come from. server: an address, or "" for this process. digest: of the bundle, "" for any."""

    bundle: str
    server: str
    tls: TLS | None
    digest: str

    def open(self) -> tuple[Engine, str]:
        """What links, and the digest of its bundle. Raises `BundleError` and its kinds, or `ServiceError`."""
        if self.server:
            settings = Settings(
                tls=self.tls, token=os.environ.get(TOKEN, ""), bundle=self.bundle, bundle_digest=self.digest
            )
            client = LinkerClient(self.server, settings=settings)
            return client, self.digest or client.provenance().bundle_digest
        from linker.pipeline import Linker

        linker = Linker.open(self.bundle or DEFAULT)
        if self.digest not in ("", linker.bundle.digest):
            message = f"this pipeline was saved with the bundle {self.digest}, and this one is {linker.bundle.digest}"
            raise BundleMismatch(f"{linker.bundle.path}: {message}; give it the other one, or add the component anew")
        return _InProcess(linker), linker.bundle.digest


class LinkerComponent:
    """See the module. Opens its bundle, or calls its server, when it is first used."""

    def __init__(self, source: Source, options: Options, labels: frozenset[str], *, detect: bool = False) -> None:
        """labels: of the entities to link, none for all. detect: find them, in the place of those there are."""
        options.check()
        self._detect = detect
        self._source = source
        self._options = options
        self._labels = labels
        self._engine: Engine | None = None

    def __call__(self, doc: Doc) -> Doc:
        """Link the entities of one doc."""
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Link the entities of `batch_size` docs at a time."""
        for docs in minibatch(stream, batch_size):
            self._link(docs)
            yield from docs

    def _link(self, docs: Sequence[Doc]) -> None:
        try:
            if self._detect:
                self._find(docs)
            else:
                self._link_entities(docs)
        except WrongBundle as error:
            raise BundleMismatch(f"{self._source.server}: {error}") from error

    def _find(self, docs: Sequence[Doc]) -> None:
        notes = [Note(doc.text, language="" if doc.lang_ in _ANY else doc.lang_) for doc in docs]
        for doc, note in zip(docs, self._opened().annotate(notes, self._options), strict=True):
            _write_note(doc, note)

    def _link_entities(self, docs: Sequence[Doc]) -> None:
        entities = [entity for doc in docs for entity in self._entities(doc)]
        if not entities:
            return
        mentions = [mention for doc in docs for mention in _mentions(doc, self._entities(doc))]
        links = self._opened().link(mentions, self._options)
        for entity, link in zip(entities, links, strict=True):
            _write(entity, link)

    def _entities(self, doc: Doc) -> list[Span]:
        return [
            entity
            for entity in doc.ents
            if entity.end_char - entity.start_char <= MAX_MENTION_LENGTH
            and (not self._labels or entity.label_ in self._labels)
        ]

    def _opened(self) -> Engine:
        if self._engine is None:
            self._engine, digest = self._source.open()
            self._source = replace(self._source, digest=digest)
        return self._engine

    def __getstate__(self) -> dict[str, Any]:
        """All but what is open: a process that this is sent to opens its own."""
        return {**vars(self), "_engine": None}

    def to_bytes(self, *, exclude: Sequence[str] = ()) -> bytes:  # noqa: ARG002
        """The digest of the bundle. Where it is stays in the pipeline's config."""
        self._opened()
        return json.dumps({"digest": self._source.digest}).encode()

    def from_bytes(self, data: bytes, *, exclude: Sequence[str] = ()) -> LinkerComponent:  # noqa: ARG002
        """Take the digest that was saved. Raises `BundleMismatch` where the bundle has another.

        A server is asked when it is first used, so that a pipeline can be loaded where there is none.
        """
        saved = json.loads(data)["digest"]
        if self._source.digest not in ("", saved):
            message = f"expected {saved}, which the pipeline was saved with, got {self._source.digest}"
            raise InvalidInput(message, field="digest")
        self._source, self._engine = replace(self._source, digest=saved), None
        if not self._source.server:
            self._opened()
        return self

    def to_disk(self, path: str | Path, *, exclude: Sequence[str] = ()) -> None:  # noqa: ARG002
        """As `to_bytes`, as a file in a folder."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _FILE).write_bytes(self.to_bytes())

    def from_disk(self, path: str | Path, *, exclude: Sequence[str] = ()) -> LinkerComponent:  # noqa: ARG002
        """As `from_bytes`, from a file in a folder."""
        return self.from_bytes((Path(path) / _FILE).read_bytes())


def _mentions(doc: Doc, entities: Sequence[Span]) -> Iterator[Mention]:
    text = doc.text
    sentences = doc.has_annotation("SENT_START")
    for entity in entities:
        begin, end = entity.start_char, entity.end_char
        first, past = max(0, begin - WINDOW), end + WINDOW
        if sentences:
            sentence = entity.sent
            if max(sentence.end_char, end) - sentence.start_char <= MAX_CONTEXT_LENGTH:
                first, past = sentence.start_char, max(sentence.end_char, end)
        yield Mention(text[begin:end], text[first:past], begin - first, end - first)


def _write(entity: Span, link: Link) -> None:
    for token in entity:
        token.ent_kb_id_ = link.concept.concept_id if link.concept else NIL
    # Bytes, which spaCy can save with the doc and send to another process, as it cannot our records.
    entity._.set(_ANSWER, result_message(link, "").SerializeToString())


def _write_note(doc: Doc, note: AnnotatedNote) -> None:
    """The note, and its mentions of one piece as entities; the longest, where some overlap as tokens."""
    offsets = Offsets(note.text, OffsetUnit.CODE_POINTS)
    mentions = [annotated_mention_message(mention, offsets) for mention in note.mentions]
    answer = Annotation(mentions=mentions, language=note.language, without_rules=note.without_rules)
    doc._.set(_ANSWER, answer.SerializeToString())
    links: dict[tuple[int, int], Link] = {}
    spans = []
    for mention in note.mentions:
        if len(mention.span.pieces) == 1:
            place = mention.span.begin, mention.span.end
            spans.append(doc.char_span(*place, label=LABEL, alignment_mode="expand"))
            links.setdefault((spans[-1].start, spans[-1].end), mention.link)
    doc.set_ents(filter_spans(spans))
    for entity in doc.ents:
        _write(entity, links[entity.start, entity.end])


def _read_note(doc: Doc) -> AnnotatedNote | None:
    """The annotated note, or None where it was not asked for. Rows of concepts are -1."""
    answer = doc._.get(_ANSWER)
    return None if answer is None else annotated_note(Annotation.FromString(answer), doc.text)


def _read(entity: Span) -> Link | None:
    """The link of an entity, or None where it was not linked. Rows of concepts are -1."""
    answer = entity._.get(_ANSWER)
    if answer is None:
        return None
    response = LinkMentionsResponse(results=[LinkResult.FromString(answer)])
    return links_of(response, [Mention(entity.text)])[0]


if not Span.has_extension("linker"):
    Span.set_extension(_ANSWER, default=None)
    Span.set_extension("linker", getter=_read)
    Doc.set_extension(_ANSWER, default=None)
    Doc.set_extension("linker", getter=_read_note)


@Language.factory(  # type: ignore[untyped-decorator]
    "linker",
    assigns=["doc.ents", "token.ent_kb_id", "span._.linker", "doc._.linker"],
    default_config={
        "bundle": "",
        "server": "",
        "tls": None,
        "digest": "",
        "labels": [],
        "detect": False,
        "top_k": 5,
        "min_confidence": None,
        "rerank": "auto",
        "semantic_types": [],
        "vocabularies": [],
        "languages": [],
        "codes": [],
    },
)
def make_linker(  # noqa: PLR0913, PLR0917 - as spaCy wants it: one argument for each line of the config
    nlp: Language,  # noqa: ARG001
    name: str,  # noqa: ARG001
    bundle: str,
    server: str,
    tls: dict[str, str] | None,
    digest: str,
    labels: list[str],
    detect: bool,
    top_k: int,
    min_confidence: float | None,
    rerank: str,
    semantic_types: list[str],
    vocabularies: list[str],
    languages: list[str],
    codes: list[str],
) -> LinkerComponent:
    """The component `linker`. Raises `InvalidInput`.

    bundle: a directory or a name, "" for the starter; with a server, the server's name for it, "" for its default.
    server: address of a server, "" to link in this process. tls: ca, certificate, key (files) and server_name; {} takes
    the authorities that gRPC knows. A bearer token is taken from the variable LINKER_TOKEN, never from the config.
    digest: of the bundle that is expected, "" for any. labels: of the entities to link, none for all. detect: find the
    entities, in the place of those there are. The rest as in `linker.Options`.
    """
    if rerank not in list(RerankMode):
        raise InvalidInput(f"expected {', '.join(RerankMode)}, got {rerank}", field="rerank")
    wanted = ConceptFilter(frozenset(semantic_types), frozenset(vocabularies), frozenset(languages))
    options = Options(
        top_k=top_k, filter=wanted, rerank=RerankMode(rerank), min_confidence=min_confidence, codes=tuple(codes)
    )
    return LinkerComponent(Source(bundle, server, _tls(tls), digest), options, frozenset(labels), detect=detect)


def _tls(given: dict[str, str] | None) -> TLS | None:
    if given is None:
        return None
    known = {"ca", "certificate", "key", "server_name"}
    if unknown := sorted(given.keys() - known):
        raise InvalidInput(f"expected {', '.join(sorted(known))}, got {', '.join(unknown)}", field="tls")
    files = {name: Path(given[name]) for name in ("ca", "certificate", "key") if given.get(name)}
    return TLS(server_name=given.get("server_name", ""), **files)
