"""The names of a language beside those of another, its pivot: collected from any ontology, checked, and held out.

What is held out are concepts, with every name of theirs, and every concept that shares a name with one of them: no name
of a concept that a model is judged by is seen in training.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from linker.console import stderr
from linker.errors import InvalidInput
from linker.surface import normalise
from ontologies.records import Name
from training.dictionary import Entry, Ontology, read_entries
from training.pairs import speaks
from training.scripts import is_in_script, scripts_of

_EXAMPLES = 5
_MOSTLY = 0.5  # share of names in another script from which a tag is taken to be wrong
_MOST_HELD = 0.25  # share of the concepts with both languages that is held out at most


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesReport:
    """What the ontologies say in a language.

    tags: names by their tag, of every language. names, concepts: in the language. parallel: concepts that have a pivot
    name too. untranslated: names that are spelled as a pivot name of their concept. wrong_script: names left out, since
    they have no letter of the language's script. disagreeing: names that stand beside different pivot names in several
    concepts, which share none; examples of both.
    """

    tags: Mapping[str, int]
    names: int
    concepts: int
    parallel: int
    untranslated: int
    wrong_script: int
    disagreeing: int
    examples: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Parallel:
    """Concepts with their names in a language and its pivot, and in none else. pivot: "" where no concept has both."""

    entries: Mapping[str, Entry]
    language: str
    pivot: str

    @property
    def tags(self) -> tuple[str, ...]:
        """The language and, if there is one, its pivot."""
        return (self.language, self.pivot) if self.pivot else (self.language,)

    def forms(self, concept_id: str, tag: str) -> list[str]:
        """The normalised names of a concept in one of the two languages, each once."""
        names = self.entries[concept_id].names
        return list(dict.fromkeys(normalise(name.name) for name in names if speaks(name.language, (tag,))))

    def texts(self, tag: str) -> list[str]:
        """The normalised names of all concepts in one of the two languages."""
        return [form for concept_id in self.entries for form in self.forms(concept_id, tag)]

    def translated(self) -> list[str]:
        """The ids of the concepts that have a name in either language, not the same in both."""
        return [
            concept_id
            for concept_id in self.entries
            if (own := self.forms(concept_id, self.pivot)) and set(self.forms(concept_id, self.language)) - set(own)
        ]

    def synonymous(self) -> list[str]:
        """The ids of the concepts that have several names in the language."""
        return [concept_id for concept_id in self.entries if len(self.forms(concept_id, self.language)) > 1]


def collect(ontologies: Sequence[Ontology], language: str, pivot: str) -> tuple[Parallel, NamesReport]:
    """The names of both languages in `ontologies`, and what was found.

    Where no concept has both, there is no pivot. Raises `InvalidInput` where there is no name of the language, or most
    are in another script.
    """
    entries = read_entries(ontologies)
    tags = Counter(name.language or "(none)" for entry in entries.values() for name in entry.names)
    scripts = scripts_of(language)
    kept: dict[str, Entry] = {}
    foreign: list[str] = []
    for concept_id, entry in entries.items():
        own = [name for name in entry.names if speaks(name.language, (language,))]
        spelled = [name for name in own if is_in_script(name.name, scripts)]
        foreign += [name.name for name in own if not is_in_script(name.name, scripts)]
        names = [*spelled, *(name for name in entry.names if speaks(name.language, (pivot,)))]
        if names:
            kept[concept_id] = Entry(concept_id, _distinct(names), entry.codes)
    parallel = Parallel(kept, language, pivot)
    if not parallel.translated():
        parallel = Parallel(kept, language, "")
    count = len(parallel.texts(language))
    _check(count, len(foreign), language, scripts, tags)
    disagreeing = _disagreeing(parallel)
    report = NamesReport(
        tags=dict(tags.most_common()),
        names=count,
        concepts=sum(bool(parallel.forms(concept_id, language)) for concept_id in kept),
        parallel=len(parallel.translated()),
        untranslated=sum(len(set(parallel.forms(i, language)) & set(parallel.forms(i, pivot))) for i in kept),
        wrong_script=len(foreign),
        disagreeing=len(disagreeing),
        examples={"wrong script": foreign[:_EXAMPLES], "disagreeing": disagreeing[:_EXAMPLES]},
    )
    _tell(report, language, pivot)
    return parallel, report


def _distinct(names: Iterable[Name]) -> list[Name]:
    return list({(name.language.partition("-")[0], normalise(name.name)): name for name in names}.values())


def _check(count: int, foreign: int, language: str, scripts: Sequence[str], tags: Mapping[str, int]) -> None:
    if count + foreign == 0:
        found = ", ".join(f"{tag} {number:,}" for tag, number in list(tags.items())[:12]) or "none at all"
        raise InvalidInput(
            f"no ontology has a name in {language}; they have: {found}. Add one that does, or say with --untagged what "
            f"language names without a tag are in",
            field="--lang",
        )
    if foreign > _MOSTLY * (count + foreign):
        raise InvalidInput(
            f"{foreign:,} of {count + foreign:,} names tagged {language} have no {' or '.join(scripts).title()} "
            f"letter: is the tag right? A tag may name its script, such as {language}-Latn",
            field="--lang",
        )


def _disagreeing(parallel: Parallel) -> list[str]:
    """Names of the language that several concepts have, whose pivot names are all different."""
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for concept_id in parallel.translated():
        for form in parallel.forms(concept_id, parallel.language):
            owners[form].append(concept_id)
    found = []
    for form, concept_ids in owners.items():
        beside = [set(parallel.forms(concept_id, parallel.pivot)) for concept_id in concept_ids]
        if len(beside) > 1 and not set.intersection(*beside):
            found.append(f"{form}: {min(beside[0])} / {min(beside[1])}")
    return found


def _tell(report: NamesReport, language: str, pivot: str) -> None:
    def say(line: str) -> None:
        stderr.print(line, soft_wrap=True, markup=False)

    say(f"{report.names:,} names in {language}, of {report.concepts:,} concepts")
    say(f"  {report.parallel:,} of them have a name in {pivot} to learn from")
    for count, what in (
        (report.untranslated, f"names are spelled as in {pivot}"),
        (report.wrong_script, "names are in another script and left out"),
        (report.disagreeing, f"names stand beside different names in {pivot}"),
    ):
        if count:
            say(f"  {count:,} {what}")
    for what, examples in report.examples.items():
        for example in examples:
            say(f"    {what}: {example}")


def hold_out(parallel: Parallel, count: int, *, seed: int) -> list[str]:
    """The ids of up to `count` concepts to judge by, at random among those with both languages.

    Without a pivot, among those with several names.
    A quarter of them at most, so that there is something left to learn from.
    """
    pool = parallel.translated() if parallel.pivot else parallel.synonymous()
    return Random(seed).sample(pool, min(count, round(_MOST_HELD * len(pool))))  # noqa: S311 - no secret


def without(parallel: Parallel, held: Iterable[str]) -> list[Entry]:
    """The entries that share no name with a held one."""
    forms = {normalise(name.name) for concept_id in held for name in parallel.entries[concept_id].names}
    return [
        entry for entry in parallel.entries.values() if forms.isdisjoint(normalise(name.name) for name in entry.names)
    ]


@dataclass(frozen=True, slots=True)
class Asked:
    """Names of concepts, by concept id, that are asked for as mentions."""

    mentions: Mapping[str, Sequence[str]]

    def __len__(self) -> int:
        return sum(map(len, self.mentions.values()))

    def write(self, path: Path) -> None:
        """Write them as gold mentions, a note for each concept."""
        notes = (
            {"doc_id": i, "text": None, "mentions": [{"mention": name, "gold": [i]} for name in names]}
            for i, names in self.mentions.items()
        )
        path.write_text("".join(f"{json.dumps(note, ensure_ascii=False)}\n" for note in notes), encoding="utf-8")


def ask_for(parallel: Parallel, concept_ids: Iterable[str], language: str) -> Asked:
    """The names of concepts in one language, to be found among names in the other.

    Without a pivot, all names of a concept but its first, to be found among the names that are not asked for.
    """
    other = parallel.pivot if language == parallel.language else parallel.language
    mentions = {}
    for concept_id in concept_ids:
        names = [name.name for name in parallel.entries[concept_id].names if speaks(name.language, (language,))]
        known = set(parallel.forms(concept_id, other)) if other else {normalise(names[0])}
        if asked := [name for name in names if normalise(name) not in known]:
            mentions[concept_id] = asked
    return Asked(mentions)


def write_names(path: Path, entries: Iterable[Entry], tags: Sequence[str], *, but: Sequence[Asked] = ()) -> None:
    """Write a table, as `linker build` reads it, of the names in the languages `tags`, without those of `but`."""
    hidden = {(i, name) for asked in but for i, names in asked.mentions.items() for name in names}
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
        writer.writerow(("concept_id", "name", "language", "codes"))
        for entry in entries:
            codes = "|".join(f"{code.system}:{code.code}={code.relation}" for code in entry.codes)
            for name in entry.names:
                if speaks(name.language, tags) and (entry.concept_id, name.name) not in hidden:
                    writer.writerow((entry.concept_id, " ".join(name.name.split()), name.language, codes))
                    codes = ""
