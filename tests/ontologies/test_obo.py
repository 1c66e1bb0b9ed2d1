"""`read_obo`: what each tag becomes, and each way a file can be wrong."""

import gzip
import hashlib
import lzma

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ontologies.collecting import collect
from ontologies.errors import SourceError
from ontologies.readers.obo import read_obo
from ontologies.records import Code, Concept, Name, Release, Replacement, TermType

DOCUMENT = r"""format-version: 1.4
data-version: releases/2026-07-30/sx.obo
date: 31:07:2026 20:10
default-namespace: signs
import: http://example.invalid/never-fetched.obo
ontology: sx/subsets/common
property_value: dc:rights "The Sign People" xsd:string
property_value: terms:license https://example.org/licence

! about fever
[Term]
id: SX:1
name: fever, \"high\" \{hot\}
def: "A raised temperature." [JA:Some Where Else, url:http\://example.org]
synonym: "pyrexia" EXACT []
synonym: "fever, \"high\" \{hot\}" EXACT [A:1 "so [it] says"]
synonym: "heat" BROAD signs:layperson [A b c]
! between two tags
synonym: "night fever" NARROW []
synonym: "chill" RELATED []
alt_id: SX:99
xref: UMLS_CUI:C0015967 {source="MONDO:equivalentTo"} ! Fever
xref: SNOMEDCT_US_2025_09_01:386661006 "Fever (finding)"
xref: Fyler:4000
xref: https://example.org/fever
is_a: SX:2 {source="SX:team"} ! sign
is_a: OTHER:7

[Term]
id: SX:2
name: sign
namespace: top

[Term]
id: SX:3
name: obsolete ague
is_obsolete: true
replaced_by: SX:1

[Typedef]
id: part_of
name: part of

[Instance]
id: SX:i
"""


def write(tmp_path, text, name="x.obo"):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def records(path, kind, **options):
    return [record for record in read_obo(path, **options).records if isinstance(record, kind)]


def term(*tags):
    return "\n".join(["format-version: 1.4", "", "[Term]", *tags, ""])


def failure(path):
    with pytest.raises(SourceError) as caught:
        list(read_obo(path).records)
    assert caught.value.path == str(path)
    return caught.value


def test_concepts(tmp_path):
    assert records(write(tmp_path, DOCUMENT), Concept) == [
        Concept(
            concept_id="SX:1",
            semantic_types=("signs",),
            definition="A raised temperature.",
            parents=("SX:2", "OTHER:7"),
            line=12,
        ),
        Concept(concept_id="SX:2", semantic_types=("top",), line=30),
        Concept(concept_id="SX:3", semantic_types=("signs",), retired=True, line=35),
    ]


def test_names_keep_the_order_of_the_file(tmp_path):
    kinds = TermType
    assert [(n.name, n.term_type, n.line, n.language) for n in records(write(tmp_path, DOCUMENT), Name)] == [
        ('fever, "high" {hot}', kinds.PREFERRED, 13, ""),
        ("pyrexia", kinds.SYNONYM, 15, ""),
        ("heat", kinds.RELATED, 17, ""),
        ("night fever", kinds.RELATED, 19, ""),
        ("chill", kinds.RELATED, 20, ""),
        ("sign", kinds.PREFERRED, 31, ""),
        ("obsolete ague", kinds.PREFERRED, 36, ""),
    ]


def test_the_language_is_the_callers(tmp_path):
    assert {name.language for name in records(write(tmp_path, DOCUMENT), Name, language="en")} == {"en"}


def test_codes(tmp_path):
    assert [(c.system, c.code, c.relation, c.line) for c in records(write(tmp_path, DOCUMENT), Code)] == [
        ("UMLS", "C0015967", "skos:exactMatch", 22),
        ("SNOMEDCT", "386661006", "oboInOwl:hasDbXref", 23),
        ("Fyler", "4000", "oboInOwl:hasDbXref", 24),
    ]


def test_release(tmp_path):
    path = write(tmp_path, DOCUMENT)
    (release,) = read_obo(path).releases
    assert release == Release(
        source="SX",
        version="releases/2026-07-30/sx.obo",
        date="2026-07-31",
        licence="https://example.org/licence",
        attribution="The Sign People",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def test_release_of_a_header_that_says_little(tmp_path):
    text = "format-version: 1.4\ndata-version: hp/releases/2026-02-16\n\n[Term]\nid: HP:1\nname: x\n"
    (release,) = read_obo(write(tmp_path, text, "hp.obo")).releases
    assert (release.source, release.date, release.licence) == ("HP", "2026-02-16", "")


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("x.obo.gz", gzip.compress),
        ("x.obo.xz", lzma.compress),
        ("x.obo", lambda text: text.replace(b"\n", b"\r\n")),
        ("x.obo", lambda text: b"\xef\xbb\xbf" + text),
    ],
)
def test_the_same_file_in_other_wrapping(tmp_path, name, pack):
    plain = list(read_obo(write(tmp_path, DOCUMENT, "plain.obo")).records)
    assert list(read_obo(write(tmp_path, pack(DOCUMENT.encode()), name)).records) == plain


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))).map(str.strip).filter(bool)
# fastobo 0.14 takes the quote after an escaped backslash for an escaped quote: "\\" does not parse.
TEXT = TEXT.filter(lambda text: not text.endswith("\\"))
ESCAPES = str.maketrans({char: "\\" + char for char in '\\"{}[]!,:()'})


@settings(max_examples=50)
@given(st.lists(st.tuples(TEXT, st.lists(TEXT, max_size=3), TEXT), min_size=1, max_size=5))
def test_what_is_written_is_read(tmp_path_factory, terms):
    lines = ["format-version: 1.4"]
    for number, (name, synonyms, definition) in enumerate(terms):
        lines += ["", "[Term]", f"id: T:{number}", f"name: {name.translate(ESCAPES)}"]
        lines += [f'def: "{definition.translate(ESCAPES)}" []']
        lines += [f'synonym: "{synonym.translate(ESCAPES)}" EXACT []' for synonym in synonyms]
    path = write(tmp_path_factory.getbasetemp(), "\n".join([*lines, ""]), "property.obo")
    assert [c.definition for c in records(path, Concept)] == [definition for _, _, definition in terms]
    assert [(n.concept_id, n.name) for n in records(path, Name)] == [
        (f"T:{number}", text)
        for number, (name, synonyms, _) in enumerate(terms)
        for text in [name, *(s for s in synonyms if s != name)]
    ]


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        (term("id: T:1", "name: x", 'synonym: "y" EXA'), 6, "synonym", "expected SynonymScope"),
        (term("id: T:1", "name: x", 'def: "never closed'), 6, "def", "expected"),
        (term("id: T:1", "name: x").rstrip("\n"), 5, "name", "expected EOL"),
        (term("id: T:1", "name: x", "namo: y"), 6, "namo", "TermClause"),
        (term("id: T:1", "name: x", 'def: "runs', 'on" []', "comment: c"), 6, None, "runs on over the next"),
        (term("id: T:1", "name: x", 'def: "runs', '[on" []'), 6, "def", "expected"),
        (term("name: x"), 4, "name", "expected"),
        (term("id: T:1", "name: x", "", "[Ter"), 7, "[Ter", "EntityFrame"),
        ("garbage\n\n[Term]\nid: T:1\nname: x\n", 1, "garbage", "HeaderClause"),
        (term("id: T:1", "name: x", "", "[Term]", "id: T:1", "name: x"), 8, "id", "T:1 on line 4 and here"),
        (term("id: T:1", "comment: no name"), 4, "name", "expected one name for T:1, got 0"),
        (term("id: T:1", "name: x", "name: y"), 6, "name", "expected one name for T:1, got 2"),
        (term("id: T:1", "name: x", 'synonym: " " EXACT []'), 6, "synonym", "empty"),
        (term("id: T:1", "name: café").encode("latin-1"), 5, None, "0xe9"),
        (b"\xff\xfe" + "format-version: 1.4\n".encode("utf-16-le"), 1, None, "UTF-8"),
        ("", None, None, "at least one"),
        ("format-version: 1.4\n", None, None, "at least one"),
        ("format-version: 1.4\n\n[Typedef]\nid: part_of\nname: part of\n", None, None, "at least one"),
    ],
)
def test_bad_input(tmp_path, text, line, field, message):
    error = failure(write(tmp_path, text))
    assert (error.line, error.field) == (line, field)
    assert message in str(error)


def test_a_truncated_archive(tmp_path):
    text = DOCUMENT * 50
    for name, packed in (("x.obo.gz", gzip.compress(text.encode())), ("x.obo.xz", lzma.compress(text.encode()))):
        error = failure(write(tmp_path, packed[:-20], name))
        assert error.line is not None
        assert "truncated" in str(error)


def test_not_a_file(tmp_path):
    assert "a directory" in str(failure(tmp_path))
    assert "no such file" in str(failure(tmp_path / "none.obo"))


def test_parents_are_checked_by_the_build(tmp_path):
    path = write(tmp_path, DOCUMENT)
    with pytest.raises(SourceError, match="OTHER:7") as caught:
        collect([read_obo(path)])
    assert (caught.value.path, caught.value.line) == (str(path), 12)


def test_replacements(tmp_path):
    text = DOCUMENT.replace("replaced_by: SX:1", "replaced_by: SX:1\nconsider: SX:2\nconsider: OTHER:7")
    assert records(write(tmp_path, text), Replacement) == [
        Replacement(concept_id="SX:99", replaced_by="SX:1", relation="alt_id", line=21),
        Replacement(concept_id="SX:3", replaced_by="SX:1", relation="replaced_by", line=38),
        Replacement(concept_id="SX:3", replaced_by="SX:2", relation="consider", line=39),
        Replacement(concept_id="SX:3", replaced_by="OTHER:7", relation="consider", line=40),
    ]


def test_skos_mappings_are_codes(tmp_path):
    text = term(
        "id: T:1",
        "name: x",
        'property_value: skos:broadMatch "ICD9:078.2" xsd:string',
        "property_value: skos:exactMatch http://identifiers.org/mesh/D005334",
        'property_value: note "MESH:D000001" xsd:string',
    )
    assert [(c.system, c.code, c.relation) for c in records(write(tmp_path, text), Code)] == [
        ("ICD9CM", "078.2", "skos:broadMatch"),
        ("MESH", "D005334", "skos:exactMatch"),
    ]
