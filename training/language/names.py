"""The first step: names of both languages, annotated notes, and what is held out of either."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random

from linker.console import stderr
from linker.corpus import GoldMention, read_corpus
from linker.errors import InvalidInput
from training.dictionary import read_entries
from training.language.parallel import Asked, Parallel, ask_for, collect, hold_out, without, write_names
from training.language.recipe import LanguageRecipe, Work
from training.steps import Facts
from training.vocabulary import read_texts

_LEAST = 20  # names in each language that a bundle is judged by; with fewer its figures say nothing
_SHARES = (0.6, 0.8)  # of notes: to learn from, and with those to choose by; the rest is to judge by
_SHOWN = 10


def make_names(work: Work, out: Path) -> Facts:
    """Write learn.tsv, all.tsv, a table for each language, {dev,test}-LANG.jsonl, {learn,dev,test}-notes.jsonl.

    Raises `InvalidInput`: see `collect`; a language that could not be judged; gold ids that no ontology has.
    """
    recipe = work.recipe
    parallel, report = collect(recipe.ontologies, recipe.language, recipe.pivot)
    held = hold_out(parallel, 2 * recipe.held, seed=recipe.seed)
    asked = {
        (part, tag): ask_for(parallel, chosen, tag)
        for part, chosen in (("dev", held[::2]), ("test", held[1::2]))
        for tag in parallel.tags
    }
    notes = _split_notes(recipe)
    _check_judged(parallel, asked, has_notes=bool(notes["test"]))
    unknown = _unknown_codes(recipe)
    out.mkdir(parents=True)
    for (part, tag), names in asked.items():
        names.write(out / f"{part}-{tag}.jsonl")
    for part, lines in notes.items():
        if lines:
            (out / f"{part}-notes.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    everything = parallel.entries.values()
    write_names(out / "learn.tsv", without(parallel, held), parallel.tags)
    write_names(out / "all.tsv", everything, parallel.tags)
    for tag in parallel.tags:
        write_names(out / f"{tag}.tsv", everything, (tag,), but=() if parallel.pivot else tuple(asked.values()))
    facts = {
        **asdict(report),
        "pivot": parallel.pivot,
        "held_out": {f"{part} {tag}": len(names) for (part, tag), names in asked.items()},
        "notes": {part: len(lines) for part, lines in notes.items()},
        "unknown_codes": unknown,
    }
    (out / "report.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return facts


def _check_judged(parallel: Parallel, asked: dict[tuple[str, str], Asked], *, has_notes: bool) -> None:
    for tag in parallel.tags:
        count = len(asked["test", tag])
        if count < _LEAST and not (has_notes and tag == parallel.language):
            raise InvalidInput(
                f"{count} names in {tag} can be held out to judge by, expected {_LEAST}: the bundle would claim a "
                f"language in which nobody has measured it. Add an ontology with more names in {tag}",
                field="--ontology",
            )


def _split_notes(recipe: LanguageRecipe) -> dict[str, list[str]]:
    """The lines of annotated notes, by what they are for."""
    lines = list(read_texts([Path(path) for path in recipe.corpora]))
    Random(recipe.seed).shuffle(lines)  # noqa: S311 - no secret
    learn, dev = (_SHARES[1], 1.0) if recipe.tests else _SHARES
    first, last = round(learn * len(lines)), round(dev * len(lines))
    tests = read_texts([Path(path) for path in recipe.tests])
    return {"learn": lines[:first], "dev": lines[first:last], "test": [*lines[last:], *tests]}


def _unknown_codes(recipe: LanguageRecipe) -> dict[str, int]:
    """Gold ids that no ontology has, with how many mentions each."""
    gold = [m for path in (*recipe.corpora, *recipe.tests) for m in read_corpus(Path(path), prefix=recipe.prefix)]
    if not gold:
        return {}
    known = set().union(*(entry.ids for entry in read_entries(recipe.ontologies).values()))
    unknown = Counter(code for mention in gold for code in sorted(mention.gold - known))
    if all(mention.gold.isdisjoint(known) for mention in gold):
        raise InvalidInput(
            f"no gold id is in an ontology, {next(iter(unknown), 'none')} for one; say with --prefix which vocabulary "
            f"bare ids are of, or add the ontology that the notes were annotated with",
            field="--corpus",
        )
    if unknown:
        _tell_unknown(unknown, gold)
    return dict(unknown.most_common())


def _tell_unknown(unknown: Counter[str], gold: Sequence[GoldMention]) -> None:
    shown = ", ".join(code for code, _ in unknown.most_common(_SHOWN))
    more = f" and {len(unknown) - _SHOWN:,} more" if len(unknown) > _SHOWN else ""
    stderr.print(
        f"{len(unknown):,} codes, of {unknown.total():,} of {len(gold):,} mentions, are in no ontology and count as "
        f"wrong when judged: {shown}{more}; all are in names/report.json",
        soft_wrap=True,
    )
