"""Both clients and the command line against the real server, which answers as the library does."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from linker.annotation import Annotator
from linker.cli import main
from linker.client import AsyncLinkerClient, CodeStatus, Settings, WrongBundle
from linker.demo import serving
from linker.detection.detector import Span
from linker.detection.given import GivenDetector
from linker.errors import InvalidInput, NotFound
from linker.notes import AnnotatedNote, Note
from linker.options import Options
from linker.pipeline import Linker
from linker.records import ConceptFilter, Link, Mention, RerankMode

Drive = Callable[..., Any]
BY_TWO = Settings(batch_size=2, in_flight=3)
MENTIONS = [
    Mention("MI", "pt had an MI in 2019", 10, 12),
    Mention("asma"),
    Mention("zzyzx"),
    Mention("heart attack"),
] * 5


@pytest.fixture(scope="module")
def address(bundle: Path) -> Iterator[str]:
    with serving(bundle) as address:
        yield address


def without_rows(links: list[Link]) -> list[Link]:
    """Rows of concepts do not cross the wire."""
    return [replace(link, candidates=tuple(replace(c, concept=-1) for c in link.candidates)) for link in links]


def streamed(batches: Any) -> Any:
    """The batches of a stream: a list of them, or an iterator that `drive` drains."""
    return batches if isinstance(batches, AsyncIterator) else list(batches)


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(top_k=2, filter=ConceptFilter(semantic_types=frozenset({"finding"})), rerank=RerankMode.NEVER),
        Options(min_confidence=1.0, codes=("DEMO",), value_set=frozenset({"CLINIC:0002"})),
    ],
)
def test_the_same_answers_as_the_library(drive: Drive, address: str, linker: Linker, options: Options) -> None:
    expected = without_rows(linker.link(MENTIONS, options))
    assert drive(address, lambda client: client.link(MENTIONS, options), BY_TWO) == expected

    batches = drive(address, lambda client: streamed(client.stream(MENTIONS, options)), BY_TWO)
    assert [link for batch in batches for link in batch.links] == expected
    assert {batch.provenance.bundle_digest for batch in batches} == {linker.bundle.digest}
    assert all(batch.timing.total_s > 0 for batch in batches)


NOTES = [
    "FH: no MI \U0001f600.\n\nPossible type 2 diabetes mellitus (TD), TD.",
    "",
    "asma",
    Note("Los problemas son asma y MI.", language="es-MX"),
    Note("No asthma", language="pt"),
] * 7


def without_rows_of(notes: list[AnnotatedNote]) -> list[AnnotatedNote]:
    return [
        replace(note, mentions=tuple(replace(m, link=without_rows([m.link])[0]) for m in note.mentions))
        for note in notes
    ]


def test_the_same_annotations_as_the_library(drive: Drive, address: str, linker: Linker) -> None:
    settings = Settings(batch_characters=60, in_flight=3)
    expected = without_rows_of(Annotator(linker).annotate(NOTES))
    assert drive(address, lambda client: client.annotate(NOTES), settings) == expected
    batches = drive(address, lambda client: streamed(client.annotate_stream(NOTES)), settings)
    assert [note for batch in batches for note in batch.notes] == expected
    assert len(batches) > 7
    assert {batch.provenance.bundle_digest for batch in batches} == {linker.bundle.digest}
    assert all(batch.timing.detect_s > 0 for batch in batches if "".join(note.text for note in batch.notes))


def test_mentions_of_a_note_that_are_known(drive: Drive, address: str, linker: Linker) -> None:
    spans = [Span(((11, 15),)), Span(((0, 5),)), Span(((0, 5), (11, 15)))]
    known = Note("asthm \U0001f600 or asma", tuple(spans))
    (note,) = drive(address, lambda client: client.annotate([known]))
    expected = Annotator(linker, detector=GivenDetector([spans])).annotate([known.text])
    assert [note] == without_rows_of(expected)
    assert [m.span for m in note.mentions] == sorted(spans)


@pytest.mark.parametrize(
    ("note", "said"),
    [
        ("a" * 1_000_001, r"notes\[1\]: expected at most 1,000,000 characters, got 1,000,001; split it"),
        (Note("abc", language="spanish"), r"notes\[1\]\.language: expected a language tag"),
        (Note("abc", (Span(((2, 9),)),)), r"notes\[1\]\.given\.spans\[0\]\.pieces\[0\]: expected 0 <= begin"),
        ("\ud800", r"notes\[1\]: expected Unicode"),
    ],
)
def test_a_note_that_is_not_acceptable_is_named(drive: Drive, address: str, note: Note | str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        drive(address, lambda client: client.annotate(["asma", note]))


def test_what_the_terminology_knows(drive: Drive, address: str, linker: Linker) -> None:
    terminology = linker.bundle.terminology
    record = drive(address, lambda client: client.concept("CLINIC:0003"))
    assert record == replace(terminology.concept("CLINIC:0003"), concept=-1)
    above = drive(address, lambda client: client.ancestors("CLINIC:0003"))
    assert [(c.concept_id, c.distance) for c in above] == [("CLINIC:0002", 1), ("CLINIC:0001", 2)]
    below = drive(address, lambda client: client.descendants("CLINIC:0001", max_distance=1, limit=3))
    assert [c.distance for c in below] == [1, 1, 1]
    found = drive(address, lambda client: client.search("diab"))
    assert [c.concept_id for c in found] == ["CLINIC:0008"]
    known, unknown = drive(address, lambda client: client.map_codes([("DEMO", "H1"), ("DEMO", "none")]))
    assert [c.concept.concept_id for c in known.concepts] == ["CLINIC:0003"]
    assert (known.status, unknown.status) == (CodeStatus.FOUND, CodeStatus.NOT_FOUND)
    assert drive(address, lambda client: client.provenance()).bundle_digest == linker.bundle.digest


def test_names_near_a_query(drive: Drive, address: str) -> None:
    found = drive(address, lambda client: client.search("myocardial infarct", fuzzy=True, limit=3))
    assert found[0].concept_id == "CLINIC:0003"
    assert len(found) == 3


def test_errors_that_only_a_server_can_see(drive: Drive, address: str) -> None:
    with pytest.raises(NotFound):
        drive(address, lambda client: client.concept("CLINIC:9"))
    with pytest.raises(InvalidInput) as raised:
        drive(address, lambda client: client.link(["a"] * 7 + [""]), BY_TWO)
    assert raised.value.field == "mentions[7].text"
    with pytest.raises(WrongBundle, match="digest"):
        drive(address, lambda client: client.link(["a"]), Settings(bundle_digest="0" * 64))
    with pytest.raises(InvalidInput, match="CLINIC"):
        drive(address, lambda client: client.link(["a"], Options(codes=("NONE",))))


def test_two_clients_in_one_loop(address: str) -> None:
    async def main() -> list[list[Link]]:
        async with AsyncLinkerClient(address) as one, AsyncLinkerClient(address) as other:
            return await asyncio.gather(one.link(["asma"]), other.link(["MI"]))

    asthma, mi = asyncio.run(main())
    assert asthma[0].concept is not None
    assert mi[0].concept is None


def test_the_command_line_with_a_server(
    address: str, bundle: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: Any, tmp_path: Path
) -> None:
    def run(*arguments: str) -> tuple[int, bytes, bytes]:
        monkeypatch.setattr(sys, "argv", ["linker", "link", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"mention": "heart attack"}\n')))
        with pytest.raises(SystemExit) as stop:
            main()
            raise SystemExit(0)
        return int(stop.value.code or 0), *capsysbinary.readouterr()

    ids = tmp_path / "ids.txt"
    ids.write_text("CLINIC:0002\n")
    for more in (("--json", "heart attack", "MI"), (), ("--codes", "DEMO", "asma"), ("--value-set", str(ids))):
        assert run("--server", address, *more) == run("--bundle", str(bundle), *more)
    code, out, err = run("--server", address, "--value-set", str(ids), "--lenient", "MI")
    assert (code, out, b"--lenient" in err) == (2, b"", True)
    code, out, err = run("--server", "127.0.0.1:1", "MI")
    assert (code, out, err.count(b"\n")) == (2, b"", 1)
