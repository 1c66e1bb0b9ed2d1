"""Assertion: is what a mention names there, in the patient, now? By triggers in its sentence, in the manner of ConText.

Harkema, Dowling, Thornblade, Chapman, ConText: an algorithm for determining negation, experiencer, and temporal status
from clinical reports, J Biomed Inform 2009. A trigger says something of the mentions in its scope: those after it or
before it in the sentence, up to where a phrase, or a trigger that says otherwise, ends the scope. A phrase that only
looks like a trigger hides the one within.
The triggers are data, `linker/rules/en.toml` and its like, and each is of a language: "son" is a relative in an English
note and a verb in a Spanish one. A note is read by those of its language alone.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from linker.errors import InvalidInput
from linker.language import UNDETERMINED
from linker.records import Assertion
from linker.rules import TRIGGERS, applies, read_rules
from linker.sentences import sentences

_END, _NONE = "end", "none"
_SCOPES = ("after", "before", "both")
_WORD = re.compile(r"\S+")
_LONGEST = 2000  # characters of a sentence that are read: more is no sentence


@dataclass(frozen=True, slots=True)
class _Rule:
    """assertion: one of `Assertion`, "end" or "none". words: how far the scope reaches; None as far as it can."""

    assertion: str
    scope: str
    words: int | None


@dataclass(frozen=True, slots=True)
class _Trigger:
    begin: int
    end: int
    rules: Sequence[_Rule]


class _Sentence:
    """What the triggers of a sentence say of a mention, wherever it stands. Time is linear in their number."""

    def __init__(self, note: str, begin: int, end: int, triggers: Sequence[_Trigger]) -> None:
        """triggers: in order and apart."""
        words = [word.span() for word in _WORD.finditer(note, begin, end)] if triggers else []
        self._word_begins, self._word_ends = [first for first, _ in words], [past for _, past in words]
        self._begins, self._ends = [trigger.begin for trigger in triggers], [trigger.end for trigger in triggers]
        # What the first n triggers say of what comes after them, and the last n of what comes before.
        self._forward = list(_in_force(triggers, "before"))
        self._backward = list(_in_force(triggers[::-1], "after"))

    def said(self, begin: int, end: int) -> Iterator[Assertion]:
        """What is said of a mention. Triggers that share words with it say nothing."""
        for rule, trigger in self._forward[bisect_right(self._ends, begin)].items():
            if self._reaches(rule, trigger.end, begin):
                yield Assertion(rule.assertion)
        for rule, trigger in self._backward[len(self._begins) - bisect_left(self._begins, end)].items():
            if self._reaches(rule, end, trigger.begin):
                yield Assertion(rule.assertion)

    def _reaches(self, rule: _Rule, first: int, past: int) -> bool:
        between = bisect_left(self._word_begins, past) - bisect_right(self._word_ends, first)
        return rule.words is None or between < rule.words


def _in_force(triggers: Sequence[_Trigger], other_way: str) -> Iterator[dict[_Rule, _Trigger]]:
    """The rules whose scope is open before the first trigger, behind it, behind the second...: each with its last one.

    other_way: scope of the rules that look the other way.
    """
    open_: dict[_Rule, _Trigger] = {}
    yield open_
    for trigger in triggers:
        open_ = {rule: last for rule, last in open_.items() if not any(_ends(other, rule) for other in trigger.rules)}
        said = (rule for rule in trigger.rules if rule.assertion not in {_END, _NONE} and rule.scope != other_way)
        open_.update(dict.fromkeys(said, trigger))
        yield open_


class _Phrases:
    """The triggers of some languages together, as they are found in a note."""

    def __init__(self, rules: Iterable[tuple[str, _Rule]]) -> None:
        """rules: each with a phrase that it goes by."""
        self._rules: dict[str, list[_Rule]] = {}
        patterns: dict[str, re.Pattern[str]] = {}
        for phrase, rule in rules:
            self._rules.setdefault(phrase.lower(), []).append(rule)
            patterns[phrase.lower()] = re.compile(_words(phrase), re.IGNORECASE)
        self._patterns = patterns
        longest_first = sorted(patterns, key=len, reverse=True)
        # Words are looked for only where one begins: that is asked once, and not by each of hundreds of alternatives.
        words = "|".join(_words(phrase) for phrase in longest_first if phrase[0].isalnum()) or "(?!)"
        others = "|".join(_words(phrase) for phrase in longest_first if not phrase[0].isalnum()) or "(?!)"
        self._any = re.compile(rf"(?<!\w)(?:{words})|{others}", re.IGNORECASE)

    def triggers(self, note: str, begin: int, end: int) -> list[_Trigger]:
        """Those of a sentence, in order and apart."""
        if end - begin > _LONGEST:
            return []
        return [
            _Trigger(match.start(), match.end(), self._rules_of(match[0]))
            for match in self._any.finditer(note, begin, end)
        ]

    def _rules_of(self, text: str) -> list[_Rule]:
        phrase = " ".join(text.lower().split())
        if phrase in self._rules:
            return self._rules[phrase]
        return next((self._rules[key] for key, pattern in self._patterns.items() if pattern.fullmatch(text)), [])


class Triggers:
    """The triggers of several files. Immutable and safe to share between threads."""

    def __init__(self, paths: Iterable[Path] = TRIGGERS) -> None:
        """Raises `InvalidInput` naming file and field."""
        self._rules: dict[str, list[tuple[str, _Rule]]] = {}
        for path in paths:
            for position, rule in enumerate(read_rules(path, "trigger")):
                read = _read(rule, f"{path}: trigger[{position}]")
                self._rules.setdefault(rule["language"], []).extend((phrase, read) for phrase in rule["phrases"])
        self._phrases = cache(self._of_languages)

    @property
    def languages(self) -> frozenset[str]:
        """Those that there are triggers of."""
        return frozenset(self._rules)

    def know(self, language: str) -> bool:
        """Are there triggers for notes of a language?"""
        return bool(self._languages_for(language))

    def assertions(
        self, note: str, places: Sequence[tuple[int, int]], language: str = UNDETERMINED
    ) -> list[frozenset[Assertion]]:
        """What is said of each mention, given as half-open ranges of code points; empty where it is simply there.

        language: of the note; "und" takes the triggers of all. A mention's own words trigger nothing: "no" in "no known
        allergies" does not where that is the mention.
        """
        phrases = self._phrases(self._languages_for(language))
        spans = list(sentences(note)) if places else []
        begins = [begin for begin, _ in spans]
        read: dict[int, _Sentence] = {}
        answers = []
        for begin, end in places:
            row = bisect_right(begins, begin) - 1
            if row not in read:
                read[row] = _Sentence(note, *spans[row], phrases.triggers(note, *spans[row]))
            answers.append(frozenset(read[row].said(begin, end)))
        return answers

    def _languages_for(self, language: str) -> tuple[str, ...]:
        return tuple(own for own in self._rules if applies(own, language))

    def _of_languages(self, languages: tuple[str, ...]) -> _Phrases:
        return _Phrases(rule for language in languages for rule in self._rules[language])


def _ends(other: _Rule, rule: _Rule) -> bool:
    """Does another trigger end the scope of this one? Of "no fever, possible flu" the second says what the flu is."""
    rivals = {Assertion.NEGATED, Assertion.UNCERTAIN} - {rule.assertion}
    is_rival = len(rivals) == 1 and other.assertion in rivals and other.scope == rule.scope
    return other.assertion == _END or is_rival


def _read(rule: dict[str, Any], field: str) -> _Rule:
    if not rule["language"]:
        message = 'expected the language of the triggers: put language = "es", or another tag, at the top of the file'
        raise InvalidInput(message, field=f"{field}.language")
    known = (*Assertion, _END, _NONE)
    if rule.get("assertion") not in known:
        raise InvalidInput(f"expected one of {', '.join(known)}", field=f"{field}.assertion")
    if rule.get("scope") not in _SCOPES:
        raise InvalidInput(f"expected one of {', '.join(_SCOPES)}", field=f"{field}.scope")
    words, phrases = rule.get("words"), rule.get("phrases")
    if words is not None and (not isinstance(words, int) or words < 1):
        raise InvalidInput("expected a number of words, 1 or more", field=f"{field}.words")
    if not isinstance(phrases, list) or not all(isinstance(phrase, str) and phrase.strip() for phrase in phrases):
        raise InvalidInput("expected a list of phrases", field=f"{field}.phrases")
    return _Rule(rule["assertion"], rule["scope"], words)


def _words(phrase: str) -> str:
    """What a phrase matches: whole words, whatever white space is between; digits may be told by their class.

    What ends with a mark, as French "pas d'" does, may go on in a word.
    """
    pattern = r"\s+".join(re.escape(word).replace(r"\\d", r"\d").replace(r"\+", "+") for word in phrase.split())
    return pattern.replace("'", "['’]") + (r"(?!\w)" if phrase[-1].isalnum() else "")
