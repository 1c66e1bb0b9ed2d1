"""What benchmarks link: names of a bundle, half of them altered, so that half are no exact hits."""

from __future__ import annotations

import random
from collections.abc import Sequence

from linker import Linker, Mention


def sample(linker: Linker, count: int) -> list[Mention]:
    """Names of the bundle, every other one altered; seeded."""
    chosen = random.Random(0)
    terminology = linker.bundle.terminology
    rows = [chosen.randrange(terminology.name_count) for _ in range(count)]
    return [
        Mention(altered(terminology.name(row), chosen) if n % 2 else terminology.name(row))
        for n, row in enumerate(rows)
    ]


def altered(name: str, chosen: random.Random) -> str:
    words = name.split()
    if len(words) > 2:
        words.pop(chosen.randrange(len(words)))
        return " ".join(words)
    place = chosen.randrange(max(1, len(name) - 1))
    return name[:place] + name[place : place + 2][::-1] + name[place + 2 :]


def split(mentions: Sequence[Mention], size: int) -> list[Sequence[Mention]]:
    return [mentions[i : i + size] for i in range(0, len(mentions), size)]
