"""Short forms become names of what they mean, where a bundle says which concept that is, and of nothing else."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker import Linker, Mention, Options
from linker.records import NilReason, RerankMode
from linker.surface import normalise
from ontologies.abbreviations import SHIPPED, SOURCE, Expander, Meaning, read_abbreviations, read_lists
from ontologies.build import build
from ontologies.collecting import collect
from ontologies.errors import SourceError
from ontologies.readers.tabular import read_tabular
from ontologies.records import Concept, Name, Release, Source, TermType
from ontologies.starter import ENCODER

NAMES = (
    Name(concept_id="X:1", name="Hypertension", language="en", term_type=TermType.PREFERRED),
    Name(concept_id="X:2", name="hypertension", language="en"),  # a synonym: X:1 is what is called so first
    Name(concept_id="X:3", name="Pulmonary embolism", language="en-GB", term_type=TermType.PREFERRED),
    Name(concept_id="X:4", name="Physical examination", language="en", term_type=TermType.PREFERRED),
    Name(concept_id="X:5", name="embolia pulmonar", language="es", term_type=TermType.PREFERRED),
    Name(concept_id="X:6", name="stroke", language="en", term_type=TermType.RELATED),
    Name(concept_id="X:6", name="brain event", language="en", term_type=TermType.PREFERRED),
    Name(concept_id="X:7", name="MS", language="en"),
    Name(concept_id="X:8", name="multiple sclerosis", language="en", term_type=TermType.PREFERRED),
)


def write(path: Path, *lines: str) -> Path:
    path.write_text("# ours\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def short_forms(path: Path, names: Sequence[Name] = NAMES) -> set[tuple[str, str, str]]:
    """(short form, concept, term type) of the names that a list adds."""
    concepts = [Concept(concept_id=one) for one in sorted({name.concept_id for name in names})]
    source = Source(path="t", releases=(Release(source="T"),), records=(*concepts, *names))
    tables = collect([source], abbreviations=[read_abbreviations(path)])
    of = tables.concepts["concept_id"].to_pylist()
    rows = tables.names.to_pylist()
    return {(row["name"], of[row["concept"]], row["term_type"]) for row in rows if row["source"] == SOURCE}


def test_a_short_form_is_a_related_name_of_what_prefers_to_be_called_so(tmp_path: Path) -> None:
    listed = write(tmp_path / "a.tsv", "HTN\thypertensive disorder | HYPERTENSION")
    assert short_forms(listed) == {("HTN", "X:1", "related")}


def test_a_short_form_of_several_meanings_is_a_name_of_each(tmp_path: Path) -> None:
    listed = write(tmp_path / "a.tsv", "PE\tpulmonary embolism", "PE\tphysical examination", "PE\tno such thing")
    assert short_forms(listed) == {("PE", "X:3", "related"), ("PE", "X:4", "related")}


def test_what_is_a_name_stays_whose_it_is(tmp_path: Path) -> None:
    assert not short_forms(write(tmp_path / "a.tsv", "ms\tmultiple sclerosis"))


def test_a_related_name_says_nothing(tmp_path: Path) -> None:
    assert not short_forms(write(tmp_path / "a.tsv", "CVA\tstroke"))


def test_a_list_of_a_language_looks_among_its_names() -> None:
    def found(language: str) -> list[str]:
        expander = Expander([Meaning("TEP", (normalise("embolia pulmonar"),), language, 1)])
        for name in NAMES:
            expander.see(name.concept_id, normalise(name.name), name.language, name.term_type.rank)
        return [name.concept_id for name in expander.names()]

    assert (found("es"), found("en"), found("")) == (["X:5"], [], ["X:5"])


@given(st.randoms(use_true_random=False))
def test_the_order_of_names_does_not_matter(chosen: random.Random) -> None:
    meanings = [Meaning("A", ("hypertension",), "", 1), Meaning("B", ("pulmonary embolism", "stroke"), "en", 2)]

    def names(order: Sequence[Name]) -> list[Name]:
        expander = Expander(meanings)
        for name in order:
            expander.see(name.concept_id, normalise(name.name), name.language, name.term_type.rank)
        return list(expander.names())

    assert names(chosen.sample(NAMES, len(NAMES))) == names(NAMES)
    assert {name.name for name in names(NAMES)} == {"A", "B"}


def test_ones_own_lists_go_before_those_that_are_shipped(tmp_path: Path) -> None:
    own, *shipped = read_lists([write(tmp_path / "a.tsv", "htn\thypotension")])
    assert [meaning.wordings for meaning in own.meanings] == [("hypotension",)]
    left = {meaning.short for one in shipped for meaning in one.meanings}
    assert "HTN" not in left
    assert "COPD" in left
    assert read_lists(shipped=False) == ()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_lists_that_are_shipped(path: Path) -> None:
    """Each meaning is told once, and is none of the words of another's short form; English and Spanish have a list."""
    meanings = read_abbreviations(path).meanings
    assert len({(meaning.short, meaning.wordings) for meaning in meanings}) == len(meanings) > 50
    assert not {normalise(meaning.short) for meaning in meanings} & {
        w for meaning in meanings for w in meaning.wordings
    }
    assert {"en", "es"} <= {one.stem for one in SHIPPED}


@pytest.mark.parametrize("line", ["HTN hypertension", "HTN\t", "\thypertension", "HTN\t | ", "--\thypertension"])
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(SourceError, match=r"a\.tsv:3: expected a short form, a tab, and names"):
        read_abbreviations(write(tmp_path / "a.tsv", line))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.tsv: cannot be read: No such file"):
        read_abbreviations(tmp_path / "a.tsv")
    (tmp_path / "a.tsv").write_bytes(b"HTN\t\xff")
    with pytest.raises(SourceError, match=r"a\.tsv: expected UTF-8"):
        read_abbreviations(tmp_path / "a.tsv")


def test_a_bundle_links_them_and_says_where_they_are_from(tmp_path: Path) -> None:
    terms = tmp_path / "terms.tsv"
    terms.write_text("concept_id\tname\nX:1\thypertension\nX:2\tpulmonary embolism\nX:3\tphysical examination\n")
    listed = write(tmp_path / "a.tsv", "HTN\thypertension", "PE\tpulmonary embolism", "PE\tphysical examination")
    build([read_tabular(terms, language="en")], tmp_path / "b", encoder=ENCODER, abbreviations=read_lists([listed]))
    linker = Linker.open(tmp_path / "b")
    htn, pe = linker.link([Mention("HTN"), Mention("PE")], Options(rerank=RerankMode.NEVER))
    assert htn.concept is not None
    assert (htn.concept.concept_id, htn.concept.matched_name) == ("X:1", "HTN")
    assert pe.nil_reason is NilReason.AMBIGUOUS
    assert {candidate.concept_id for candidate in pe.candidates[:2]} == {"X:2", "X:3"}
    assert SOURCE in {release["source"] for release in linker.bundle.manifest.releases}
