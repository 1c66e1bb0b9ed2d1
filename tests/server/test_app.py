from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from linker import demo
from linker.errors import BundleError, InvalidInput
from linker.options import Options
from linker.pipeline import Linker
from linker.records import Mention
from linker.server import snapshot as snapshots
from linker.v1.linking_service_pb2_grpc import LinkingServiceStub
from linker.wire import link_request

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES = ["", "linker.v1.LinkingService", "linker.v1.TerminologyService"]
MARKER = "Zyx987 Canary"


def statuses(running: Any) -> list[int]:
    stub = health_pb2_grpc.HealthStub(running.channel)
    return [stub.Check(health_pb2.HealthCheckRequest(service=service)).status for service in SERVICES]


def test_not_ready_before_the_bundle_is_open(start: Callable[..., Any], bundle: Path) -> None:
    running = start(opened=False)
    assert statuses(running) == [NOT_SERVING] * 3
    with pytest.raises(grpc.RpcError) as raised:
        running.linking.LinkMentions(link_request([Mention("MI")], Options()))
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    running.open()
    assert statuses(running) == [SERVING] * 3
    assert running.linking.LinkMentions(link_request([Mention("MI")], Options())).results


def test_not_ready_when_the_canary_is_wrong(
    start: Callable[..., Any], bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start(opened=False)
    link_timed = Linker.link_timed
    monkeypatch.setattr(Linker, "link_timed", lambda self, _, options: link_timed(self, ["asthma"], options))
    with pytest.raises(BundleError, match="CLINIC:0001 was linked to CLINIC:0015"):
        running.open()
    assert statuses(running) == [NOT_SERVING] * 3


def test_the_canary_is_a_name_of_one_concept(linker: Linker) -> None:
    name, concept_id = snapshots._canary(linker.bundle.terminology)
    assert linker.link([name])[0].candidates[0].concept_id == concept_id


def test_watchers_see_every_change(start: Callable[..., Any], bundle: Path) -> None:
    running = start(opened=False)
    stub = health_pb2_grpc.HealthStub(running.channel)
    leaving, staying, unknown = (stub.Watch(health_pb2.HealthCheckRequest(service=name)) for name in ("", "", "x"))
    assert [next(watch).status for watch in (leaving, staying)] == [NOT_SERVING] * 2
    assert next(unknown).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    leaving.cancel()
    running.open()
    assert next(staying).status == SERVING
    began = time.monotonic()
    running.run(running.server.stop())
    assert [response.status for response in staying] == [NOT_SERVING]
    assert time.monotonic() - began < 2


def test_reflection_lists_the_services(served: Any) -> None:
    def listed(channel: grpc.Channel) -> set[str]:
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        [response] = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]))
        return {service.name for service in response.list_services_response.service}

    reflection = "grpc.reflection.v1alpha.ServerReflection"
    assert listed(served.channel) == {*SERVICES[1:], "grpc.health.v1.Health", reflection}
    with grpc.insecure_channel(served.server.admin_address) as channel:
        assert listed(channel) == {"linker.v1.AdminService", reflection}


def test_the_admin_service_is_not_on_the_public_port(served: Any) -> None:
    call = served.channel.unary_unary("/linker.v1.AdminService/GetServerInfo")
    with pytest.raises(grpc.RpcError) as raised:
        call(b"")
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_port_in_use(start: Callable[..., Any], served: Any) -> None:
    taken = int(served.server.address.rpartition(":")[2])
    with pytest.raises(InvalidInput, match="--port: cannot listen on 127.0.0.1"):
        start(port=taken)
    with pytest.raises(InvalidInput, match="--admin-port: cannot listen on 127.0.0.1"):
        start(admin_port=taken)


@contextmanager
def process(bundle: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "linker", "serve", "--bundle", str(bundle), "--port", "0", *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as popen:
        yield popen
        popen.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(bundle: Path, number: signal.Signals) -> None:
    """Every call that has begun is answered, new ones are refused as UNAVAILABLE, and the process ends with 0."""
    with process(bundle) as popen:
        assert popen.stdout is not None
        address = popen.stdout.readline().split()[2]
        with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(8) as pool:
            stub = LinkingServiceStub(channel)
            request = link_request([Mention(f"{MARKER} {row}") for row in range(200)], Options())
            warm = stub.LinkMentions(request, wait_for_ready=True)
            calls = [stub.LinkMentions.future(request) for _ in range(4)]
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            assert next(watch).status == SERVING
            # Waits its turn behind batches of the large calls, which have then begun and are far from done.
            stub.LinkMentions(link_request([Mention("MI")], Options()))
            popen.send_signal(number)
            codes = list(pool.map(lambda call: call.code(), calls))
            assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
            assert codes.count(grpc.StatusCode.OK) >= 1
            assert all(len(c.result().results) == 200 for c in calls if c.code() is grpc.StatusCode.OK)
            assert len(warm.results) == 200
        _, err = popen.communicate(timeout=20)
    assert popen.returncode == 0
    assert '"event": "stopped"' in err
    assert MARKER not in err


async def stopped_under_load(bundle: Path) -> tuple[Counter[grpc.StatusCode], int]:
    """How calls of clients that do not retry ended, from before a stop until after it; and the exit code."""
    codes: Counter[grpc.StatusCode] = Counter()
    request = link_request([Mention("heart attack")], Options())
    with process(bundle) as popen:
        assert popen.stdout is not None
        address = popen.stdout.readline().split()[2]
        async with grpc.aio.insecure_channel(address, options=[("grpc.enable_retries", 0)]) as channel:
            stub = LinkingServiceStub(channel)

            async def client() -> None:
                while popen.poll() is None:
                    try:
                        await stub.LinkMentions(request, timeout=20)
                    except grpc.aio.AioRpcError as error:
                        codes[error.code()] += 1
                    else:
                        codes[grpc.StatusCode.OK] += 1

            clients = [asyncio.create_task(client()) for _ in range(32)]
            while codes[grpc.StatusCode.OK] < 100:
                await asyncio.sleep(0.01)
            popen.send_signal(signal.SIGTERM)
            await asyncio.gather(*clients)
    return codes, popen.returncode


async def test_no_call_is_cancelled_by_a_stop(bundle: Path) -> None:
    """What a client did not ask for it may not be told: it would not try again."""
    codes, exited = await stopped_under_load(bundle)
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    assert exited == 0


@pytest.mark.long
async def test_no_call_is_cancelled_by_many_stops(bundle: Path) -> None:
    for _ in range(20):
        codes, exited = await stopped_under_load(bundle)
        assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
        assert exited == 0


def test_a_second_signal_ends_it_at_once(bundle: Path) -> None:
    with process(bundle, "--log-level", "info") as popen:
        assert popen.stdout is not None
        address = popen.stdout.readline().split()[2]
        with grpc.insecure_channel(address) as channel:
            stub = LinkingServiceStub(channel)
            request = link_request([Mention(f"{MARKER} {row}") for row in range(1000)], Options())
            calls = [stub.LinkMentions.future(request) for _ in range(8)]
            assert health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest()).status == SERVING
            stub.LinkMentions(link_request([Mention("MI")], Options()))
            popen.send_signal(signal.SIGTERM)
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            assert next(watch).status == NOT_SERVING
            popen.send_signal(signal.SIGTERM)
            _, err = popen.communicate(timeout=20)
            assert grpc.StatusCode.UNAVAILABLE in {call.code() for call in calls}
    assert popen.returncode == 128 + signal.SIGTERM
    assert '"event": "stopped at once"' in err


@pytest.mark.long
def test_ready_again_after_every_kill(bundle: Path) -> None:
    for _ in range(100):
        with process(bundle) as popen:
            assert popen.stdout is not None
            address = popen.stdout.readline().split()[2]
            with grpc.insecure_channel(address) as channel:
                stub = LinkingServiceStub(channel)
                assert stub.LinkMentions(link_request([Mention("MI")], Options()), timeout=20).results
                calls = [stub.LinkMentions.future(link_request([Mention("MI")] * 500, Options())) for _ in range(4)]
                popen.kill()
                assert {call.code() for call in calls} <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


def test_connections_are_asked_to_leave_at_their_age(start: Callable[..., Any]) -> None:
    """And no call fails by it."""
    running = start(max_connection_age_s=0.2)
    left = threading.Event()
    states: list[grpc.ChannelConnectivity] = []

    def watch(state: grpc.ChannelConnectivity) -> None:
        states.append(state)
        if state is grpc.ChannelConnectivity.IDLE and grpc.ChannelConnectivity.READY in states:
            left.set()

    with grpc.insecure_channel(running.server.address) as channel:
        channel.subscribe(watch)
        stub = LinkingServiceStub(channel)
        until = time.monotonic() + 20
        while not left.is_set():
            assert stub.LinkMentions(link_request([Mention("MI")], Options()), timeout=10).results
            assert time.monotonic() < until


def test_a_signal_while_loading(bundle: Path) -> None:
    with process(bundle) as popen:
        time.sleep(1.0)
        popen.send_signal(signal.SIGTERM)
        popen.communicate(timeout=20)
    assert popen.returncode in (0, -signal.SIGTERM)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "{taken}"], "--port: cannot listen on 127.0.0.1:{taken}: the port is in use"),
        (["--admin-port", "{taken}"], "--admin-port: cannot listen on"),
        (["--host", "0.0.0.0"], "--host: is not a loopback address, and clinical text would cross"),
        (["--bundle", "nowhere"], "nowhere: no such bundle"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_line(bundle: Path, arguments: list[str], said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with process(bundle, *(a.format(taken=port) for a in arguments)) as popen:
            out, err = popen.communicate(timeout=20)
    assert popen.returncode == 2
    assert out == ""
    assert said.format(taken=port) in err
    assert len([line for line in err.splitlines() if not line.startswith("{")]) == 1


def test_the_demo(bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "linker.demo", str(bundle)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "CLINIC:0003" in done.stdout
    assert "NIL: below_threshold" in done.stdout
    assert "The server stopped cleanly." in done.stderr


def test_the_mentions_of_the_demo_stand_in_their_sentences() -> None:
    note, mentions = demo.marked_note(demo.MARKED)
    assert len(mentions) == demo.MARKED.count("[")
    for mention in mentions:
        mention.check()
        assert mention.begin is not None
        assert mention.context in note
        assert "[" not in mention.context
