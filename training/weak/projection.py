"""Mentions by projection: annotated notes in another language, translated, with their mentions found again (Yarowsky,
Ngai and Wicentowski 2001).

Each sentence with a mention is translated, and becomes a note. Where the translator says which word comes from which,
the mention is where its words went, if they stand together and nothing else went there. Otherwise it is translated by
itself as well, and is where the sentence holds that, word for word, once. What cannot be located so is left out and
counted: a mention in the wrong place would teach what nobody wrote.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from linker.corpus import GoldMention, GoldNote
from linker.records import Mention
from linker.sentences import sentences
from linker.surface import normalise, words
from training.weak.corpus import WeakCorpus, collected, placed
from training.weak.texts import check_script
from training.weak.translator import Translation, Translator

NO_PLACE = "without one place in one sentence"
NIL = "of no concept"
EMPTY = "translated to nothing"
NOT_FOUND = "not found in the translation"
FOUND_TWICE = "found twice in the translation"
SCATTERED = "scattered in the translation"
SHARED = "in the place of another mention"

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence of a note, with its mentions: where each stands in it, and its gold ids."""

    name: str
    text: str
    mentions: tuple[tuple[int, int, frozenset[str]], ...]


class ByProjection:
    """See the module, and `training.weak.corpus.Supervision`."""

    def __init__(
        self, notes: Sequence[GoldNote], translate: Translator, *, translator: str, language: str, seed: int = 0
    ) -> None:
        """translator: what `translate` is called in errors. language: BCP-47 tag of what it gives."""
        self._notes, self._translate, self._translator = notes, translate, translator
        self._language, self._seed = language, seed

    def corpus(self) -> WeakCorpus:
        """See `Supervision`. Raises `InvalidInput` where translations are in another script than the language's."""
        left_out = Counter[str]()
        found = [sentence for note in self._notes for sentence in _sentences(note, left_out)]
        wholes = self._translations(one.text for one in found)
        unaligned = [one for one in found if wholes[one.text].links is None]
        alone = self._translations(one.text[begin:end] for one in unaligned for begin, end, _ in one.mentions)
        check_script([one.text for one in wholes.values()], self._language, field=f"translator {self._translator}")
        notes = [_projected(sentence, wholes[sentence.text], alone, left_out) for sentence in found]
        return collected(notes, left_out, seed=self._seed)

    def _translations(self, texts: Iterable[str]) -> dict[str, Translation]:
        """Each text once, translated."""
        distinct = list(dict.fromkeys(texts))
        return dict(zip(distinct, self._translate(distinct) if distinct else [], strict=True))


def _sentences(note: GoldNote, left_out: Counter[str]) -> Iterator[_Sentence]:
    """The sentences of a note that have a mention of a concept."""
    placed_mentions = [(part, mention.gold) for mention in note.mentions if (part := _placed(mention, left_out))]
    within = 0
    for begin, end in sentences(note.text):
        text = note.text[begin:end].strip()
        start = begin + note.text[begin:end].find(text)
        own = tuple(
            (m.begin - start, m.end - start, gold)
            for m, gold in placed_mentions
            if m.begin is not None and m.end is not None and start <= m.begin < m.end <= start + len(text)
        )
        within += len(own)
        if own:
            yield _Sentence(f"{note.note_id} {begin}", text, own)
    left_out[NO_PLACE] += len(placed_mentions) - within


def _placed(mention: GoldMention, left_out: Counter[str]) -> Mention | None:
    part = mention.parts[0]
    if not mention.gold:
        left_out[NIL] += 1
    elif len(mention.parts) > 1 or part.begin is None:
        left_out[NO_PLACE] += 1
    else:
        return part
    return None


def _projected(
    sentence: _Sentence, whole: Translation, alone: Mapping[str, Translation], left_out: Counter[str]
) -> GoldNote:
    """The sentence in the other language, with those mentions that are located. alone: mentions translated."""
    golds: defaultdict[Place, list[frozenset[str]]] = defaultdict(list)
    for begin, end, gold in sentence.mentions:
        if whole.links is None:
            place, why = _found(whole.text, alone[sentence.text[begin:end]].text)
        else:
            place, why = _aligned(sentence.text, (begin, end), whole)
        if place is None:
            left_out[why] += 1
        else:
            golds[place].append(gold)
    single = {place: own[0] for place, own in golds.items() if len(own) == 1}
    left_out[SHARED] += sum(map(len, golds.values())) - len(single)
    return placed(sentence.name, whole.text, ((*place, gold) for place, gold in sorted(single.items())))


def _found(text: str, surface: str) -> tuple[Place | None, str]:
    """Where the words of `surface` stand in `text`, if that is once; or why not."""
    wanted = [normalise(surface[begin:end]) for begin, end in words(surface)]
    if not wanted or not text:
        return None, EMPTY
    places = list(words(text))
    forms = [normalise(text[begin:end]) for begin, end in places]
    starts = [at for at in range(len(forms) - len(wanted) + 1) if forms[at : at + len(wanted)] == wanted]
    if len(starts) != 1:
        return None, FOUND_TWICE if starts else NOT_FOUND
    return (places[starts[0]][0], places[starts[0] + len(wanted) - 1][1]), ""


def _aligned(source: str, mention: Place, whole: Translation) -> tuple[Place | None, str]:
    """Where the words of a mention went, if they stand together there and alone; or why not."""
    places, goals = _words(source), _words(whole.text)
    own = {word for word, (begin, end) in enumerate(places) if begin < mention[1] and end > mention[0]}
    links = [(one, goal) for one, goal in whole.links or () if goal < len(goals)]
    went = {goal for one, goal in links if one in own}
    if not went:
        return None, NOT_FOUND
    first, last = min(went), max(went)
    # A word between them that comes from nowhere, such as an article, belongs to them.
    if any(first <= goal <= last and one not in own for one, goal in links):
        return None, SCATTERED
    begin, end = goals[first][0], goals[last][1]
    kept = list(words(whole.text[begin:end]))  # without the comma behind it
    return ((begin + kept[0][0], begin + kept[-1][1]), "") if kept else (None, EMPTY)


def _words(text: str) -> list[Place]:
    """Words as white space separates them."""
    places, begin = [], 0
    for word in text.split():
        begin = text.index(word, begin)
        places.append((begin, begin + len(word)))
        begin += len(word)
    return places
