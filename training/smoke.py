"""An invented ontology, its mentions and a base to train: what the recipe `smoke` runs on, and tests of training.

A concept is a course, a site and a finding, each of which has several words for it, in English and Spanish. A model
that has learned from its names that "renal" is "kidney" links mentions that no name spells.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

from linker.corpus import GoldMention, GoldNote
from linker.records import Mention
from ontologies.records import Concept, Name, Record, Release, Source, TermType

NAME = "invented"

# Words of the preferred name, of a synonym and of Spanish.
_COURSES = (
    ("acute", "sudden", "agudo"),
    ("chronic", "long-term", "crónico"),
    ("recurrent", "relapsing", "recidivante"),
)
_SITES = (
    ("renal", "kidney", "riñón"), ("hepatic", "liver", "hígado"), ("cardiac", "heart", "corazón"),
    ("pulmonary", "lung", "pulmón"), ("gastric", "stomach", "estómago"), ("cerebral", "brain", "cerebro"),
    ("cutaneous", "skin", "piel"), ("osseous", "bone", "hueso"), ("ocular", "eye", "ojo"),
    ("vesical", "bladder", "vejiga"),
)  # fmt: skip
_FINDINGS = (
    ("failure", "insufficiency", "fallo"), ("carcinoma", "cancer", "cáncer"), ("pain", "ache", "dolor"),
    ("inflammation", "swelling", "inflamación"), ("haemorrhage", "bleeding", "sangrado"),
    ("atrophy", "wasting", "atrofia"),
)  # fmt: skip


def _id(number: int) -> str:
    return f"INVENTED:{number:03d}"


def invented_source() -> Source:
    """180 concepts, each with four names in two languages."""
    records: list[Record] = []
    for number, (course, site, finding) in enumerate(product(_COURSES, _SITES, _FINDINGS)):
        concept_id = _id(number)
        records.append(Concept(concept_id=concept_id, semantic_types=("disorder",)))
        names = (
            (f"{course[0]} {site[0]} {finding[0]}", "en", TermType.PREFERRED),
            (f"{finding[0]} of the {site[1]}, {course[0]}", "en", TermType.SYNONYM),
            (f"{course[1]} {site[0]} {finding[1]}", "en", TermType.SYNONYM),
            (f"{finding[2]} {course[2]} de {site[2]}", "es", TermType.PREFERRED),
        )
        records += [Name(concept_id=concept_id, name=n, language=tag, term_type=kind) for n, tag, kind in names]
    return Source(path=NAME, releases=(Release(source="INVENTED", licence="CC0-1.0"),), records=tuple(records))


def invented_corpus() -> list[GoldMention]:
    """A mention of every third concept in words that none of its names puts together, and one that is a name."""
    mentions = [
        GoldMention(f"note {number}", (Mention(f"{course[1]} {site[1]} {finding[1]}"),), frozenset({_id(number)}))
        for number, (course, site, finding) in enumerate(product(_COURSES, _SITES, _FINDINGS))
        if number % 3 == 0
    ]
    return [*mentions, GoldMention("note 0", (Mention("Acute renal failure"),), frozenset({_id(0)}))]


def invented_notes() -> list[GoldNote]:
    """Sentences with a mention of each concept, and its finding as a type of its own."""
    notes = []
    for number, (course, site, finding) in enumerate(product(_COURSES, _SITES, _FINDINGS)):
        before = ("The patient has ", "No sign of ", "History: ")[number % 3]
        texts = f"{course[0]} {site[number % 2]} {finding[0]}", f"{finding[1]}"
        text = f"{before}{texts[0]} since 2012, and {texts[1]} of late."
        mentions = [
            GoldMention(f"note {number}", (Mention(found, text, text.find(found), text.find(found) + len(found)),),
                        frozenset({_id(number)}), types=frozenset({kind}))
            for found, kind in zip(texts, ("disorder", "symptom"), strict=True)
        ]  # fmt: skip
        notes.append(GoldNote(f"note {number}", text, tuple(mentions)))
    return notes


def write_invented_base(folder: Path, *, seed: int = 0, dimension: int = 32) -> None:
    """A BERT of two layers with random weights and a vocabulary of the ontology's words and letters, in `folder`."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = {word for parts in (*_COURSES, *_SITES, *_FINDINGS) for part in parts for word in part.split("-")}
    letters = sorted({letter for word in words for letter in word} | set("abcdefghijklmnopqrstuvwxyz0123456789,-"))
    pieces = [*letters, *(f"##{letter}" for letter in letters), *sorted(words), "of", "the", "de"]
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    vocabulary = {entry: number for number, entry in enumerate(dict.fromkeys([*special.values(), *pieces]))}
    tokenizer = BertWordPieceTokenizer(vocabulary, lowercase=True, strip_accents=False)
    # What this wraps is what the class for transformers is made from.
    wrapped = tokenizer._tokenizer
    PreTrainedTokenizerFast(tokenizer_object=wrapped, model_max_length=64, **special).save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = BertConfig(
            vocab_size=len(vocabulary), hidden_size=dimension, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=2 * dimension, max_position_embeddings=64,
        )  # fmt: skip
        BertModel(config, add_pooling_layer=False).save_pretrained(folder)
