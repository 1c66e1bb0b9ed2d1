"""Assertion on invented sentences; the mention stands between brackets, what is said of it behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from linker.assertion import Triggers
from linker.errors import InvalidInput
from linker.records import Assertion
from linker.sections import Headers
from linker.sentences import sentences

GOLD = """
She has [asthma]. |
No [chest pain]. | negated
Exam: no [chest pain]. | negated
Denies fever, chills or [night sweats]. | negated
Without evidence of [pneumonia] on the film. | negated
The scan was negative for [fracture]. | negated
[Pulmonary embolism] was ruled out. | negated
No fever, but [cough] for three days. |
No [fever] but cough for three days. | negated
There is no increase in the [effusion]. |
He is not only tired, he has [anemia]. |
[Pneumonia] is absent. | negated
Gram negative [sepsis]. |
No known [diabetes]. | negated
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
"""


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


@pytest.mark.parametrize("line", list(GOLD.strip().splitlines()))
def test_gold(triggers: Triggers, line: str) -> None:
    note, places, said = parsed(line)
    assert triggers.assertions(note, places) == said


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
    path = tmp_path / "de.toml"
    path.write_text('[[trigger]]\nassertion = "negated"\nscope = "after"\nphrases = ["kein"]\n')
    assert Triggers([path]).assertions("kein Fieber", [(5, 11)]) == [frozenset({Assertion.NEGATED})]
    path.write_text('[[trigger]]\nassertion = "denied"\nscope = "after"\nphrases = ["kein"]\n')
    with pytest.raises(InvalidInput, match=r"de.toml: trigger\[0\].assertion: expected one of negated"):
        Triggers([path])
    path.write_text("[[section]]\nname = 3\n")
    with pytest.raises(InvalidInput, match=r"section\[0\]"):
        Headers(path)
    with pytest.raises(InvalidInput, match="cannot be read"):
        Headers(tmp_path / "none.toml")
