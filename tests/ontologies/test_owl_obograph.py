"""OWL and OBO graphs: the same ontology reads the same from either, and from OBO; each way a file can be wrong."""

import gzip
import json
import lzma
from xml.sax.saxutils import escape

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ontologies.errors import SourceError
from ontologies.readers import read
from ontologies.readers.obo import read_obo
from ontologies.readers.obograph import read_obograph
from ontologies.readers.options import Options
from ontologies.readers.owl import read_owl
from ontologies.records import Code, Concept, Name, Replacement, TermType

HEADER = """<?xml version="1.0"?>
<rdf:RDF xml:base="http://purl.obolibrary.org/obo/sx.owl"
  xmlns:obo="http://purl.obolibrary.org/obo/" xmlns:owl="http://www.w3.org/2002/07/owl#"
  xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#"
  xmlns:skos="http://www.w3.org/2004/02/skos/core#" xmlns:terms="http://purl.org/dc/terms/"
  xmlns:oboInOwl="http://www.geneontology.org/formats/oboInOwl#">
<owl:Ontology rdf:about="http://purl.obolibrary.org/obo/sx.owl">
  <owl:versionIRI rdf:resource="http://purl.obolibrary.org/obo/sx/releases/2026-07-30/sx.owl"/>
  <terms:license rdf:resource="https://creativecommons.org/licenses/by/4.0/"/>
  <oboInOwl:default-namespace>signs</oboInOwl:default-namespace>
</owl:Ontology>
"""
SX = "http://purl.obolibrary.org/obo/SX_"
FEVER = f"""<owl:Class rdf:about="{SX}1">
  <rdfs:subClassOf rdf:resource="{SX}2"/>
  <rdfs:subClassOf><owl:Restriction><owl:someValuesFrom rdf:resource="{SX}9"/></owl:Restriction></rdfs:subClassOf>
  <obo:IAO_0000115>A raised &lt;temperature&gt;.</obo:IAO_0000115>
  <oboInOwl:hasAlternativeId>SX:99</oboInOwl:hasAlternativeId>
  <oboInOwl:hasDbXref>UMLS_CUI:C0015967</oboInOwl:hasDbXref>
  <oboInOwl:hasDbXref>url:http://example.org/fever</oboInOwl:hasDbXref>
  <oboInOwl:hasDbXref>https://example.org/wiki/Fever_2</oboInOwl:hasDbXref>
  <oboInOwl:hasBroadSynonym>heat</oboInOwl:hasBroadSynonym>
  <oboInOwl:hasExactSynonym>pyrexia</oboInOwl:hasExactSynonym>
  <oboInOwl:hasOBONamespace>findings</oboInOwl:hasOBONamespace>
  <skos:exactMatch rdf:resource="http://identifiers.org/mesh/D005334"/>
  <rdfs:label xml:lang="en">fever</rdfs:label>
  <rdfs:label xml:lang="es">fiebre</rdfs:label>
  <rdfs:label xml:lang="es">calentura</rdfs:label>
</owl:Class>
"""
OTHERS = f"""<owl:Axiom>
  <owl:annotatedSource rdf:resource="{SX}1"/><oboInOwl:hasDbXref>A:1</oboInOwl:hasDbXref>
</owl:Axiom>
<owl:Class rdf:about="{SX}2"><rdfs:label>sign</rdfs:label></owl:Class>
<owl:Class rdf:about="{SX}9"/>
<owl:Class rdf:about="{SX}3">
  <owl:deprecated rdf:datatype="http://www.w3.org/2001/XMLSchema#boolean">true</owl:deprecated>
  <rdfs:label>obsolete ague</rdfs:label>
  <obo:IAO_0100001 rdf:resource="{SX}1"/>
  <oboInOwl:consider>SX:2</oboInOwl:consider>
</owl:Class>
<owl:Class rdf:about="{SX}99">
  <owl:deprecated>true</owl:deprecated><obo:IAO_0100001 rdf:resource="{SX}1"/>
</owl:Class>
<rdf:Description rdf:about="#SX_4">
  <rdf:type rdf:resource="http://www.w3.org/2002/07/owl#Class"/><rdfs:label>chill</rdfs:label>
</rdf:Description>
"""
END = "</rdf:RDF>\n"


def owl(tmp_path, body=FEVER + OTHERS, header=HEADER, name="sx.owl"):
    path = tmp_path / name
    path.write_text(header + body + END, encoding="utf-8")
    return path


def node(number, label, **meta):
    return {"id": f"{SX}{number}", "type": "CLASS", "lbl": label, "meta": meta}


def graph(*nodes, edges=(), **fields):
    edges = [{"sub": f"{SX}{sub}", "pred": "is_a", "obj": f"{SX}{obj}"} for sub, obj in edges]
    return {"graphs": [{"nodes": list(nodes), "edges": edges, "id": f"{SX[:-3]}sx.owl", **fields}]}


def written(tmp_path, document, name="sx.json"):
    path = tmp_path / name
    path.write_text(document if isinstance(document, str) else json.dumps(document, indent=1), encoding="utf-8")
    return path


def told(source, kind):
    return [record for record in source.records if isinstance(record, kind)]


def test_owl_concepts(tmp_path):
    concepts = {c.concept_id: c for c in told(read_owl(owl(tmp_path), Options()), Concept)}
    assert list(concepts) == ["SX:1", "SX:2", "SX:3", "SX:4"]
    fever = concepts["SX:1"]
    assert (fever.definition, fever.parents, fever.semantic_types, fever.line) == (
        "A raised <temperature>.",
        ("SX:2",),
        ("findings",),
        12,
    )
    assert concepts["SX:2"].semantic_types == ("signs",)
    assert [c.concept_id for c in concepts.values() if c.retired] == ["SX:3"]


def test_owl_names_keep_their_language_and_one_is_preferred_in_each(tmp_path):
    names = told(read_owl(owl(tmp_path, FEVER), Options(language="en-GB")), Name)
    assert [(n.name, n.language, n.term_type) for n in names] == [
        ("fever", "en", TermType.PREFERRED),
        ("fiebre", "es", TermType.PREFERRED),
        ("calentura", "es", TermType.SYNONYM),
        ("pyrexia", "en-GB", TermType.SYNONYM),
        ("heat", "en-GB", TermType.RELATED),
    ]


def test_only_the_languages_asked_for(tmp_path):
    path = owl(tmp_path)
    assert [n.name for n in told(read_owl(path, Options(languages=("es",))), Name)] == ["fiebre", "calentura"]
    assert [c.concept_id for c in told(read_owl(path, Options(languages=("es",))), Concept)] == ["SX:1"]


def test_owl_codes_are_concepts_of_vocabularies_and_no_web_pages(tmp_path):
    codes = told(read_owl(owl(tmp_path), Options()), Code)
    assert [(c.system, c.code, c.relation) for c in codes] == [
        ("UMLS", "C0015967", "oboInOwl:hasDbXref"),
        ("MESH", "D005334", "skos:exactMatch"),
    ]


def test_owl_replacements(tmp_path):
    replacements = told(read_owl(owl(tmp_path), Options()), Replacement)
    assert [(r.concept_id, r.relation, r.replaced_by) for r in replacements] == [
        ("SX:99", "alt_id", "SX:1"),
        ("SX:3", "replaced_by", "SX:1"),
        ("SX:3", "consider", "SX:2"),
        ("SX:99", "replaced_by", "SX:1"),
    ]


def test_the_release(tmp_path):
    (release,) = read_owl(owl(tmp_path), Options()).releases
    assert (release.source, release.date, release.licence) == ("SX", "2026-07-30", "CC-BY-4.0")
    assert release.version.endswith("2026-07-30/sx.owl")


def test_other_ontologies_classes_are_left_out_where_the_prefix_is_asked_for(tmp_path):
    other = f"{SX[:-3]}HP_1"
    imported = f'<owl:Class rdf:about="{other}"><rdfs:label>x</rdfs:label></owl:Class>'
    says = f'<rdfs:label>y</rdfs:label><rdfs:subClassOf rdf:resource="{other}"/>'
    child = f'<owl:Class rdf:about="{SX}5">{says}</owl:Class>'
    path = owl(tmp_path, imported + child)
    assert [c.concept_id for c in told(read_owl(path, Options()), Concept)] == ["HP:1", "SX:5"]
    (only,) = told(read_owl(path, Options(sources=("SX",))), Concept)
    assert (only.concept_id, only.parents) == ("SX:5", ())


def test_abbreviated_namespaces_are_expanded(tmp_path):
    header = HEADER.replace(
        "<rdf:RDF", '<!DOCTYPE rdf:RDF [ <!ENTITY sx "http://purl.obolibrary.org/obo/SX_" >]>\n<rdf:RDF', 1
    )
    path = owl(tmp_path, '<owl:Class rdf:about="&sx;7"><rdfs:label>x</rdfs:label></owl:Class>', header)
    assert [c.concept_id for c in told(read(path), Concept)] == ["SX:7"]


LAUGHS = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))


@pytest.mark.parametrize(
    ("subset", "message"),
    [
        (f'<!ENTITY l0 "ha">{LAUGHS}', "entity 'l1'"),
        ('<!ENTITY x SYSTEM "file:///etc/passwd">', "entity 'x'"),
        (f'<!ENTITY x "{"a" * 300}">', "entity 'x'"),
        ('<!ENTITY % x "a">', "entity 'x'"),
    ],
)
def test_entities_that_could_grow_or_fetch_are_refused(tmp_path, subset, message):
    header = HEADER.replace("<rdf:RDF", f"<!DOCTYPE rdf:RDF [{subset}]>\n<rdf:RDF", 1)
    with pytest.raises(SourceError, match=message) as caught:
        read_owl(owl(tmp_path, FEVER, header), Options())
    assert caught.value.line == 2


def test_what_is_not_well_formed_is_named_by_its_line(tmp_path):
    path = owl(tmp_path, FEVER.replace("</rdfs:label>", "</label>", 1))
    with pytest.raises(SourceError, match="well-formed XML, got mismatched tag") as caught:
        list(read_owl(path, Options()).records)
    assert caught.value.line == 24


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + END, "at least one owl:Class"),
        ("<Ontology><Declaration/></Ontology>", "expected rdf:RDF"),
        ("", "no element found"),
        (HEADER + FEVER, "no element found"),
    ],
)
def test_what_is_no_owl(tmp_path, text, message):
    path = tmp_path / "x.owl"
    path.write_text(text)
    with pytest.raises(SourceError, match=message):
        list(read_owl(path, Options()).records)


def pack_zst(content):
    return pa.compress(content, codec="zstd", asbytes=True)


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("xz", lzma.compress), ("zst", pack_zst)])
def test_the_same_file_compressed(tmp_path, suffix, pack):
    for plain in (owl(tmp_path), written(tmp_path, graph(node(1, "fever"), node(2, "sign"), edges=[(1, 2)]))):
        packed = tmp_path / f"{plain.name}.{suffix}"
        packed.write_bytes(pack(plain.read_bytes()))
        assert list(read(packed).records) == list(read(plain).records)
        packed.write_bytes(pack(plain.read_bytes() * 40)[:-20])
        with pytest.raises(SourceError):
            list(read(packed).records)


def test_a_node_with_all_that_it_can_have(tmp_path):
    prefix = "http://www.geneontology.org/formats/oboInOwl#"
    full = node(
        1,
        "fever",
        definition={"val": "A raised temperature."},
        synonyms=[{"pred": "hasExactSynonym", "val": "pyrexia"}, {"pred": "hasNarrowSynonym", "val": "night fever"}],
        xrefs=[{"val": "UMLS:C0015967"}, {"val": "http://example.org/fever"}],
        basicPropertyValues=[
            {"pred": f"{prefix}hasAlternativeId", "val": "SX:99"},
            {"pred": f"{prefix}hasOBONamespace", "val": "signs"},
        ],
    )
    meta = {"version": f"{SX[:-3]}sx/releases/2026-07-30/sx.owl"}
    gone = node(3, "obsolete ague", deprecated=True)
    prop = {"id": f"{SX}p", "type": "PROPERTY", "lbl": "part of"}
    source = read_obograph(
        written(tmp_path, graph(full, gone, prop, edges=[(1, 2)], meta=meta)), Options(language="en")
    )
    assert (source.releases[0].source, source.releases[0].date) == ("SX", "2026-07-30")
    assert list(source.records) == [
        Replacement(concept_id="SX:99", replaced_by="SX:1", relation="alt_id", line=5),
        Concept(
            concept_id="SX:1",
            semantic_types=("signs",),
            definition="A raised temperature.",
            parents=("SX:2",),
            line=5,
        ),
        Name(concept_id="SX:1", name="fever", language="en", term_type=TermType.PREFERRED, line=5),
        Name(concept_id="SX:1", name="pyrexia", language="en", line=5),
        Name(concept_id="SX:1", name="night fever", language="en", term_type=TermType.RELATED, line=5),
        Code(concept_id="SX:1", system="UMLS", code="C0015967", relation="oboInOwl:hasDbXref", line=5),
        Concept(concept_id="SX:3", retired=True, line=43),
        Name(concept_id="SX:3", name="obsolete ague", language="en", term_type=TermType.PREFERRED, line=43),
    ]


@pytest.mark.parametrize(
    ("document", "field", "message"),
    [
        (graph({"type": "CLASS", "lbl": "x"}), "graphs[0].nodes[0].id", "expected a text"),
        (graph(node(1, 7)), "graphs[0].nodes[0].lbl", "expected a text"),
        (graph(node(1, "x"), node(1, "y")), "graphs[0].nodes[1].id", "SX_1 on line"),
        (graph(node(1, "x", synonyms=[{"val": "y"}])), "graphs[0].nodes[0].meta.synonyms[0].pred", "expected a text"),
        (graph(node(1, "x", synonyms={"a": 1})), "graphs[0].nodes[0].meta.synonyms", "expected an array"),
        (graph(node(1, "x"), "y"), "graphs[0].nodes[1]", "expected an object"),
        (graph(), "graphs", "at least one node"),
        ({"graphs": []}, "graphs", "at least one node"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(tmp_path, document, field, message):
    path = written(tmp_path, document)
    with pytest.raises(SourceError, match=message) as caught:
        list(read_obograph(path, Options()).records)
    assert (caught.value.path, caught.value.field) == (str(path), field)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"graphs": [\n{"nodes": [\n{"id": }]}]}', 3),
        ('{"graphs": [\n{"nodes": [\n{"id": "a"}', 3),
        ('{"graphs": []}\n{}', 2),
        ('{"graphs": [\n]', 2),
        ("", 1),
    ],
)
def test_what_is_not_json_is_named_by_its_line(tmp_path, text, line):
    with pytest.raises(SourceError, match="expected") as caught:
        read_obograph(written(tmp_path, text), Options())
    assert caught.value.line == line


def test_what_is_not_utf8_is_named_by_its_line(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b'{"graphs": [\n{"id": "\xff"}]}')
    with pytest.raises(SourceError, match="0xff") as caught:
        read_obograph(path, Options())
    assert caught.value.line == 2


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Co", "Cn")), min_size=1, max_size=20)
TEXT = TEXT.map(str.strip).filter(bool).filter(lambda text: not text.endswith("\\") and ":" not in text)
ESCAPES = str.maketrans({char: "\\" + char for char in '\\"{}[]!,:()'})
TERMS = st.lists(st.tuples(TEXT, st.lists(TEXT, max_size=3, unique=True), st.booleans()), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(TERMS)
def test_one_ontology_reads_the_same_from_each_of_its_serialisations(tmp_path_factory, terms):
    folder = tmp_path_factory.mktemp("same")
    obo, classes, nodes = ["format-version: 1.4"], [], []
    for i, (name, synonyms, gone) in enumerate(terms):
        others = [synonym for synonym in synonyms if synonym != name]
        obo += ["", "[Term]", f"id: SX:{i}", f"name: {name.translate(ESCAPES)}"]
        obo += [f'synonym: "{synonym.translate(ESCAPES)}" EXACT []' for synonym in others]
        obo += [f"alt_id: SX:{i}0000", *(["is_a: SX:0"] if i else []), *(["is_obsolete: true"] if gone else [])]
        body = f"<rdfs:label>{escape(name)}</rdfs:label>"
        body += "".join(f"<oboInOwl:hasExactSynonym>{escape(s)}</oboInOwl:hasExactSynonym>" for s in others)
        body += f"<oboInOwl:hasAlternativeId>SX:{i}0000</oboInOwl:hasAlternativeId>"
        body += f'<rdfs:subClassOf rdf:resource="{SX}0"/>' if i else ""
        body += "<owl:deprecated>true</owl:deprecated>" if gone else ""
        classes.append(f'<owl:Class rdf:about="{SX}{i}">{body}</owl:Class>')
        alternative = {"pred": "http://www.geneontology.org/formats/oboInOwl#hasAlternativeId", "val": f"SX:{i}0000"}
        exact = [{"pred": "hasExactSynonym", "val": synonym} for synonym in others]
        nodes.append(node(i, name, synonyms=exact, basicPropertyValues=[alternative], deprecated=gone))
    header = HEADER.replace("<oboInOwl:default-namespace>signs</oboInOwl:default-namespace>", "")
    sources = [
        read_owl(owl(folder, "".join(classes), header), Options()),
        read_obograph(written(folder, graph(*nodes, edges=[(i, 0) for i in range(1, len(terms))])), Options()),
        read_obo(written(folder, "\n".join([*obo, ""]), "sx.obo")),
    ]
    first, second, third = ({_without_line(record) for record in source.records} for source in sources)
    assert first == second == third


def _without_line(record):
    return tuple((name, getattr(record, name)) for name in record.__slots__ if name != "line")
