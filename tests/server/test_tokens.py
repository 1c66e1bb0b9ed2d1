from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from linker.cli import app
from linker.errors import InvalidInput
from linker.options import Options
from linker.records import Mention
from linker.server import tokens as tokens_module
from linker.server.access import OPEN, SCOPES
from linker.server.app import ADMIN, HEALTH, LINKING, TERMINOLOGY
from linker.server.errors import Unauthenticated
from linker.server.tokens import Scope, Tokens, new_token, read_keys
from linker.v1 import linking_service_pb2 as linking
from linker.v1.admin_service_pb2 import GetServerInfoRequest
from linker.v1.terminology_service_pb2 import SearchConceptsRequest
from linker.wire import link_request

SECRET = "Zyx987Canary"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return tmp_path / "tokens.txt"


def bearer(token: str) -> list[str]:
    return [f"Bearer {token}"]


def test_the_file_holds_no_secret(file: Path) -> None:
    made = new_token([Scope.LINK, Scope.READ], key_id="etl-2026")
    secret = made.token.split("_", 2)[2]
    assert len(secret) >= 43  # 256 bits in base64
    assert secret not in made.line
    file.write_text(f"# ours\n\n{made.line}  # until March\n")
    key = Tokens(file).authenticate(bearer(made.token))
    assert (key.key_id, key.scopes) == ("etl-2026", {Scope.LINK, Scope.READ})


def test_several_are_live_at_once(file: Path) -> None:
    made = [new_token([Scope.LINK]) for _ in range(3)]
    file.write_text("\n".join(one.line for one in made))
    live = Tokens(file)
    assert len({live.authenticate(bearer(one.token)).key_id for one in made}) == 3


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-1], lambda t: t + "x", lambda t: t.swapcase(), lambda t: "", str.upper]
)
def test_nothing_but_the_token_is_taken(file: Path, spoil: Callable[[str], str]) -> None:
    made = new_token([Scope.LINK])
    file.write_text(made.line)
    live = Tokens(file)
    for token in (spoil(made.token), made.line, made.line.split()[2]):
        with pytest.raises(Unauthenticated, match="unknown or was revoked"):
            live.authenticate(bearer(token))
    for sent in ([], [made.token], [f"Basic {made.token}"], bearer(made.token) * 2):
        with pytest.raises(Unauthenticated, match="authorization: Bearer TOKEN"):
            live.authenticate(sent)
    assert live.authenticate([f"bearer  {made.token} "])  # the scheme in any case, RFC 9110


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    path = tmp_path_factory.mktemp("live") / "tokens.txt"
    path.write_text(new_token([Scope.LINK]).line)
    return Tokens(path)


@given(text=st.text())
def test_any_text_is_refused(live: Tokens, text: str) -> None:
    with pytest.raises(Unauthenticated):
        live.authenticate([text])
    with pytest.raises(Unauthenticated):
        live.authenticate(bearer(text))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"{SECRET} link", "expected `KEY_ID SCOPES SHA256`, got 2 fields"),
        (f"a link {SECRET}", "is this the token itself"),
        (f"a {SECRET} {'0' * 64}", "expected scopes among link, read, admin"),
        (f"a link, {'0' * 64}", "expected scopes among"),
        (f"{SECRET}! link {'0' * 64}", "expected a key id"),
        (f"first link {'0' * 64}", "the key id of an earlier line"),
    ],
)
def test_a_malformed_line_is_named_and_not_quoted(file: Path, line: str, said: str) -> None:
    file.write_text(f"# tokens\nfirst link {'1' * 64}\n{line}\n")
    with pytest.raises(InvalidInput, match=rf"^--tokens: .*tokens\.txt, line 3: .*{re.escape(said)}") as raised:
        read_keys(file)
    assert SECRET not in str(raised.value)


def test_a_file_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^--tokens: .*tokens\.txt: cannot be read \(No such file"):
        Tokens(file)
    file.write_bytes(b"\xff")
    with pytest.raises(InvalidInput, match=r"cannot be read \(not UTF-8\)"):
        Tokens(file)


def test_a_file_without_tokens_is_an_error_at_first_and_a_revocation_later(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linker.server.tokens.LOOK_EVERY_S", 0.0)
    made = new_token([Scope.LINK])
    file.write_text("# none yet\n")
    with pytest.raises(InvalidInput, match=r"^--tokens: .*tokens\.txt: has no token, .*`linker token new`"):
        Tokens(file)
    file.write_text(f"{made.line}\n")
    live = Tokens(file)
    assert live.authenticate(bearer(made.token))
    file.write_text("# revoked\n")
    with pytest.raises(Unauthenticated):
        live.authenticate(bearer(made.token))


def test_every_service_has_a_scope_or_is_open() -> None:
    assert set(SCOPES) == {LINKING, TERMINOLOGY, ADMIN}
    assert {HEALTH} == OPEN


def code_of(call: Callable[[], object]) -> grpc.StatusCode:
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


OK, WHO, NOT = grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED


def codes(running: Any, token: str | None) -> list[grpc.StatusCode]:
    """How a call of each service ends: linking, terminology, admin, health."""
    sent = {"metadata": [("authorization", f"Bearer {token}")] if token is not None else [], "timeout": 10}
    return [
        code_of(lambda: running.linking.LinkMentions(link_request([Mention("MI")], Options()), **sent)),
        code_of(lambda: running.terminology.SearchConcepts(SearchConceptsRequest(query="my"), **sent)),
        code_of(lambda: running.admin.GetServerInfo(GetServerInfoRequest(), **sent)),
        code_of(lambda: health_pb2_grpc.HealthStub(running.channel).Check(health_pb2.HealthCheckRequest(), **sent)),
    ]


def test_a_server_lets_in_by_scope(start: Callable[..., Any], file: Path) -> None:
    link, read, admin, all_three = (
        new_token(scopes) for scopes in ([Scope.LINK], [Scope.READ], [Scope.ADMIN], list(Scope))
    )
    file.write_text("\n".join(made.line for made in (link, read, admin, all_three)))
    running = start(tokens=file)
    assert codes(running, None) == [WHO, WHO, WHO, OK]
    assert codes(running, "linker_a_b") == [WHO, WHO, WHO, OK]
    assert codes(running, link.token) == [OK, NOT, NOT, OK]
    assert codes(running, read.token) == [NOT, OK, NOT, OK]
    assert codes(running, admin.token) == [NOT, NOT, OK, OK]
    assert codes(running, all_three.token) == [OK, OK, OK, OK]
    reflect = running.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
    assert code_of(lambda: list(reflect(iter([b""]), timeout=10))) is WHO  # and not that it is off


def test_the_audit_log_says_who_and_who_was_turned_away(start: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    made = new_token([Scope.LINK], key_id="etl-2026")
    file.write_text(made.line)
    running = start(tokens=file, audit_log=tmp_path / "audit.jsonl")
    codes(running, made.token)
    codes(running, SECRET)
    text = (tmp_path / "audit.jsonl").read_text()
    told = [(line["client"], line["status"]) for line in map(json.loads, text.splitlines())]
    turned_away = ("", "UNAUTHENTICATED")
    # Two scopes are missing; who it was that they are missing for is known all the same.
    assert told == [("key:etl-2026", "OK"), *[("key:etl-2026", "PERMISSION_DENIED")] * 2, *[turned_away] * 3]
    assert made.token not in text
    assert SECRET not in text


def test_nothing_is_read_before_the_caller_is_known(start: Callable[..., Any], methods: list[Any], file: Path) -> None:
    """Also malformed bytes end as UNAUTHENTICATED: a parser is not for strangers."""
    file.write_text(new_token(list(Scope)).line)
    running = start(tokens=file)
    for method in methods:
        channel = running._admin_channel if method.is_admin else running.channel
        for payload in (b"\xff\xff\xff", method.valid()[0].SerializeToString()):
            code = method.call(channel, payload).code
            if "Health" in method.path:
                assert code in {OK, grpc.StatusCode.INVALID_ARGUMENT}
            else:
                assert code is WHO, method.path


def test_rotation_while_the_server_runs(
    start: Callable[..., Any], file: Path, log_lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens_module, "LOOK_EVERY_S", 0.0)
    old, new = new_token([Scope.LINK]), new_token([Scope.LINK])
    file.write_text(old.line)
    running = start(tokens=file)
    assert [codes(running, made.token)[0] for made in (old, new)] == [OK, WHO]
    file.write_text(f"{old.line}\n{new.line}")
    assert [codes(running, made.token)[0] for made in (old, new)] == [OK, OK]
    file.write_text(f"{new.line}\n{old.line[:-1]}")  # malformed: nothing changes, and the log says where
    assert [codes(running, made.token)[0] for made in (old, new)] == [OK, OK]
    assert "tokens.txt, line 2: expected the SHA-256" in log_lines.getvalue()
    file.unlink()
    assert [codes(running, made.token)[0] for made in (old, new)] == [OK, OK]
    file.write_text(new.line)
    assert [codes(running, made.token)[0] for made in (old, new)] == [WHO, OK]
    file.write_text("")
    assert [codes(running, made.token)[0] for made in (old, new)] == [WHO, WHO]


def test_a_revoked_token_ends_its_streams(
    start: Callable[..., Any], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the next message; what was asked before is answered."""
    monkeypatch.setattr(tokens_module, "LOOK_EVERY_S", 0.0)
    made = new_token([Scope.LINK])
    file.write_text(made.line)
    running = start(tokens=file)
    revoked = threading.Event()

    def batches() -> Iterator[linking.StreamLinkMentionsRequest]:
        yield linking.StreamLinkMentionsRequest(batch_id=1, request={"mentions": [{"text": "MI"}]})
        assert revoked.wait(10)
        yield linking.StreamLinkMentionsRequest(batch_id=2, request={"mentions": [{"text": "MI"}]})

    metadata = [("authorization", f"Bearer {made.token}")]
    answers = running.linking.StreamLinkMentions(batches(), metadata=metadata, timeout=20)
    assert next(answers).response.results
    file.write_text("")
    revoked.set()
    with pytest.raises(grpc.RpcError) as raised:
        next(answers)
    assert raised.value.code() is WHO


def test_unknown_methods_are_told_of_without_their_name(start: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    made = new_token([Scope.LINK], key_id="etl-2026")
    file.write_text(made.line)
    running = start(tokens=file, audit_log=tmp_path / "audit.jsonl")
    ended = []
    for token in (made.token, SECRET):
        with pytest.raises(grpc.RpcError) as raised:
            running.channel.unary_unary("/patient.Smith/John")(b"", metadata=[("authorization", f"Bearer {token}")])
        ended.append(raised.value.code())
    assert ended == [grpc.StatusCode.UNIMPLEMENTED, WHO]
    text = (tmp_path / "audit.jsonl").read_text()
    told = [(line["client"], line["method"], line["status"]) for line in map(json.loads, text.splitlines())]
    assert told == [
        ("key:etl-2026", "/unknown/unknown", "UNIMPLEMENTED"),
        ("", "/unknown/unknown", "UNAUTHENTICATED"),
    ]
    assert "Smith" not in text


def test_the_command_makes_tokens_that_work(file: Path) -> None:
    run = CliRunner().invoke
    shown = run(app, ["token", "new", "--scope", "link"])
    token, line = shown.stdout.splitlines()
    assert "shown this once" in " ".join(shown.stderr.split())
    file.write_text(line)  # without a line break at its end
    second = run(app, ["token", "new", "--scope", "read", "--scope", "admin", "--id", "ops", "--into", str(file)])
    live = Tokens(file)
    assert live.authenticate(bearer(token)).scopes == {Scope.LINK}
    assert live.authenticate(bearer(second.stdout.strip())).scopes == {Scope.READ, Scope.ADMIN}
    before = file.read_bytes()
    for wrong in (["--id", "ops"], ["--id", "a b"], ["--scope", "links"]):
        failed = run(app, ["token", "new", "--scope", "link", *wrong, "--into", str(file)])
        assert isinstance(failed.exception, InvalidInput)
    assert file.read_bytes() == before
