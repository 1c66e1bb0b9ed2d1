from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from linker.options import Options
from linker.pipeline import Linker
from linker.records import Mention
from linker.server.calls import REQUEST_ID, Call
from linker.v1 import linking_service_pb2 as linking
from linker.v1 import terminology_service_pb2 as terminology
from linker.wire import link_request

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
SENT = "0B7C0A52-4c1f-4f3e-9d2a-0123456789ab"
MARKER = "Zyx987-Canary"


def link(running: Any, *ids: str, text: str = "MI") -> tuple[str, grpc.StatusCode]:
    """The request id that the client is told, and the status."""
    metadata = [(REQUEST_ID, value) for value in ids]
    request = link_request([Mention(text)] if text else [], Options())
    call = running.linking.LinkMentions.with_call
    try:
        _, done = call(request, metadata=metadata, timeout=10)
    except grpc.RpcError as error:
        done = error
    return dict(done.trailing_metadata())[REQUEST_ID], done.code()


def test_the_request_id_is_the_clients_where_it_can_hold_no_text(served: Any) -> None:
    assert link(served, SENT)[0] == SENT
    assert link(served, SENT.replace("-", ""))[0] == SENT.replace("-", "")
    made = [link(served, *ids)[0] for ids in ((), (MARKER,), ("12345678",), (SENT, SENT), (f"{SENT} {MARKER}",), ("",))]
    assert all(re.fullmatch(UUID, one) for one in made)
    assert len(set(made)) == len(made)


def test_a_failed_call_has_one_too(served: Any) -> None:
    assert link(served, SENT, text="") == (SENT, grpc.StatusCode.INVALID_ARGUMENT)


def test_log_lines_say_which_call_they_are_of(
    start: Callable[..., Any], log_lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError(MARKER)

    running = start()
    monkeypatch.setattr(Linker, "link_timed", fail)
    assert link(running, SENT) == (SENT, grpc.StatusCode.INTERNAL)
    [line] = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    assert (line["event"], line["request_id"]) == ("call failed", SENT)


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def lines_of(audit: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in audit.read_text().splitlines()]


def test_the_audit_log_has_a_line_for_each_call(start: Callable[..., Any], audit: Path) -> None:
    running = start(audit_log=audit)
    link(running, SENT)
    link(running, text="")
    codings = terminology.MapCodesRequest(codings=[{"code": "1"}, {"code": "2"}])
    running.terminology.MapCodes(codings, timeout=10)
    health = running.channel.unary_unary("/grpc.health.v1.Health/Check")
    health(b"", timeout=10)
    first, second, third = lines_of(audit)
    assert first["request_id"] == SENT
    assert first["method"] == "/linker.v1.LinkingService/LinkMentions"
    assert (first["items"], first["status"], first["client"]) == (1, "OK", "")
    assert first["peer"].startswith("ipv4:127.0.0.1:")
    assert re.fullmatch("[0-9a-f]{64}", first["bundle_digest"])
    assert first["duration_ms"] > 0
    assert (second["items"], second["status"]) == (0, "INVALID_ARGUMENT")
    assert (third["items"], third["status"]) == (2, "OK")


def test_a_line_is_there_before_the_client_has_the_answer(start: Callable[..., Any], audit: Path) -> None:
    running = start(audit_log=audit)
    for done in range(20):
        link(running, text="MI" if done % 2 else "")
        assert len(lines_of(audit)) == done + 1


def test_the_audit_log_can_be_moved_away(start: Callable[..., Any], audit: Path) -> None:
    running = start(audit_log=audit)
    link(running)
    audit.rename(audit.with_suffix(".1"))
    assert audit.with_suffix(".1").stat().st_mode & 0o007 == 0
    link(running)
    link(running)
    assert len(lines_of(audit.with_suffix(".1"))) == 1
    assert len(lines_of(audit)) == 2


def test_calls_are_answered_where_the_audit_log_cannot_be_written(
    start: Callable[..., Any], log_lines: io.StringIO
) -> None:
    """/dev/full is a disk without room."""
    running = start(audit_log=Path("/dev/full"))
    assert link(running)[1] is grpc.StatusCode.OK
    assert "a call could not be told of" in log_lines.getvalue()


def test_a_client_that_gives_up_is_told_of(start: Callable[..., Any], audit: Path) -> None:
    running = start(audit_log=audit, workers=1)
    request = link_request([Mention(f"{MARKER} {row}") for row in range(1000)], Options())
    with pytest.raises(grpc.RpcError):
        running.linking.LinkMentions(request, timeout=0.05)
    gone = running.linking.LinkMentions.future(request)
    gone.cancel()
    link(running)  # its turn comes after theirs
    statuses = {line["status"] for line in lines_of(audit)}
    assert statuses <= {"DEADLINE_EXCEEDED", "CANCELLED", "OK"}
    assert "DEADLINE_EXCEEDED" in statuses
    assert MARKER not in audit.read_text()


def test_debug_level_adds_a_line_for_each_call(start: Callable[..., Any], log_lines: io.StringIO) -> None:
    from linker.server import logs

    running = start(log_level="debug")
    link(running, SENT)
    assert log_lines.getvalue() == ""  # the level of the log itself is still info
    logs.configure(log_lines, level="debug")
    link(running, SENT, text=MARKER)
    lines = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    [line] = [line for line in lines if line["event"] == "call"]
    assert (line["request_id"], line["status"], line["items"], line["level"]) == (SENT, "OK", 1, "debug")
    assert MARKER not in log_lines.getvalue()


def test_batches_of_a_stream_count_as_calls_do() -> None:
    call = Call("/a/b", SENT)
    call.count(linking.LinkMentionsRequest(mentions=[{}, {}]))
    call.count(linking.StreamLinkMentionsRequest(request={"mentions": [{}, {}, {}]}))
    call.count(terminology.BatchGetConceptsRequest(concept_ids=["a"]))
    call.count(terminology.GetConceptRequest(concept_id="a"))
    assert call.items == 6
