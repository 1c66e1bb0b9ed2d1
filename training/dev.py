"""How well a bi-encoder links while it trains: acc@1 against a part of the dictionary.

The part holds what can go wrong: for each mention the 64 names nearest to it for the encoder that training starts from,
all names of its gold concepts, and 2,000 names at random. It is an estimate, for early stopping, of what `linker
evaluate` measures against the whole; a name that training pulls near a mention from outside the part is not seen.

The conventions are those of `linker.retrieval` and `linker.evaluation`: an exact hit comes first, names are pooled to
concepts by a smooth maximum, and a tie is no hit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from linker.console import stderr
from linker.corpus import GoldMention, read_corpus
from linker.records import Embeddings
from linker.retrieval import SHARPNESS
from linker.surface import normalise
from training import smoke
from training.dictionary import Entry, Ontology, read_entries
from training.errors import TrainingError
from training.recipes import FIGURE, Described, Place

NEAREST = 64
OTHERS = 2000
_BLOCK = 256

Embed = Callable[[Sequence[str], str], Embeddings]  # texts and the title of a progress bar ("" for none) -> unit rows


class Gold(Described):
    """Gold mentions. corpus: JSON lines as `linker evaluate` reads them, or `invented`. prefix: of bare gold ids."""

    corpus: Place
    prefix: str = ""

    def mentions(self) -> list[GoldMention]:
        """Read them. Raises `InvalidInput`."""
        if self.corpus == smoke.NAME:
            return smoke.invented_corpus()
        return read_corpus(Path(self.corpus), prefix=self.prefix)


class DevOptions(Gold):
    """A corpus with the ontology that it is linked to. name: of its figure, `acc@1 NAME`."""

    name: str = Field(min_length=1)
    ontology: Ontology


@dataclass(frozen=True, slots=True)
class DevSet:
    """What is left to decide once exact hits are.

    mentions: how many are scored. exact: how many of them the exact table decides rightly. unreachable: how many have
    no gold concept in the ontology, and are never right. queries: distinct surface forms that go to the encoder. names:
    the part of the dictionary; concepts: for each, the rows of its concepts. open: undecided mentions, each a list of
    (query, gold concept rows), of which all must be right.
    """

    name: str
    mentions: int
    exact: int
    unreachable: int
    queries: list[str]
    names: list[str]
    concepts: list[list[int]]
    open: list[list[tuple[int, list[int]]]]

    def accuracy(self, embed: Embed) -> float:
        """Share of mentions whose gold concept stands alone in the first place."""
        if not self.open:
            return self.exact / self.mentions
        queries, names = embed(self.queries, ""), embed(self.names, "")
        rows = np.array([row for row, concepts in enumerate(self.concepts) for _ in concepts])
        concepts = np.array([concept for concepts in self.concepts for concept in concepts])
        order = np.argsort(concepts, kind="stable")
        columns, begins = np.unique(concepts[order], return_index=True)
        similarity = queries @ names.T
        mass = np.add.reduceat(np.exp(SHARPNESS * similarity[:, rows[order]].astype(np.float64)), begins, axis=1)
        pooled = np.log(mass) / SHARPNESS
        right = [all(_is_first(pooled[query], np.isin(columns, gold)) for query, gold in parts) for parts in self.open]
        return (self.exact + sum(right)) / self.mentions


def _is_first(similarity: NDArray[np.float64], gold: NDArray[np.bool_]) -> bool:
    return bool(gold.any() and similarity[gold].max() > similarity[~gold].max(initial=-np.inf))


def prepare(options: Sequence[DevOptions], folder: Path, embed: Embed, *, seed: int) -> list[DevSet]:
    """The dev sets of a run; what `folder` holds already is taken from there, since the encoder may have learned since.

    Raises `TrainingError` where a corpus has no mention with a gold id that its ontology has.
    """
    made = []
    for wanted in options:
        path = folder / f"dev-{wanted.name}.json"
        if not path.is_file():
            fresh = path.with_suffix(".part")
            fresh.write_text(json.dumps(asdict(_make(wanted, embed, seed))), encoding="utf-8")
            fresh.replace(path)
        made.append(DevSet(**json.loads(path.read_bytes())))
        stderr.print(_told(made[-1]), soft_wrap=True)
    return made


def _told(dev: DevSet) -> str:
    return (
        f"dev {dev.name}: {dev.mentions:,} mentions, {dev.exact:,} decided by an exact hit, {len(dev.open):,} by the "
        f"encoder among {len(dev.names):,} names, {dev.unreachable:,} whose gold the ontology does not have"
    )


def figures(devs: Sequence[DevSet], embed: Embed) -> Mapping[str, float]:
    """acc@1 of each dev set and, as "acc@1", their mean."""
    each = {dev.name: dev.accuracy(embed) for dev in devs}
    named = {f"{FIGURE} {name}": value for name, value in each.items()} if len(each) > 1 else {}
    return {FIGURE: float(np.mean(list(each.values()))), **named}


class _Dictionary:
    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.rows: dict[str, list[int]] = {}  # name -> rows of its concepts
        self.of_id: dict[str, set[int]] = {}  # what gold may say -> rows of concepts
        self.spelled: list[set[str]] = []
        for row, entry in enumerate(entries.values()):
            self.spelled.append({normalise(name.name) for name in entry.names})
            for form in sorted(self.spelled[-1]):
                self.rows.setdefault(form, []).append(row)
            for known_as in entry.ids:
                self.of_id.setdefault(known_as, set()).add(row)


def _make(options: DevOptions, embed: Embed, seed: int) -> DevSet:
    dictionary = _Dictionary(read_entries([options.ontology]))
    exact = unreachable = scored = 0
    open_mentions: list[list[tuple[str, set[int]]]] = []
    for mention in options.mentions():
        if not mention.gold:
            continue
        scored += 1
        gold = set().union(*(dictionary.of_id.get(i, ()) for i in mention.gold))
        forms = [normalise(part.text) for part in mention.parts]
        hits = [set(dictionary.rows.get(form, ())) for form in forms]
        if not gold:
            unreachable += 1
        elif all(found and found <= gold for found in hits):
            exact += 1
        elif not any(found and not found <= gold for found in hits):
            open_mentions.append([(form, gold) for form, found in zip(forms, hits, strict=True) if not found])
    if scored == unreachable:
        raise TrainingError(
            f"{options.corpus}: no gold id is in {options.ontology.path}; set the prefix that its ids have there "
            f"(dev.prefix, dev.ontology.prefix), or the ontology that the corpus was annotated with"
        )
    queries = {form: row for row, form in enumerate(sorted({form for parts in open_mentions for form, _ in parts}))}
    names = _part(dictionary, list(queries), [gold for parts in open_mentions for _, gold in parts], embed, seed)
    return DevSet(
        name=options.name,
        mentions=scored,
        exact=exact,
        unreachable=unreachable,
        queries=list(queries),
        names=names,
        concepts=[dictionary.rows[name] for name in names],
        open=[[(queries[form], sorted(gold)) for form, gold in parts] for parts in open_mentions],
    )


def _part(dictionary: _Dictionary, queries: list[str], gold: Sequence[set[int]], embed: Embed, seed: int) -> list[str]:
    """The names that stand for the whole dictionary, sorted."""
    names = sorted(dictionary.rows)
    chosen = {name for concepts in gold for concept in concepts for name in dictionary.spelled[concept]}
    random = np.random.default_rng(seed)
    chosen.update(names[row] for row in random.permutation(len(names))[:OTHERS])
    if queries:
        vectors, wanted = embed(names, "Embedding the dictionary of dev"), embed(queries, "")
        for start in range(0, len(wanted), _BLOCK):
            similarity = wanted[start : start + _BLOCK] @ vectors.T
            depth = min(NEAREST, len(names))
            near = np.argpartition(-similarity, depth - 1, axis=1)[:, :depth]
            chosen.update(names[row] for row in np.unique(near))
    return sorted(chosen)
