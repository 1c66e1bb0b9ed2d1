"""Servers to put under load, each a process of its own, and what a client of them sees."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np

from linker.client import Overloaded
from linker.client.errors import error_of_call

LINK = "/linker.v1.LinkingService/LinkMentions"
START_S = 60.0
CALL_S = 60.0


class Replica:
    """A server on a port of its own that can be started again on it."""

    def __init__(self, bundle: Path, *options: str) -> None:
        self.bundle = bundle
        self.port, self.admin_port = free_port(), free_port()
        self.address, self.admin_address = f"127.0.0.1:{self.port}", f"127.0.0.1:{self.admin_port}"
        self._options = options
        self.start()

    def start(self) -> None:
        """Start, and wait until it says that it serves."""
        ports = ["--port", str(self.port), "--admin-port", str(self.admin_port)]
        command = [sys.executable, "-m", "linker", "serve", "--bundle", str(self.bundle), *ports, *self._options]
        # Benchmarks ask the same mentions again and again, which says nothing of a server that remembers them.
        environment = {**os.environ, "LINKER_CACHED_MENTIONS": "0"}
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("Serving on "):
            sys.exit(f"the server of {self.bundle} did not start; run `{' '.join(command[2:])}` to see why")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and give the exit code."""
        self._process.send_signal(number)
        return self._process.wait(60)

    def rss(self) -> float:
        """Memory in use now, in MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024

    def __enter__(self) -> Replica:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.stop()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def channel(address: str) -> grpc.aio.Channel:
    """A channel without retries: what it is told is what the server said."""
    return grpc.aio.insecure_channel(address, options=[("grpc.enable_retries", 0)])


@dataclass(slots=True)
class Seen:
    """How calls ended. took: seconds of those that succeeded; refused: of those refused as RESOURCE_EXHAUSTED."""

    took: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Calls that succeeded, a second."""
        return len(self.took) / self.seconds

    @property
    def failed(self) -> int:
        """Calls that did not succeed."""
        return sum(count for code, count in self.codes.items() if code != "OK")

    def p(self, percent: float) -> float:
        """A percentile of the time of those that succeeded, in ms."""
        return percentile(self.took, percent)

    async def call(self, link: Callable[..., Awaitable[bytes]], payload: bytes, due: float) -> grpc.RpcError | None:
        """Call, and note how that ended and how long after `due`. Returns what it failed with."""
        loop = asyncio.get_running_loop()
        try:
            await link(payload, timeout=CALL_S)
        except grpc.aio.AioRpcError as error:
            self.codes[error.code().name] += 1
            if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                self.refused.append(loop.time() - due)
            return error
        self.codes["OK"] += 1
        self.took.append(loop.time() - due)
        return None


def percentile(seconds: Sequence[float], percent: float) -> float:
    """In ms; not a number where there is none."""
    return float(np.percentile(seconds, percent)) * 1e3 if seconds else float("nan")


async def open_loop(address: str, payloads: Sequence[bytes], *, rate: float, seconds: float) -> Seen:
    """Calls that come when they come, `rate` a second on average, whether those before have ended or not.

    Gaps are exponential, from a seed. Times are from when a call was due: where the client was held up and made it
    late, that counts as well.
    """
    seen, chosen, loop = Seen(seconds=seconds), random.Random(0), asyncio.get_running_loop()
    async with channel(address) as to, asyncio.TaskGroup() as calls:
        link = to.unary_unary(LINK)
        await link(payloads[0])
        due = begin = loop.time()
        while due < begin + seconds:
            await asyncio.sleep(max(0.0, due - loop.time()))
            calls.create_task(seen.call(link, chosen.choice(payloads), due))
            due += chosen.expovariate(rate)
    return seen


async def closed_loop(to: grpc.aio.Channel, payloads: Sequence[bytes], *, clients: int, until: asyncio.Event) -> Seen:
    """Clients that each make one call after the other, until told to stop, and pause where they are told to.

    Without the pause refusals are what there would be most of, and the rate of what succeeds would not be its peak.
    """
    seen, loop = Seen(), asyncio.get_running_loop()
    link = to.unary_unary(LINK)

    async def client(number: int) -> None:
        chosen = random.Random(number)
        while not until.is_set():
            error = await seen.call(link, chosen.choice(payloads), loop.time())
            if error and isinstance(told := error_of_call(error), Overloaded):
                await asyncio.sleep(told.retry_after_s)

    begin = loop.time()
    await asyncio.gather(*map(client, range(clients)))
    seen.seconds = loop.time() - begin
    return seen


async def closed_for(address: str, payloads: Sequence[bytes], *, clients: int, seconds: float) -> Seen:
    """As `closed_loop`, for so long."""
    until = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, until.set)
    async with channel(address) as to:
        await to.unary_unary(LINK)(payloads[0], wait_for_ready=True, timeout=START_S)
        return await closed_loop(to, payloads, clients=clients, until=until)


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
