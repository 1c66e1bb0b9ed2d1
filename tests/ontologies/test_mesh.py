"""MeSH in XML and in ASCII: records become concepts, tree numbers their hierarchy, in either format alike."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ontologies.errors import SourceError
from ontologies.readers import read
from ontologies.readers.mesh import read_mesh_xml
from ontologies.readers.mesh_ascii import read_mesh_ascii
from ontologies.readers.options import Options, Problems
from ontologies.records import Code, Concept, Name, TermType

DTD = (
    '<!DOCTYPE DescriptorRecordSet SYSTEM "https://www.nlm.nih.gov/databases/dtd/nlmdescriptorrecordset_20260101.dtd">'
)
HEAD = f'<?xml version="1.0"?>\n{DTD}\n<DescriptorRecordSet LanguageCode = "eng">\n'
END = "</DescriptorRecordSet>\n"


def term(text, *, preferred=False, permuted=False, ui="T1"):
    flags = f'IsPermutedTermYN="{"Y" if permuted else "N"}" RecordPreferredTermYN="{"Y" if preferred else "N"}"'
    return f'<Term ConceptPreferredTermYN="N" {flags}><TermUI>{ui}</TermUI><String>{text}</String></Term>'


def concept(*terms, preferred=True, rest=""):
    yes = "Y" if preferred else "N"
    return f'<Concept PreferredConceptYN="{yes}">{rest}<TermList>{"".join(terms)}</TermList></Concept>'


def descriptor(ui, *concepts, trees=(), name="name"):
    numbers = "".join(f"<TreeNumber>{number}</TreeNumber>" for number in trees)
    return (
        f'<DescriptorRecord DescriptorClass = "1"><DescriptorUI>{ui}</DescriptorUI>\n'
        f"<DescriptorName><String>{name}</String></DescriptorName><TreeNumberList>{numbers}</TreeNumberList>"
        f"<ConceptList>{''.join(concepts)}</ConceptList></DescriptorRecord>\n"
    )


FEVER = descriptor(
    "D1",
    concept(
        term("Fever, High", preferred=True),
        term("High Fever", permuted=True),
        term("Pyrexia &amp; Heat"),
        rest="<ScopeNote>\n  A raised temperature.\n</ScopeNote><RegistryNumber>37H9VM9WZL</RegistryNumber>",
    ),
    concept(term("Night Fever"), preferred=False, rest="<RegistryNumber>EC 1.1.1.1</RegistryNumber>"),
    trees=("C23.888", "C01"),
)
SIGNS = descriptor("D2", concept(term("Signs", preferred=True)), trees=("C23",))


def written(tmp_path, text, name="desc2026.xml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def told(source, kind):
    return [record for record in source.records if isinstance(record, kind)]


def test_a_descriptor(tmp_path):
    source = read(written(tmp_path, HEAD + FEVER + SIGNS + END))
    assert list(source.records) == [
        Concept(concept_id="MESH:D1", semantic_types=("Diseases",), definition="A raised temperature.", line=4),
        Name(concept_id="MESH:D1", name="Fever, High", language="en", term_type=TermType.PREFERRED, line=4),
        Name(concept_id="MESH:D1", name="High Fever", language="en", line=4),
        Name(concept_id="MESH:D1", name="Pyrexia & Heat", language="en", line=4),
        Name(concept_id="MESH:D1", name="Night Fever", language="en", term_type=TermType.RELATED, line=4),
        Code(concept_id="MESH:D1", system="UNII", code="37H9VM9WZL", line=4),
        Concept(concept_id="MESH:D2", semantic_types=("Diseases",), line=8),
        Name(concept_id="MESH:D2", name="Signs", language="en", term_type=TermType.PREFERRED, line=8),
        Concept(concept_id="MESH:D1", parents=("MESH:D2",), line=4),
    ]
    (release,) = source.releases
    assert (release.source, release.version, release.date) == ("MESH", "2026", "2026-01-01")


SUPPLEMENT = """<?xml version="1.0"?>
<SupplementalRecordSet LanguageCode = "eng">
<SupplementalRecord SCRClass = "3">
<SupplementalRecordUI>C9</SupplementalRecordUI>
<SupplementalRecordName><String>Ward fever</String></SupplementalRecordName>
<Note>seen on wards</Note>
<HeadingMappedToList>
<HeadingMappedTo><DescriptorReferredTo><DescriptorUI>*D1</DescriptorUI></DescriptorReferredTo></HeadingMappedTo>
<HeadingMappedTo><DescriptorReferredTo><DescriptorUI>D2</DescriptorUI></DescriptorReferredTo></HeadingMappedTo>
</HeadingMappedToList>
</SupplementalRecord>
</SupplementalRecordSet>
"""


def test_a_supplementary_record_is_mapped_to_descriptors(tmp_path):
    assert list(read(written(tmp_path, SUPPLEMENT, "supp2026.xml")).records) == [
        Concept(concept_id="MESH:C9", semantic_types=("Diseases",), definition="seen on wards", line=3),
        Name(concept_id="MESH:C9", name="Ward fever", language="en", term_type=TermType.PREFERRED, line=3),
        Code(concept_id="MESH:C9", system="MESH", code="D1", relation="meshv:preferredMappedTo", line=3),
        Code(concept_id="MESH:C9", system="MESH", code="D2", relation="meshv:mappedTo", line=3),
    ]


def test_translations_mark_their_terms(tmp_path):
    head = HEAD.replace('"eng"', '"ger"')
    terms = (term("Fieber", preferred=True, ui="ger0001"), term("Pyrexie", ui="ger0002"), term("Ague", ui="eng3"))
    names = told(read_mesh_xml(written(tmp_path, head + descriptor("D1", concept(*terms)) + END), Options()), Name)
    assert [(n.name, n.language) for n in names] == [("Fieber", "de"), ("Pyrexie", "de"), ("Ague", "en")]
    inserm = term("x", preferred=True).replace(
        "<String>x</String>", "<StringFR>Fièvre</StringFR><StringUS>Fever</StringUS>"
    )
    path = written(tmp_path, HEAD.replace('"eng"', '"fre"') + descriptor("D1", concept(inserm)) + END)
    assert [(n.name, n.language) for n in told(read_mesh_xml(path, Options()), Name)] == [
        ("Fièvre", "fr"),
        ("Fever", "en"),
    ]
    assert [n.name for n in told(read_mesh_xml(path, Options(languages=("fr",))), Name)] == ["Fièvre"]


def test_only_the_categories_asked_for(tmp_path):
    drug = descriptor("D3", concept(term("Drug", preferred=True)), trees=("D02",))
    path = written(tmp_path, HEAD + FEVER + drug + SIGNS + END)
    assert {c.concept_id for c in told(read_mesh_xml(path, Options(semantic_types=("Diseases",))), Concept)} == {
        "MESH:D1",
        "MESH:D2",
    }


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (HEAD + END, None, "expected DescriptorRecordSet or SupplementalRecordSet, got an empty document"),
        ("<a><b/></a>", None, "got a"),
        (HEAD + FEVER, 8, "no element found"),
        (HEAD + FEVER + FEVER + END, 8, "D1 on line 4 and here"),
        (HEAD + descriptor("", concept(term("x"))) + END, 4, "an id such as D005334"),
        (HEAD + descriptor("D1", name="") + END, 4, "expected a name for D1"),
        (HEAD + descriptor("D1", concept(term("x")), trees=("C01.9",)) + END, 4, "tree number C01, above D1"),
        (HEAD + descriptor("D1", concept(term("&x;"))) + END, 5, "entity &x;"),
        (HEAD.replace('.dtd">', ".dtd\" [<!ENTITY x SYSTEM 'a'>]>") + FEVER + END, 2, "entity 'x'"),
    ],
)
def test_bad_mesh(tmp_path, text, line, message):
    path = written(tmp_path, text)
    with pytest.raises(SourceError, match=message) as caught:
        list(read_mesh_xml(path, Options()).records)
    assert (caught.value.path, caught.value.line) == (str(path), line)


def test_lenient_leaves_out_and_counts_bad_records(tmp_path):
    problems = Problems(lenient=True)
    bad = FEVER + descriptor("", concept(term("x"))) + descriptor("D7", name="")
    path = written(tmp_path, HEAD + FEVER + bad + END)
    concepts = told(read_mesh_xml(path, Options(problems=problems)), Concept)
    assert {c.concept_id for c in concepts} == {"MESH:D1"}
    assert problems.counts == {
        "repeated records": 1,
        "records without an id": 1,
        "records without a name": 1,
        "tree numbers with nothing above them": 1,
    }


ASCII = """
*NEWRECORD
RECTYPE = D
MH = Fever, High
PRINT ENTRY = Night Fever|T184|NON|NRW|NLM (1999)|990101|abcdef
ENTRY = High Fever
ENTRY = Pyrexia|T184|T033|NON|EQV|NLM (1999)|990101|abbcdef
MN = C23.888
RN = 37H9VM9WZL
MS = A raised temperature.
UI = D1

*NEWRECORD
RECTYPE = D
MH = Signs
MN = C23
UI = D2

*NEWRECORD
RECTYPE = Q
SH = nursing
UI = Q1
"""


def test_ascii(tmp_path):
    source = read(written(tmp_path, ASCII.lstrip(), "d2026.bin"))
    assert source.releases[0].version == "2026"
    assert list(source.records) == [
        Concept(concept_id="MESH:D1", semantic_types=("Diseases",), definition="A raised temperature.", line=1),
        Name(concept_id="MESH:D1", name="Fever, High", language="en", term_type=TermType.PREFERRED, line=1),
        Name(concept_id="MESH:D1", name="High Fever", language="en", line=1),
        Name(concept_id="MESH:D1", name="Pyrexia", language="en", line=1),
        Name(concept_id="MESH:D1", name="Night Fever", language="en", term_type=TermType.RELATED, line=1),
        Code(concept_id="MESH:D1", system="UNII", code="37H9VM9WZL", line=1),
        Concept(concept_id="MESH:D2", semantic_types=("Diseases",), line=12),
        Name(concept_id="MESH:D2", name="Signs", language="en", term_type=TermType.PREFERRED, line=12),
        Concept(concept_id="MESH:D1", parents=("MESH:D2",), line=1),
    ]


def test_ascii_supplementary_records(tmp_path):
    text = "*NEWRECORD\nRECTYPE = C\nNM = bevonium\nSY = bevonium salt|NRW|x\nUI = C000002\n"
    names = told(read_mesh_ascii(written(tmp_path, text, "c2026.bin"), Options()), Name)
    assert [(n.concept_id, n.name, n.term_type) for n in names] == [
        ("MESH:C000002", "bevonium", TermType.PREFERRED),
        ("MESH:C000002", "bevonium salt", TermType.RELATED),
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("*NEWRECORD\nRECTYPE = D\nMH = x\n", 1, "expected the id"),
        ("*NEWRECORD\nRECTYPE = D\nUI = D1\n", 1, "expected a name for D1"),
        ("*NEWRECORD\nRECTYPE = D\nMH: x\n", 3, "expected ELEMENT = value"),
        ("MH = x\n", 1, "expected ELEMENT = value"),
        ("*NEWRECORD\nRECTYPE = Q\nUI = Q1\n", None, "at least one record"),
        (f"{ASCII}{ASCII}", 24, "D1 on line 2 and here"),
    ],
)
def test_bad_ascii(tmp_path, text, line, message):
    path = written(tmp_path, text, "d2026.bin")
    with pytest.raises(SourceError, match=message) as caught:
        list(read_mesh_ascii(path, Options()).records)
    assert caught.value.line == line


NUMBERS = st.lists(st.sampled_from("123"), max_size=4).map(lambda parts: ".".join(["C01", *parts]))


@settings(max_examples=30, deadline=None)
@given(st.sets(NUMBERS, max_size=12))
def test_the_parent_is_one_tree_number_up(tmp_path_factory, numbers):
    complete = sorted({number[:end] for number in numbers | {"C01"} for end in range(3, len(number) + 1, 2)})
    records = "".join(
        descriptor(f"D{i}", concept(term(number, preferred=True)), trees=(number,)) for i, number in enumerate(complete)
    )
    path = written(tmp_path_factory.mktemp("mesh"), HEAD + records + END)
    parents = {c.concept_id: c.parents for c in told(read_mesh_xml(path, Options()), Concept) if c.parents}
    assert parents == {
        f"MESH:D{i}": (f"MESH:D{complete.index(number[:-2])}",) for i, number in enumerate(complete) if number != "C01"
    }
