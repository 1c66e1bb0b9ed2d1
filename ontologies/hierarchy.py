"""Checks the hierarchy that concepts make of one another: every parent exists, and no concept is its own ancestor."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import replace

from ontologies.errors import SourceError
from ontologies.records import Concept

_SPELLED = 20  # concepts of a cycle that a message spells out


def check_parents(concepts: Iterable[tuple[Concept, str]], *, known: Container[str] = ()) -> None:
    """Raise at the first parent that is nowhere, or the first cycle. Linear in concepts and parents.

    concepts: of every source of a build, each with the path of its file; an id that occurs twice has the parents of
    both. known: ids that may be parents although they are not among `concepts`.
    """
    found: dict[str, list[tuple[Concept, str]]] = {}
    for concept, path in concepts:
        found.setdefault(concept.concept_id, []).append((concept, path))
    for concept, path in (place for places in found.values() for place in places):
        for parent in concept.parents:
            if parent not in found and parent not in known:
                raise _missing(concept, parent, path)
    _check_acyclic(found)


def with_known_parents(concept: Concept, known: Container[str]) -> Concept:
    """The concept without the parents that are not `known`: what a lenient build does before it checks."""
    parents = tuple(parent for parent in concept.parents if parent in known)
    return concept if len(parents) == len(concept.parents) else replace(concept, parents=parents)


def _missing(concept: Concept, parent: str, path: str) -> SourceError:
    message = (
        f"expected the parent of {concept.concept_id} to be a concept of this build, got {parent}, which no file"
        " defines (--lenient drops such parents)"
    )
    return SourceError(message, path=path, line=concept.line or None, field="parents")


def _check_acyclic(found: dict[str, list[tuple[Concept, str]]]) -> None:
    """Depth first with a stack of its own: real hierarchies are deeper than Python's recursion limit allows for."""
    done: set[str] = set()
    for root in found:
        if root in done:
            continue
        way = [(root, _parents(found, root))]  # from the root to here, each with the parents left to visit
        on_way = {root}
        while way:
            here, parents = way[-1]
            parent = next(parents, None)
            if parent is None:
                way.pop()
                on_way.remove(here)
                done.add(here)
            elif parent in on_way:
                raise _cycle(found, [concept_id for concept_id, _ in way], parent)
            elif parent not in done:
                way.append((parent, _parents(found, parent)))
                on_way.add(parent)


def _parents(found: dict[str, list[tuple[Concept, str]]], concept_id: str) -> Iterator[str]:
    return (parent for concept, _ in found.get(concept_id, ()) for parent in concept.parents)


def _cycle(found: dict[str, list[tuple[Concept, str]]], way: list[str], back_to: str) -> SourceError:
    cycle = way[way.index(back_to) :]
    spelled = [*cycle, back_to] if len(cycle) <= _SPELLED else [*cycle[:_SPELLED], f"... ({len(cycle)} concepts)"]
    child = cycle[-1]
    concept, file = next(place for place in found[child] if back_to in place[0].parents)
    message = f"expected no concept to be its own ancestor, got {' -> '.join(spelled)}"
    return SourceError(message, path=file, line=concept.line or None, field="parents")
