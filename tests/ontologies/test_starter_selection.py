"""What the starter keeps of its sources."""

from ontologies.records import Code, Concept, Name, Source, TermType
from ontologies.starter.selection import (
    with_codes_by_name,
    with_distinct_names,
    with_ingredient_names,
    with_known_codes,
    without_branches,
    without_fully_specified,
)


def source(*records):
    return Source(path="x", releases=(), records=records)


def test_branches_and_retired_concepts_go_with_all_that_is_said_of_them():
    given = source(
        Concept(concept_id="A:1"),
        Concept(concept_id="A:2", parents=("A:1",)),
        Concept(concept_id="A:3", parents=("A:2",)),
        Concept(concept_id="A:4", parents=("A:1", "A:5")),
        Concept(concept_id="A:5", retired=True),
        Name(concept_id="A:3", name="x"),
        Name(concept_id="A:4", name="y"),
    )
    kept, counts = without_branches(given, ["A:2"])
    assert kept.records == (
        Concept(concept_id="A:1"),
        Concept(concept_id="A:4", parents=("A:1",)),
        Name(concept_id="A:4", name="y"),
    )
    assert counts == {"A:2": 2, "retired": 1}


def test_codes_of_known_vocabularies_are_kept_when_they_name_one_concept():
    codes = [("ICD10CM", "E83.3"), ("ICD10CM", "A00-A09"), ("MedDRA", "1"), ("UMLS", "C0000001"), ("OMIM", "PS123456")]
    kept, counts = with_known_codes(source(*(Code(concept_id="A:1", system=s, code=c) for s, c in codes)))
    assert [code.code for code in kept.records] == ["E83.3", "C0000001", "PS123456"]
    assert counts == {"ICD10CM": 1, "MedDRA": 1}


def test_of_names_that_normalise_alike_the_best_type_and_casing_stays():
    spelled = [
        ("GREY COUGH", TermType.SYNONYM),
        ("Grey Cough", TermType.SYNONYM),
        ("grey cough", TermType.SYNONYM),
        ("Ash-lung", TermType.PREFERRED),
        ("ash lung", TermType.SYNONYM),
        ("---", TermType.SYNONYM),
        ("x" * 301, TermType.SYNONYM),
    ]
    kept, counts = with_distinct_names(source(*(Name(concept_id="A:1", name=n, term_type=t) for n, t in spelled)))
    assert [name.name for name in kept.records] == ["Ash-lung", "grey cough"]
    assert counts == {"same name again": 3, "punctuation only": 1, "too long": 1, "related name taken": 0}


def test_a_related_name_gives_way_to_another_concepts_exact_name():
    names = (Name(concept_id="A:1", name="Skin"), Name(concept_id="A:2", name="skin", term_type=TermType.RELATED))
    kept, _ = with_distinct_names(source(*names))
    assert kept.records == names[:1]


def _named(concept_id, name, *types):
    return (
        Concept(concept_id=concept_id, semantic_types=types),
        Name(concept_id=concept_id, name=name, term_type=TermType.PREFERRED),
    )


def test_a_disease_gets_the_code_of_the_one_disorder_of_its_name():
    primary = source(
        *_named("P:1", "Grey cough", "disorder"),
        *_named("P:2", "Grey ear", "finding"),
        *_named("P:3", "Twin", "disorder"),
        *_named("P:4", "Twin", "disorder"),
    )
    mine = source(
        *_named("S:1", "grey-cough", "disease"),
        *_named("S:2", "Grey ear", "disease"),
        *_named("S:3", "twin", "disease"),
    )
    given, count = with_codes_by_name(mine, primary, system="P", semantic_type="disorder")
    assert count == 1
    assert [(r.concept_id, r.system, r.code) for r in given.records if isinstance(r, Code)] == [("S:1", "P", "1")]


def test_fully_specified_names_are_left_out():
    tagged = Name(concept_id="A:1", name="Grey cough (disorder)", term_type=TermType.FULLY_SPECIFIED)
    plain = Name(concept_id="A:1", name="Grey cough", term_type=TermType.PREFERRED)
    assert without_fully_specified(source(tagged, plain)).records == (plain,)


def test_a_product_goes_by_its_ingredient_too():
    records = (
        *_named("A:1", "Product containing greyol", "medicinal product"),
        *_named("A:2", "Product containing only greyol", "medicinal product"),
        *_named("A:3", "Product containing blackol", "product"),
    )
    kept, count = with_ingredient_names(source(*records))
    assert count == 1
    assert kept.records[len(records) :] == (Name(concept_id="A:1", name="greyol", term_type=TermType.RELATED),)
