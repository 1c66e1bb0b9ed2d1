"""Assertion on invented sentences; the mention stands between brackets, what is said of it behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from linker.assertion import Triggers
from linker.errors import InvalidInput
from linker.records import Assertion
from linker.rules import SECTIONS, TRIGGERS, read_rules
from linker.sections import Headers
from linker.sentences import sentences

GOLD = {
    "en": """
She has [asthma]. |
No [chest pain]. | negated
Exam: no [chest pain]. | negated
Denies fever, chills or [night sweats]. | negated
Without evidence of [pneumonia] on the film. | negated
The scan was negative for [fracture]. | negated
[Pulmonary embolism] was ruled out. | negated
No fever, but [cough] for three days. |
No fever, with [hypertension] and [diabetes]. | |
No [fever] but cough for three days. | negated
There is no increase in the [effusion]. |
He is not only tired, he has [anemia]. |
[Pneumonia] is absent. | negated
Gram negative [sepsis]. |
No known [diabetes]. | negated
She doesn’t have [asthma]. | negated
He denies pain. [Asthma] since childhood. |
Not in pain; [asthma] is stable. |
Possible [appendicitis]. | uncertain
Findings suspicious for [carcinoma]. | uncertain
Rule out [myocardial infarction]. | uncertain
[Sarcoidosis] cannot be excluded. | uncertain
CT to rule out [stroke], which was not seen. | uncertain
[Tuberculosis] versus lymphoma. | uncertain
Probable [gout], no [infection]. | uncertain | negated
History of [stroke]. | historical
s/p [hip fracture] in May. | historical
[Pneumonia] two years ago. | historical
Type 2 [diabetes] and high blood pressure, heart [attack] in 2019. | | historical
Previous [deep vein thrombosis]. | historical
The history and physical show [asthma]. |
No history of [seizures]. | negated historical
Pain for the past month, now has [cough]. |
Return if you have [fever]. | hypothetical
Monitor for [bleeding]. | hypothetical
Acetaminophen as needed for [headache]. | hypothetical
[DVT] prophylaxis. | hypothetical
At risk for [falls]. | hypothetical
Mother had [breast cancer]. | family
Father: [diabetes], hypertension. | family
[Colon cancer] runs in the family. | family
Her sister has [lupus], but she has [arthritis]. | family |
Her family physician saw the [rash]. |
No family history of [sudden death]. | negated family
""",
    "es": """
Paciente sin fiebre, con [hipertensión arterial] y [diabetes]. | |
Paciente con [asma]. |
Niega [dolor torácico]. | negated
Sin [fiebre] ni [tos]. | negated | negated
No se observa [neumonía]. | negated
Se descarta [fractura]. | negated
[Embolia pulmonar] descartada. | negated
Sin fiebre, pero con [tos]. |
Sin cambios en el [derrame]. |
Posible [apendicitis]. | uncertain
Sospecha de [neumonía]. | uncertain
No se puede descartar [tuberculosis]. | uncertain
Antecedentes de [ictus]. | historical
[Neumonía] hace 3 años. | historical
Acudir si [fiebre]. | hypothetical
En caso de [dolor], paracetamol. | hypothetical
Madre con [cáncer de mama]. | family
Antecedentes familiares de [diabetes]. | family
""",
    "fr": """
Patient sans fièvre, avec [hypertension artérielle]. |
Patient avec [asthme]. |
Pas de [fièvre] ni de [toux]. | negated | negated
Pas d'[asthme] connu. | negated
Pas d’[œdème]. | negated
Sans [douleur thoracique]. | negated
[Embolie pulmonaire] éliminée. | negated
Pas de fièvre, mais une [toux]. |
Pas de changement de l'[épanchement]. |
Suspicion d'[appendicite]. | uncertain
[Pneumopathie] probable. | uncertain
Le scanner ne permet pas d'éliminer une [fracture]. | uncertain
Antécédent d'[infarctus]. | historical
[Pneumopathie] il y a 3 ans. | historical
Reconsulter en cas de [fièvre]. | hypothetical
Mère avec [cancer du sein]. | family
Antécédents familiaux de [diabète]. | family
""",
    "de": """
Patient ohne Fieber, mit arterieller [Hypertonie]. |
Patient mit [Asthma]. |
Kein [Fieber], keine [Dyspnoe]. | negated | negated
Ohne [Husten]. | negated
Kein Anhalt für [Pneumonie]. | negated
[Thrombose] ausgeschlossen. | negated
[Fieber] besteht nicht. | negated
Kein Fieber, aber [Husten]. |
Keine Zunahme des [Ergusses]. |
Verdacht auf [Appendizitis]. | uncertain
V. a. [Pneumonie]. | uncertain
[Fraktur] nicht auszuschließen. | uncertain
Z. n. [Schlaganfall]. | historical
[Pneumonie] vor 3 Jahren. | historical
Wiedervorstellung bei [Fieber]. | hypothetical
Mutter mit [Brustkrebs]. | family
[Darmkrebs] in der Familie. | family
""",
}

# What the rules of another language would say something of.
ACROSS = {
    "en": """
SI joint tender, [arthritis] there. |
Placenta previa, [bleeding] since dawn. |
Trichoplusia ni larvae and [dermatitis]. |
Seen by Dr. Vater: [gallstones]. |
""",
    "es": """
Los diagnósticos son [diabetes] e [hipertensión]. | |
Los hallazgos son compatibles con [neumonía]. |
""",
    "fr": """
Son [asthme] est stable. |
""",
    "pt": """
Dor no [tórax]. |
""",
}


def lines_of(cases: dict[str, str]) -> list[tuple[str, str]]:
    return [(language, line) for language, lines in cases.items() for line in lines.strip().splitlines()]


def parsed(line: str) -> tuple[str, list[tuple[int, int]], list[frozenset[str]]]:
    marked, *said = line.split("|")
    note, places = "", []
    for position, part in enumerate(marked.strip().replace("]", "[").split("[")):
        if position % 2:
            places.append((len(note), len(note) + len(part)))
        note += part
    return note, places, [frozenset(words.split()) for words in said]


@pytest.fixture(scope="module")
def triggers() -> Triggers:
    return Triggers()


@pytest.mark.parametrize(("language", "line"), lines_of(GOLD))
def test_gold(triggers: Triggers, language: str, line: str) -> None:
    note, places, said = parsed(line)
    assert triggers.assertions(note, places, language) == said
    assert triggers.assertions(note, places, f"{language}-ZZ") == said
    assert triggers.assertions(note, places) == said  # in doubt, by the rules of all languages


@pytest.mark.parametrize(("language", "line"), lines_of(ACROSS))
def test_the_rules_of_other_languages_say_nothing(triggers: Triggers, language: str, line: str) -> None:
    note, places, said = parsed(line)
    assert triggers.assertions(note, places, language) == said
    assert triggers.assertions(note, places) != said


def test_a_language_without_rules_is_known_to_have_none(triggers: Triggers) -> None:
    assert triggers.languages == {"de", "en", "es", "fr"}
    assert [triggers.know(tag) for tag in ("es", "ES", "es-MX", "und", "pt", "est")] == [True] * 4 + [False] * 2
    assert triggers.assertions("no fever", [(3, 8)], "pt") == [frozenset()]


def test_a_section_says_what_stands_in_it() -> None:
    note = "HPI: cough\r\nPMH: asthma\r\nFamily History\r\nasthma\r\nANTECEDENTES FAMILIARES: asma\nPlan: fhx:no"
    outline = Headers().outline(note)
    named = [(section.name, set(section.assertions)) for section in (outline.at(p) for p in (0, 5, 17, 40, 76, 90))]
    assert named == [
        ("", set()),
        ("history_of_present_illness", set()),
        ("past_medical_history", {Assertion.HISTORICAL}),
        ("family_history", {Assertion.FAMILY}),
        ("family_history", {Assertion.FAMILY}),
        ("plan", set()),
    ]


def test_a_word_of_a_mention_triggers_nothing(triggers: Triggers) -> None:
    assert triggers.assertions("No pain", [(0, 7)]) == [frozenset()]
    assert triggers.assertions("no pain", [(3, 7)]) == [frozenset({Assertion.NEGATED})]


@pytest.mark.parametrize("note", ["", "." * 200_000, "\x00", "no " * 1000, "[**No**]", "\ud800 no"])
def test_any_note_can_be_read(triggers: Triggers, note: str) -> None:
    assert len(triggers.assertions(note, [(0, 1)] if note else [])) == bool(note)
    assert "".join(note[slice(*span)] for span in sentences(note)) == note


def test_files_of_users_add_rules_and_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "pt.toml"
    rule = '[[trigger]]\nassertion = "negated"\nscope = "after"\nphrases = ["nega"]\n'
    path.write_text(f'language = "pt"\n{rule}')
    triggers = Triggers([*TRIGGERS, path])
    assert triggers.assertions("nega febre", [(5, 10)], "pt-BR") == [frozenset({Assertion.NEGATED})]
    assert triggers.assertions("nega febre", [(5, 10)], "es") == [frozenset()]
    for language in ("", 'language = "pt_BR"\n', "language = 3\n"):
        path.write_text(language + rule)
        with pytest.raises(InvalidInput, match=r"pt.toml: trigger\[0\].language: expected"):
            Triggers([path])
    path.write_text(f'language = "pt"\n{rule.replace("negated", "denied")}')
    with pytest.raises(InvalidInput, match=r"pt.toml: trigger\[0\].assertion: expected one of negated"):
        Triggers([path])
    path.write_text("[[section]]\nname = 3\n")
    with pytest.raises(InvalidInput, match=r"section\[0\]"):
        Headers(path)
    with pytest.raises(InvalidInput, match="cannot be read"):
        Headers(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("AF", {"es": "family_history", "en": "", "de": "", "und": "family_history"}),
        ("AP", {"es": "past_medical_history", "es-MX": "past_medical_history", "en": ""}),
        ("FA", {"de": "family_history", "fr": "", "es": ""}),
        ("Antecedentes familiares", dict.fromkeys(("es", "en", "pt", "und"), "family_history")),
        ("PMH", dict.fromkeys(("es", "en", "pt", "und"), "past_medical_history")),
    ],
)
def test_a_header_of_two_letters_is_of_a_language(header: str, names: dict[str, str]) -> None:
    headers, note = Headers(), f"{header}: asma"
    assert {language: headers.outline(note, language).at(len(note) - 1).name for language in names} == names


def test_no_words_of_a_header_mean_two_things() -> None:
    words = [(header, rule["name"]) for rule in read_rules(SECTIONS, "section") for header in rule["headers"]]
    assert len(dict(words)) == len(words)
    assert all(rule["language"] for rule in read_rules(SECTIONS, "section") for h in rule["headers"] if len(h) == 2)
