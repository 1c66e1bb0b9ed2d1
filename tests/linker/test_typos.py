"""Names but for one letter: what is found again, and what is left alone."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from linker import Linker, MatchSource, NilReason, Options, RerankMode
from linker.surface import normalise
from linker.typos import FIRST_IN_DOUBT, LONGEST, SHORTEST, Vocabulary, word_hashes

WORDS = ["hypertension", "hypotension", "pulmonary", "astma", "asma", "cold", "año", "гипертония", "υπερταση"]
QUICK = Options(rerank=RerankMode.NEVER)
letters = st.sampled_from("abcdefghijklmnopqrstuvwxyzñ")


def vocabulary(*words: str) -> Vocabulary:
    return Vocabulary(np.unique(word_hashes(words)))


@st.composite
def slips(draw: st.DrawFn, word: str) -> str:
    """The word with one edit; the first letter stays where the word it makes may be too short for another."""
    first = 0 if len(word) > FIRST_IN_DOUBT else 1
    at = draw(st.integers(first, len(word) - 1))
    before, char, after = word[:at], word[at], word[at + 1 :]
    edited = [before + after, before + draw(letters) + char + after, before + draw(letters) + after]
    if after:
        edited.append(before + after[0] + char + after[1:])
    return draw(st.sampled_from(edited))


@given(st.data(), st.sampled_from(["hypertension", "pulmonary", "asthma", "femur"]))
def test_one_edit_is_undone(data: st.DataObject, word: str) -> None:
    slip = data.draw(slips(word))
    assume(len(slip) >= SHORTEST and slip != word)
    known = vocabulary(*WORDS, word, "acute")
    assert (f"acute {word}" in known.corrected(f"acute {slip}")) == (slip not in WORDS)


@given(st.text("abc", min_size=1, max_size=9), st.sets(st.text("abc", min_size=SHORTEST - 1, max_size=9), min_size=1))
def test_what_comes_is_one_edit_away_and_known(word: str, known: set[str]) -> None:
    found = vocabulary(*known).corrected(word)
    assert found == sorted(found)
    assert not (found and (word in known or len(word) < SHORTEST))
    for other in found:
        assert other in known
        assert distance(word, other) == 1


def distance(one: str, other: str) -> int:
    """Damerau's, of adjacent letters, by the recurrence (optimal string alignment)."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, start=1):
        rows.append([i])
        for j, b in enumerate(other, start=1):
            best = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                best = min(best, rows[i - 2][j - 2] + 1)
            rows[i].append(best)
    return rows[-1][-1]


def test_what_is_left_alone() -> None:
    known = vocabulary(*WORDS, "慢性阻塞性肺疾病", "hives", "2hypertension")
    assert known.corrected("pulmonary hypertension") == []
    assert known.corrected("pulmnary hypertnsion") == []  # two words amiss
    assert known.corrected("hypertnsion zzzzz") == []  # so are these
    assert known.corrected("colt") == []  # short
    assert known.corrected("3hypertension") == []  # no word
    assert known.corrected("慢性阻塞性肺病") == []  # a script without gaps
    assert known.corrected("lives") == []  # the first letter of a short word
    assert known.corrected("") == []
    assert vocabulary().corrected("hypertnsion") == []
    assert vocabulary("x" * LONGEST).corrected("x" * (LONGEST + 1)) == []


def test_other_alphabets() -> None:
    known = vocabulary(*WORDS)
    assert known.corrected("гипертоня") == ["гипертония"]
    assert known.corrected("υπερτσαη") == ["υπερταση"]
    assert vocabulary("infección").corrected("infceción") == ["infección"]


def first(linker: Linker, mention: str) -> list[tuple[str, str, MatchSource]]:
    return [(c.concept_id, c.matched_name, c.source) for c in linker.link([mention], QUICK)[0].candidates]


@given(st.data())
def test_a_name_with_a_slip_is_found_by_that_name(linker: Linker, data: st.DataObject) -> None:
    terminology = linker.bundle.terminology
    name = normalise(terminology.name(data.draw(st.integers(0, terminology.name_count - 1))))
    words = name.split()
    place = data.draw(st.integers(0, len(words) - 1))
    assume(len(words[place]) > SHORTEST and words[place].isalpha())
    known = {word for row in range(terminology.name_count) for word in normalise(terminology.name(row)).split()}
    words[place] = data.draw(slips(words[place]))
    slip = " ".join(words)
    assume(normalise(slip) == slip and words[place] not in known)
    meant = {int(terminology.concept_of_name[row]) for row in terminology.names_alike(name)}
    [link] = linker.link([slip], QUICK)
    found = [c for c in link.candidates if c.source is MatchSource.TYPO]
    assert list(link.candidates[: len(found)]) == found
    assert meant <= {c.concept for c in found}
    assert len({c.support for c in found}) == 1  # equals
    assert all(c.similarity <= 1 <= c.support for c in found)
    [exact] = linker.link([name], QUICK)
    assert exact.candidates[0].source is MatchSource.EXACT


@given(st.permutations(["Hypertnsion", "fracutre of femur", "heart attack", "asthmma", "", "zzz"]))
def test_a_mention_does_not_know_its_batch(linker: Linker, mentions: list[str]) -> None:
    together = linker.link(mentions, QUICK)
    assert together == [linker.link([mention], QUICK)[0] for mention in mentions]
    assert sum(link.candidates[0].source is MatchSource.TYPO for link in together if link.candidates) == 3


def test_several_names_a_letter_away_are_equals(linker: Linker) -> None:
    [link] = linker.link(["hyprtension"], QUICK)
    tied = [c for c in link.candidates if c.source is MatchSource.TYPO]
    assert [c.matched_name for c in tied] == ["Hypertension", "Hypotension"]
    assert tied[0].confidence == tied[1].confidence <= 0.5
    assert link.nil_reason is NilReason.AMBIGUOUS


def test_accents_may_be_missing_beside_a_slip(build_bundle) -> None:
    linker = build_bundle("concept_id\tname\nA:1\tinfección de neumonía\nA:2\tother\n")
    for mention in ("infección de neumonáa", "infeccion de neumonai", "infección de neumona"):
        assert first(linker, mention)[0] == ("A:1", "infección de neumonía", MatchSource.TYPO)


def test_names_may_all_be_short(build_bundle) -> None:
    linker = build_bundle("concept_id\tname\nA:1\tMI\nA:2\tflu\n")
    assert first(linker, "influenza")[0][2] is MatchSource.DENSE


def test_words_are_kept_in_order_and_once(linker: Linker) -> None:
    hashes = linker.bundle.terminology._vocabulary._hashes
    assert (np.diff(hashes.astype(np.int64)) > 0).all()
    assert not hashes.flags.owndata  # mapped


def test_permuted_mentions_of_one_name_are_no_typo(linker: Linker) -> None:
    for order in permutations(["diabetes", "mellitus", "type"]):
        assert all(source is not MatchSource.TYPO for *_, source in first(linker, " ".join(order)))
