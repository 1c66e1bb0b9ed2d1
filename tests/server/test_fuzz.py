"""Nonsense on every method of a server in a process of its own: it answers with the right statuses, and never grows."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from linker.limits import MAX_MESSAGE_BYTES

Code = grpc.StatusCode
ANY = {Code.OK, Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED, Code.UNIMPLEMENTED, Code.UNAUTHENTICATED}
UNKNOWN_THINGS = {Code.NOT_FOUND, Code.FAILED_PRECONDITION}  # where a valid message asks for what there is not
CLIENTS = 32
COSTLY = {"ReloadBundle": 100, "RollBackBundle": 10}  # one frame in so many of the others: each may open a bundle


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


class Frames:
    """Frames of nonsense, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def for_method(self, method: Any) -> bytes:
        valid = self._random.choice(method.valid()).SerializeToString()
        made: bytes = self._random.choice(
            [self.noise, self.truncated, self.mutated, self.spliced, self.lying, self.nested, self.filled, self.large]
        )(valid, method)
        return made

    def noise(self, _valid: bytes, _method: Any) -> bytes:
        return self._random.randbytes(self._random.choice([0, 1, 2, 10, 100, 1000]))

    def truncated(self, valid: bytes, _method: Any) -> bytes:
        return valid[: self._random.randrange(len(valid) + 1)]

    def mutated(self, valid: bytes, _method: Any) -> bytes:
        changed = bytearray(valid)
        for _ in range(self._random.randint(1, 4) if changed else 0):
            changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
        return bytes(changed)

    def spliced(self, valid: bytes, _method: Any) -> bytes:
        at = self._random.randrange(len(valid) + 1)
        return (
            valid[:at] + self._random.randbytes(self._random.randint(1, 20)) + valid[at:] * self._random.randint(1, 3)
        )

    def lying(self, valid: bytes, _method: Any) -> bytes:
        """A field that says to be longer than there are bytes: up to 2^63."""
        return valid + varint(self._random.randint(1, 12) << 3 | 2) + varint(2 ** self._random.randint(7, 63)) + b"abc"

    def nested(self, _valid: bytes, _method: Any) -> bytes:
        """Messages, or groups, in one another, deeper than any parser follows."""
        if self._random.random() < 0.5:
            return bytes([self._random.randint(1, 15) << 3 | 3]) * self._random.randint(1, 5000)
        inner = b""
        for _ in range(self._random.randint(1, 200)):
            inner = bytes([self._random.randint(1, 4) << 3 | 2]) + varint(len(inner)) + inner
        return inner

    def filled(self, valid: bytes, method: Any) -> bytes:
        """A valid message with any text, of any length, in one of its fields."""
        ways = method.texts()
        if not ways:
            return valid
        length = self._random.choice([0, 1, 127, 128, 129, 1024, 1025, 8193])
        text = "".join(self._random.choice("aé\0\u200b𝄞 ½\n🫀:") for _ in range(length))
        whole: bytes = method.with_text(method.valid()[0], self._random.choice(ways), text).SerializeToString()
        return whole

    def large(self, valid: bytes, _method: Any) -> bytes:
        """Seldom, for they are slow: fields of nothing around the largest message there may be."""
        if self._random.random() > 0.02:
            return valid
        return (valid or b"\x0a\x00") * (self._random.choice([1 << 16, MAX_MESSAGE_BYTES + 100]) // max(len(valid), 2))


@dataclass(frozen=True)
class State:
    """What a process holds. memory in KiB."""

    threads: int
    descriptors: int
    memory: int

    @classmethod
    def of(cls, pid: int) -> State:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return cls(int(status["Threads"]), descriptors, int(status["VmRSS"].split()[0]))


@contextmanager
def process(bundle: Path) -> Iterator[tuple[int, str, str]]:
    """A server; its process id, address and admin address."""
    # With core dumps allowed, or nobody but root could look into /proc/PID/fd.
    command = [sys.executable, "-m", "linker", "serve", "--bundle", str(bundle), "--port", "0", "--core-dumps"]
    # What it remembers of mentions grows until it is full, which is not what is looked for here.
    environment = {**os.environ, "LINKER_CACHED_MENTIONS": "16"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as popen:
        assert popen.stdout is not None
        words = popen.stdout.readline().split()
        yield popen.pid, words[2], words[5].rstrip("):")
        assert popen.poll() is None, "the server has ended by itself"
        popen.terminate()


async def fuzz(methods: list[Any], addresses: tuple[str, str], frames: int, *, seed: int) -> Counter[tuple[str, Code]]:
    """Send frames, and count how they end."""
    source, left, counted = Frames(seed), iter(range(frames)), Counter[tuple[str, Code]]()

    async def client(public: grpc.aio.Channel, private: grpc.aio.Channel) -> None:
        for number in left:
            method = methods[number % len(methods)]
            if number // len(methods) % COSTLY.get(method.descriptor.name, 1):
                method = methods[0]
            code = await ended(method, private if method.is_admin else public, source.for_method(method))
            counted[method.path, code] += 1

    async with grpc.aio.insecure_channel(addresses[0]) as public, grpc.aio.insecure_channel(addresses[1]) as private:
        await asyncio.gather(*(client(public, private) for _ in range(CLIENTS)))
    return counted


async def ended(method: Any, channel: grpc.aio.Channel, payload: bytes) -> Code:
    d = method.descriptor
    many = f"{'stream' if d.client_streaming else 'unary'}_{'stream' if d.server_streaming else 'unary'}"
    call = getattr(channel, many)(method.path)(iter([payload]) if d.client_streaming else payload, timeout=120)
    if not d.server_streaming:
        return await call.code()
    try:
        async for _ in call:
            if d.name == "Watch":  # would go on for ever
                call.cancel()
                return Code.OK
    except grpc.aio.AioRpcError as error:
        return error.code()
    return await call.code()


@pytest.mark.parametrize("frames", [2_000, pytest.param(100_000, marks=pytest.mark.long)])
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_fuzzed_frames(bundle: Path, methods: list[Any], frames: int) -> None:
    with process(bundle) as (pid, *addresses):
        # Two rounds first, the second of the very frames that are counted, so that pools are full, caches of words are
        # warm, and what a large frame takes once is taken; what grows after that grows for ever.
        for seed in (1, 3):
            asyncio.run(fuzz(methods, (addresses[0], addresses[1]), max(frames // 10, 2_000), seed=seed))
        before = State.of(pid)
        counted = asyncio.run(fuzz(methods, (addresses[0], addresses[1]), frames, seed=3))
        after = settled(pid, before)
    assert counted.total() == frames
    assert {path for path, _ in counted} == {method.path for method in methods}
    assert {code for _, code in counted} <= ANY | UNKNOWN_THINGS, counted
    assert {code for _, code in counted} >= {Code.OK, Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED}
    assert after.threads <= before.threads + 2, (before, after)  # gRPC's own pool breathes
    assert after.descriptors <= before.descriptors, (before, after)
    assert after.memory <= 1.1 * before.memory + 20_000, (before, after)


def settled(pid: int, before: State) -> State:
    """The state once connections have closed, which takes a moment; as it is after ten seconds otherwise."""
    deadline = time.monotonic() + 10
    while (now := State.of(pid)).descriptors > before.descriptors and time.monotonic() < deadline:
        time.sleep(0.1)
    return now


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"


@pytest.mark.parametrize("connections", [50, pytest.param(2_000, marks=pytest.mark.long)])
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nonsense_instead_of_http2(bundle: Path, methods: list[Any], connections: int) -> None:
    """What is no HTTP/2, or begins as such and goes on as noise, closes its connection and nothing else."""
    noise = random.Random(7)
    with process(bundle) as (pid, address, _):
        host, _, port = address.rpartition(":")
        before = State.of(pid)
        for number in range(connections):
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                begun = (b"", PREFACE, PREFACE + SETTINGS, b"GET / HTTP/1.1\r\n\r\n")[number % 4]
                connection.sendall(begun + noise.randbytes(noise.choice([0, 9, 100, 5000])))
        with grpc.insecure_channel(address) as channel:
            link = next(method for method in methods if method.descriptor.name == "LinkMentions")
            assert link.call(channel, link.valid()[0].SerializeToString()).code is Code.OK
        after = settled(pid, before)
    assert after.descriptors <= before.descriptors + 2, (before, after)
    assert after.threads <= before.threads + 8, (before, after)


def test_limits_of_what_a_call_may_send(start: Any, methods: list[Any], tmp_path: Path) -> None:
    running = start(max_metadata_bytes=4096)
    link = next(method for method in methods if method.descriptor.name == "LinkMentions")
    valid = link.valid()[0].SerializeToString()
    assert link.call(running.channel, valid, metadata=[("a", "b" * 2000)]).code is Code.OK
    assert link.call(running.channel, valid, metadata=[("a", "b" * 8000)]).code is Code.RESOURCE_EXHAUSTED
    assert link.call(running.channel, valid * (MAX_MESSAGE_BYTES // len(valid) + 1)).code is Code.RESOURCE_EXHAUSTED
    many = type(link.valid()[0])(mentions=[{"text": "MI"}] * 1025)
    assert link.call(running.channel, many.SerializeToString()).code is Code.INVALID_ARGUMENT
    long = type(many)(mentions=[{"text": "a" * 1025}])
    assert link.call(running.channel, long.SerializeToString()).code is Code.INVALID_ARGUMENT


def test_calls_of_a_connection_are_limited(start: Any) -> None:
    """The call over the limit waits for its turn in the client, as HTTP/2 has it."""
    running = start(max_concurrent_streams=2)
    watch = running.channel.unary_stream("/grpc.health.v1.Health/Watch")
    check = running.channel.unary_unary("/grpc.health.v1.Health/Check")
    watches = [watch(b""), watch(b"")]
    assert all(next(one) for one in watches)
    with pytest.raises(grpc.RpcError) as raised:
        check(b"", timeout=0.5)
    assert raised.value.code() is Code.DEADLINE_EXCEEDED
    watches[0].cancel()
    assert check(b"", timeout=10)
    watches[1].cancel()


def test_connections_are_limited(start: Any) -> None:
    """One too many is closed, and those that there are go on; when one leaves, another may come."""
    running = start(max_connections=2)

    def channel() -> grpc.Channel:
        return grpc.insecure_channel(running.server.address, [("grpc.use_local_subchannel_pool", 1)])

    def code(channel: grpc.Channel, **given: Any) -> Code:
        return channel.unary_unary("/grpc.health.v1.Health/Check").with_call(b"", timeout=20, **given)[1].code()

    first, second, third = channel(), channel(), channel()
    assert [code(one) for one in (first, second)] == [Code.OK, Code.OK]
    with pytest.raises(grpc.RpcError) as raised:
        code(third)
    assert raised.value.code() is Code.UNAVAILABLE
    assert code(first) is Code.OK
    second.close()
    assert code(third, wait_for_ready=True) is Code.OK
    first.close()
    third.close()
