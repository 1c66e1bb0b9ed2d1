"""What a server promises under load, and what it keeps: a table of promise, what is asked, and what was measured.

    python benchmarks/load.py [--bundle BUNDLE] [--seconds 10] [SECTION ...]

throughput: gRPC beside the same linker in process: 64 clients with single mentions, batches of 64, a stream of them.
cores: what a second worker thread is worth, and a second server.
overload: calls at 5 times what the server can do. Arrivals are on a schedule, and times are from when a call was due.
fairness: one client with single mentions, alone and beside eight with batches of 1,024.
reloads: the bundle is opened anew again and again while `linker.client` calls.
restarts: two replicas are restarted in turn while `linker.client` calls both.
kills: a server is killed and started again.

Server and client share the cores, so ratios are what carries over to another machine. Without reranking, unless asked:
it takes the same time on both sides, and so makes the ratios better than they are.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import machine
from mentions import sample, split
from servers import Replica, Seen, channel, closed_for, closed_loop, open_loop, percentile, timed

from linker import Linker, Mention, Options
from linker.bundles import DEFAULT, bundle_path
from linker.client import AsyncLinkerClient, ServiceError
from linker.records import RerankMode
from linker.v1 import admin_service_pb2 as admin
from linker.v1 import linking_service_pb2 as linking
from linker.v1.admin_service_pb2_grpc import AdminServiceStub
from linker.wire import link_request

BATCH, CLIENTS, LARGE = 64, 64, 1024
STREAM = "/linker.v1.LinkingService/StreamLinkMentions"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    promise: str
    asked: str
    measured: str
    kept: bool


@dataclass(frozen=True, slots=True)
class Bench:
    """What every section works with."""

    bundle: Path
    options: Options
    mentions: Sequence[Mention]
    seconds: float
    times: int  # reloads, restarts, kills
    server: tuple[str, ...]  # options of the servers

    def replica(self) -> Replica:
        return Replica(self.bundle, *self.server)

    def payloads(self, size: int) -> list[bytes]:
        parts = split(self.mentions, size)
        return [link_request(part, self.options).SerializeToString() for part in parts if len(part) == size]


def throughput(bench: Bench) -> Iterator[Row]:
    linker = Linker.open(bench.bundle, cached=0)
    linker.link(bench.mentions[:BATCH], bench.options)
    rates = {size: _in_process(linker, bench, size) for size in (1, BATCH)}
    with bench.replica() as server:
        run = lambda size, clients: asyncio.run(  # noqa: E731
            closed_for(server.address, bench.payloads(size), clients=clients, seconds=bench.seconds)
        )
        singles = run(1, CLIENTS)
        batches = run(BATCH, 4)
        streamed = asyncio.run(_stream(server.address, bench.payloads(BATCH), 1 + int(batches.rate * bench.seconds)))
    # Once more, so that a machine that was slow for a while is not taken for a server that is.
    rates = {size: (rate + _in_process(linker, bench, size)) / 2 for size, rate in rates.items()}
    for promise, least, rate, size in (
        (f"single mentions, {CLIENTS} clients", 0.6, singles.rate, 1),
        (f"batches of {BATCH}, 4 clients", 0.9, batches.rate * BATCH, BATCH),
        (f"a stream of batches of {BATCH}", 0.9, streamed * BATCH, BATCH),
    ):
        measured = f"{rate / rates[size]:.0%} ({rate:,.0f} of {rates[size]:,.0f} mentions/s)"
        yield Row(promise, f"at least {least:.0%} of in process", measured, rate >= least * rates[size])


def _in_process(linker: Linker, bench: Bench, size: int) -> float:
    """Mentions a second, for about half of the time that the server gets."""
    done, took = 0, 0.0
    for part in split(bench.mentions, size) * 100:
        took += timed(lambda part=part: linker.link(part, bench.options))  # type: ignore[misc]
        done += len(part)
        if took > bench.seconds / 2:
            break
    return done / took


async def _stream(address: str, payloads: Sequence[bytes], batches: int) -> float:
    """Batches a second over one stream, which is kept full."""

    async def requests() -> AsyncIterator[bytes]:
        for number in range(batches):
            request = linking.LinkMentionsRequest.FromString(payloads[number % len(payloads)])
            yield linking.StreamLinkMentionsRequest(batch_id=number, request=request).SerializeToString()

    async with channel(address) as to:
        begin = time.perf_counter()
        answered = [answer async for answer in to.stream_stream(STREAM)(requests())]
        return len(answered) / (time.perf_counter() - begin)


def cores(bench: Bench) -> Iterator[Row]:
    """Not a promise: what a second core is worth as a second thread, and as a second process."""
    servers = {"a server of one worker": (1, "1"), "of two workers": (1, "2"), "two servers of one worker": (2, "1")}
    alone = 0.0
    for label, (processes, workers) in servers.items():
        with ExitStack() as stack:
            own = [Replica(bench.bundle, *bench.server, "--workers", workers) for _ in range(processes)]
            for replica in own:
                stack.enter_context(replica)
            rate = BATCH * asyncio.run(_batches(own, bench))
        alone = alone or rate
        yield Row(label, "", f"{rate:,.0f} mentions/s, {rate / alone:.2f} x", kept=True)


async def _batches(replicas: Sequence[Replica], bench: Bench) -> float:
    """Batches a second over all replicas, four clients each way."""
    work = (
        closed_for(replica.address, bench.payloads(BATCH), clients=4, seconds=bench.seconds) for replica in replicas
    )
    return sum(seen.rate for seen in await asyncio.gather(*work))


def overload(bench: Bench) -> Iterator[Row]:
    for size in (1, 16):
        payloads = bench.payloads(size)
        # Longer than other loads: of 1,000 calls, the 99th percentile has ten above it; of 200, two.
        seconds = 3 * bench.seconds
        with bench.replica() as server:
            # Eight at least: fewer do not keep the workers busy, and 0.8 times what they get is not much of a load.
            clients = max(CLIENTS // size, 8)
            peak = asyncio.run(closed_for(server.address, payloads, clients=clients, seconds=seconds))
            at = {
                load: asyncio.run(open_loop(server.address, payloads, rate=load * peak.rate, seconds=seconds))
                for load in (0.8, 1.0, 1.5)
            }
            before = server.rss()
            over = asyncio.run(open_loop(server.address, payloads, rate=5 * peak.rate, seconds=seconds))
            grown = server.rss() / before
        best = max(seen.rate for seen in (peak, *at.values(), over))
        label = f"overload x5, calls of {size}"
        others = {code: n for code, n in over.codes.items() if code not in ("OK", "RESOURCE_EXHAUSTED")}
        yield Row(f"{label}: goodput", "at least 90% of its peak", f"{over.rate / best:.0%}", over.rate >= 0.9 * best)
        refused = percentile(over.refused, 50), percentile(over.refused, 99)
        measured = f"p50 {refused[0]:.0f} ms, p99 {refused[1]:.0f} ms of {len(over.refused):,}"
        yield Row(f"{label}: refusals", "at most 20 ms", measured, refused[1] <= 20)
        ratio = over.p(99) / at[0.8].p(99)
        measured = f"{ratio:.1f} ({over.p(99):.0f} of {at[0.8].p(99):.0f} ms)"
        yield Row(f"{label}: p99 of accepted", "at most 2 x that at 0.8", measured, ratio <= 2)
        yield Row(f"{label}: memory", "flat", f"{grown:.2f} x", grown <= 1.1)
        yield Row(f"{label}: other failures", "none", str(others or "none"), not others)


def fairness(bench: Bench) -> Iterator[Row]:
    with bench.replica() as server:
        idle = asyncio.run(closed_for(server.address, bench.payloads(1), clients=1, seconds=bench.seconds))
        beside = asyncio.run(_beside(server.address, bench))
    ratio = beside.p(99) / idle.p(99)
    measured = (
        f"{ratio:.1f} x (p99 {beside.p(99):.0f} of {idle.p(99):.0f} ms, p50 {beside.p(50):.0f} of {idle.p(50):.0f})"
    )
    yield Row(f"a single client beside 8 with batches of {LARGE:,}", "p99 at most 5 x idle", measured, ratio <= 5)


async def _beside(address: str, bench: Bench) -> Seen:
    until = asyncio.Event()
    async with channel(address) as to:
        large = asyncio.create_task(closed_loop(to, bench.payloads(LARGE), clients=8, until=until))
        await asyncio.sleep(bench.seconds / 4)
        small = await closed_for(address, bench.payloads(1), clients=1, seconds=2 * bench.seconds)
        until.set()
        await large
    return small


def reloads(bench: Bench) -> Iterator[Row]:
    with bench.replica() as server:
        seen, rss = asyncio.run(_reloaded(server, bench))
    yield Row(f"{bench.times} reloads under load", "no failure that a client sees", _failures(seen), not seen.failed)
    grown = rss[-1] / rss[2]
    measured = f"{grown:.2f} x ({rss[2]:.0f} to {rss[-1]:.0f} MiB)"
    yield Row(f"memory after {bench.times} reloads", "at most 1.1 x that after 3", measured, grown <= 1.1)


async def _reloaded(server: Replica, bench: Bench) -> tuple[Seen, list[float]]:
    rss: list[float] = []
    async with (
        AsyncLinkerClient(server.address) as client,
        grpc.aio.insecure_channel(server.admin_address) as private,
        calling(client, bench, size=8, clients=8) as seen,
    ):
        for _ in range(max(bench.times, 3)):
            await AdminServiceStub(private).ReloadBundle(admin.ReloadBundleRequest())
            rss.append(server.rss())
    return seen, rss


@asynccontextmanager
async def calling(client: AsyncLinkerClient, bench: Bench, *, size: int, clients: int) -> AsyncIterator[Seen]:
    """Clients of ours that each make one call after the other meanwhile, and what they see of it."""
    until, seen = asyncio.Event(), Seen()

    async def caller(mentions: Sequence[Mention]) -> None:
        while not until.is_set():
            try:
                await client.link(mentions, bench.options)
            except ServiceError as error:
                seen.codes[error.code] += 1
            else:
                seen.codes["OK"] += 1

    async with asyncio.TaskGroup() as callers:
        for part in split(bench.mentions, size)[:clients]:
            callers.create_task(caller(part))
        yield seen
        until.set()


def restarts(bench: Bench) -> Iterator[Row]:
    with bench.replica() as one, bench.replica() as other:
        seen, codes = asyncio.run(_restarted((one, other), bench))
    promise = f"{bench.times} rolling restarts of two replicas"
    yield Row(promise, "no failure that a client sees", _failures(seen), not seen.failed)
    yield Row("exit after SIGTERM", "0", ", ".join(map(str, sorted(codes))), codes == {0})


async def _restarted(replicas: Sequence[Replica], bench: Bench) -> tuple[Seen, set[int]]:
    exits = set()
    addresses = f"ipv4:{','.join(replica.address for replica in replicas)}"
    async with AsyncLinkerClient(addresses) as client, calling(client, bench, size=4, clients=16) as seen:
        for number in range(bench.times):
            replica = replicas[number % 2]
            exits.add(await asyncio.to_thread(replica.stop))
            await asyncio.to_thread(replica.start)
            await asyncio.sleep(1.5)  # for clients to connect again, as a rollout waits for readiness
    return seen, exits


def kills(bench: Bench) -> Iterator[Row]:
    answered = 0
    with bench.replica() as server:
        for _ in range(bench.times):
            asyncio.run(closed_for(server.address, bench.payloads(8), clients=4, seconds=0.2))
            server.stop(signal.SIGKILL)
            server.start()
            answered += asyncio.run(closed_for(server.address, bench.payloads(1), clients=1, seconds=0.1)).failed == 0
    yield Row(f"kill -9, {bench.times} times", "ready again each time", f"{answered} times", answered == bench.times)


def _failures(seen: Seen) -> str:
    failed = {code: count for code, count in seen.codes.items() if code != "OK"}
    return f"{failed or 'none'} of {sum(seen.codes.values()):,} calls"


SECTIONS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    section.__name__: section for section in (throughput, cores, overload, fairness, reloads, restarts, kills)
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="default: all")
    parser.add_argument("--bundle", default=DEFAULT, help="a directory or a name (default: the starter)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load (default: 10)")
    parser.add_argument("--times", type=int, default=20, help="reloads, restarts and kills (default: 20)")
    parser.add_argument("--rerank", choices=[mode.value for mode in RerankMode], default="never")
    parser.add_argument("--server", default="", help="options of `linker serve`, for example '--workers 1'")
    given = parser.parse_args()
    if unknown := set(given.sections) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    path = bundle_path(given.bundle)
    mentions = sample(Linker.open(path), 4 * LARGE)
    options = Options(rerank=RerankMode(given.rerank))
    bench = Bench(path, options, mentions, given.seconds, given.times, tuple(given.server.split()))
    print(machine.describe(), flush=True)
    print("| promise | asked | measured | |\n|---|---|---|---|", flush=True)
    kept = True
    for name in given.sections or SECTIONS:
        for row in SECTIONS[name](bench):
            kept &= row.kept
            print(
                f"| {row.promise} | {row.asked} | {row.measured} | {'kept' if row.kept else 'NOT kept'} |", flush=True
            )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
