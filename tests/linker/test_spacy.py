"""The spaCy component, in the process and against a server, on a pipeline without any trained model."""

from __future__ import annotations

import pickle
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

spacy = pytest.importorskip("spacy", reason="spaCy is not installed; it is in the extra `spacy`")

from spacy.tokens import Doc

from linker.annotation import Annotator
from linker.demo import serving
from linker.errors import BundleMismatch, InvalidInput
from linker.options import Options
from linker.pipeline import Linker
from linker.records import Link, Mention, NilReason
from linker.spacy import make_linker

TEXTS = ["Heart attack in 2019. Has asma, no MI.", "", "Nothing.", "Zzyzx and a heart attack."]
PATTERNS = [{"label": "DISEASE", "pattern": name} for name in ("Heart attack", "heart attack", "asma", "MI", "Zzyzx")]
MI = "CLINIC:0003"


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[str]:
    with serving(bundle) as address:
        yield address


@pytest.fixture(params=["bundle", "server"])
def config(request: pytest.FixtureRequest, bundle: Path) -> dict[str, Any]:
    """Both ways to link."""
    if request.param == "bundle":
        return {"bundle": str(bundle)}
    return {"server": request.getfixturevalue("server")}


def pipeline(config: dict[str, Any], *, sentences: bool = True) -> Any:
    nlp = spacy.blank("en")
    if sentences:
        nlp.add_pipe("sentencizer")
    nlp.add_pipe("entity_ruler").add_patterns(PATTERNS)
    nlp.add_pipe("linker", config=config)
    return nlp


def links(docs: list[Any]) -> list[list[Link]]:
    return [[entity._.linker for entity in doc.ents] for doc in docs]


def test_entities_become_concepts(config: dict[str, Any]) -> None:
    doc = pipeline(config)(TEXTS[0])
    attack, asthma, mi = doc.ents
    assert (attack.kb_id_, attack._.linker.concept.concept_id) == (MI, MI)
    assert attack._.linker.concept.confidence > 0.5
    assert asthma.kb_id_ == asthma._.linker.concept.concept_id
    assert (mi.kb_id_, mi._.linker.nil_reason) == ("NIL", NilReason.AMBIGUOUS)
    assert {candidate.concept_id for candidate in mi._.linker.candidates} >= {MI}
    assert doc[0:1]._.linker is None  # no entity


def test_the_same_alone_in_a_pipe_and_by_the_library(config: dict[str, Any], linker: Linker) -> None:
    nlp = pipeline(config)
    alone = links([nlp(text) for text in TEXTS])
    assert links(list(nlp.pipe(TEXTS, batch_size=3))) == alone
    mention = Mention("Heart attack", "Heart attack in 2019.", 0, 12)
    [expected] = linker.link([mention])
    assert [c.concept_id for c in alone[0][0].candidates] == [c.concept_id for c in expected.candidates]


def test_a_pipe_sends_many_docs_at_a_time(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, link = [], Linker.link

    def counted(self: Linker, mentions: Any, options: Options) -> list[Link]:
        sizes.append(len(mentions))
        return link(self, mentions, options)

    monkeypatch.setattr(Linker, "link", counted)
    list(pipeline({"bundle": str(bundle)}).pipe(TEXTS * 10, batch_size=20))
    assert sizes == [25, 25]


def test_the_context_is_the_sentence_or_a_window(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Mention] = []
    link = Linker.link
    monkeypatch.setattr(
        Linker, "link", lambda self, mentions, options: (seen.extend(mentions), link(self, mentions))[1]
    )
    pipeline({"bundle": str(bundle)})(TEXTS[0])
    assert [mention.context for mention in seen] == ["Heart attack in 2019.", "Has asma, no MI.", "Has asma, no MI."]
    seen.clear()
    pipeline({"bundle": str(bundle)}, sentences=False)("x " * 500 + "heart attack" + " y" * 500)
    pipeline({"bundle": str(bundle)})("x " * 5000 + "heart attack" + " y" * 5000)  # a sentence too long for a server
    for mention in seen:
        mention.check()
        assert len(mention.context) == 412


def test_options_and_labels(config: dict[str, Any]) -> None:
    doc = pipeline({**config, "top_k": 1, "semantic_types": ["finding"], "codes": ["DEMO"]})("heart attack")
    assert len(doc.ents[0]._.linker.candidates) == 1
    assert doc.ents[0].kb_id_ != MI
    doc = pipeline({**config, "labels": ["DRUG"]})("heart attack")
    assert (doc.ents[0].kb_id_, doc.ents[0]._.linker) == ("", None)


def test_an_entity_longer_than_a_mention_is_left_as_it_is(bundle: Path) -> None:
    nlp = pipeline({"bundle": str(bundle)})
    doc = nlp.make_doc("heart attack " + "x" * 1025)
    doc.ents = [spacy.tokens.Span(doc, 0, 2, "DISEASE"), spacy.tokens.Span(doc, 2, 3, "DISEASE")]
    short, long = nlp.get_pipe("linker")(doc).ents
    assert (short.kb_id_, long.kb_id_, long._.linker) == (MI, "", None)


def test_a_doc_keeps_its_links_when_it_is_saved(config: dict[str, Any]) -> None:
    nlp = pipeline(config)
    doc = nlp(TEXTS[0])
    [again] = spacy.tokens.DocBin(store_user_data=True, docs=[doc]).get_docs(nlp.vocab)
    for copy in (again, spacy.tokens.Doc(nlp.vocab).from_bytes(doc.to_bytes()), pickle.loads(pickle.dumps(doc))):
        assert links([copy]) == links([doc])
        assert [entity.kb_id_ for entity in copy.ents] == [entity.kb_id_ for entity in doc.ents]
    sentence = list(doc.sents)[1].as_doc(copy_user_data=True)
    assert [entity._.linker for entity in sentence.ents] == links([doc])[0][1:]


def test_a_saved_pipeline_links_as_before(config: dict[str, Any], tmp_path: Path) -> None:
    nlp = pipeline(config)
    nlp.to_disk(tmp_path / "saved")
    expected = links([nlp(text) for text in TEXTS])
    loaded = spacy.load(tmp_path / "saved")
    assert links(list(loaded.pipe(TEXTS))) == expected
    other = pipeline(config)  # spaCy's entity_ruler loses its patterns in bytes, so not the whole pipeline
    other.get_pipe("linker").from_bytes(nlp.get_pipe("linker").to_bytes())
    assert links(list(other.pipe(TEXTS))) == expected
    assert links(list(pickle.loads(pickle.dumps(nlp)).pipe(TEXTS))) == expected
    files = (tmp_path / "saved" / "linker").iterdir()
    assert [path.name for path in files] == ["linker.json"]  # by reference: no bundle in it


def test_another_bundle_is_refused(config: dict[str, Any], tmp_path: Path, build_bundle: Any) -> None:
    other = build_bundle("concept_id\tname\tlanguage\nCLINIC:0003\tMI\ten\n").bundle.path
    pipeline({"bundle": str(other)}).to_disk(tmp_path / "saved")
    changed = {f"components.linker.{key}": value for key, value in {"bundle": "", **config}.items()}
    with pytest.raises(BundleMismatch, match="digest|saved with the bundle"):
        spacy.load(tmp_path / "saved", config=changed)("heart attack")
    with pytest.raises(BundleMismatch, match="digest|saved with the bundle"):
        pipeline({**config, "digest": "0" * 64})("heart attack")


def test_a_pipeline_for_a_server_loads_without_one(server: str, tmp_path: Path) -> None:
    pipeline({"server": server}).to_disk(tmp_path / "saved")
    nlp = spacy.load(tmp_path / "saved", config={"components.linker.server": "127.0.0.1:1"})
    assert not nlp("Nothing to link.").ents


@pytest.mark.parametrize(
    ("config", "field"),
    [({"rerank": "sometimes"}, "rerank"), ({"top_k": 0}, "top_k"), ({"tls": {"password": "x"}}, "tls")],
)
def test_a_config_that_is_wrong(config: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        pipeline(config)
    assert raised.value.field == field


def test_spacy_finds_the_component_by_its_entry_point() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["spacy_factories"] == {"linker": f"{make_linker.__module__}:{make_linker.__name__}"}


def test_it_finds_entities_itself(config: dict[str, Any], linker: Linker) -> None:
    text = "FH: no heart attack \U0001f600. Type 1 or 2 diabetes mellitus, asma-like."
    nlp = spacy.blank("en")
    nlp.add_pipe("linker", config={**config, "detect": True, "top_k": 2})
    first, empty = nlp.pipe([text, ""])
    (expected,) = Annotator(linker).annotate([text], Options(top_k=2))
    found = first._.linker
    assert [(m.span, m.assertions, m.section) for m in found.mentions] == [
        (m.span, m.assertions, m.section) for m in expected.mentions
    ]
    assert [(entity.text, entity.label_, entity.kb_id_) for entity in first.ents] == [
        ("heart attack", "MENTION", MI),
        ("asma", "MENTION", "CLINIC:0015"),
    ]
    assert first.ents[0]._.linker.candidates == found.mentions[0].link.candidates
    assert found.mentions[0].assertions == {"negated", "family"}
    assert (empty.ents, empty._.linker.mentions) == ((), ())
    assert (found.language, empty._.linker.language) == ("en", "en")
    saved = Doc(nlp.vocab).from_bytes(first.to_bytes())
    assert saved._.linker == found


@pytest.mark.parametrize(("language", "read_as"), [("es", "es"), ("en", "en"), ("xx", "es"), ("pt", "pt")])
def test_docs_are_in_the_language_of_the_pipeline(config: dict[str, Any], language: str, read_as: str) -> None:
    nlp = spacy.blank(language)
    nlp.add_pipe("linker", config={**config, "detect": True})
    note = nlp("El paciente tiene problemas respiratorios que son asma, sin MI.")._.linker
    assert (note.language, note.without_rules) == (read_as, read_as == "pt")
    assert [set(m.assertions) for m in note.mentions] == {
        "es": [set(), {"negated"}],
        "en": [{"family"}, {"family"}],
        "pt": [set(), set()],
    }[read_as]
