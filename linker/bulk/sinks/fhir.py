"""Coded notes as FHIR R4, resources as lines of JSON: `OUT/Condition/*.ndjson`, and so on.

What a mention becomes, https://hl7.org/fhir/R4:
- a Condition where its concept is a condition by its semantic type or vocabulary; `verificationStatus` is refuted where
  it is negated, provisional where it is uncertain, else confirmed; `clinicalStatus` is inactive where it is historical,
- an Observation where it is anything else; `interpretation` is NEG, IND or POS in place of `verificationStatus`,
- a FamilyMemberHistory of a family member not named where it is of the family.

FHIR says nothing of what is NIL, hypothetical, or negated or uncertain in the family: these mentions, and notes with an
error, are counted in an OperationOutcome for each note that has some.

`code` has a Coding of the concept and one of each exact match with a known system, and the words of the note as its
text. The place is an identifier, `DocumentReference/1#char=12,24` of the system urn:ietf:rfc:5147 (fragments of
text/plain: code points, each line ending counted as one), so that no extension is needed, and a server can be asked for
what it has already. The id is a digest of place and concept: again, the same job gives the same resources. All are
labelled as asserted by a machine (AIAST, https://terminology.hl7.org/CodeSystem-v3-ObservationValue.html).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from linker.bulk.chunks import Chunk
from linker.bulk.rows import ERROR, MENTIONS, NOTE_ID, TEXT
from linker.bulk.sinks.lines import publish_lines
from linker.crosswalk import EXACT
from linker.errors import InvalidInput
from linker.identifiers import system_uri
from linker.records import Assertion

Resource = dict[str, Any]

RESOURCES = ("Condition", "FamilyMemberHistory", "Observation", "OperationOutcome")
SUBJECT, PERSON, ENCOUNTER, DATE = "subject", "person_id", "encounter", "date"  # columns of notes; the second is OMOP's
_FRAGMENT = "urn:ietf:rfc:5147"
_HL7 = "http://terminology.hl7.org/CodeSystem"
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?")
_META = {"security": [{"system": f"{_HL7}/v3-ObservationValue", "code": "AIAST"}]}

# Semantic types, in small letters: tags of SNOMED CT, the group Disorders of UMLS, then OMOP, Mondo and HPO.
_CONDITIONS = frozenset(
    {
        *("disease", "disorder", "finding", "injury", "morphologic abnormality", "situation"),
        *("acquired abnormality", "anatomical abnormality", "cell or molecular dysfunction", "congenital abnormality"),
        *("disease or syndrome", "experimental model of disease", "injury or poisoning", "neoplastic process"),
        *("mental or behavioral dysfunction", "pathologic function", "sign or symptom"),
        *("condition", "disease susceptibility", "human_phenotype"),
    }
)
# Vocabularies that have hardly anything else; for concepts without a semantic type.
_OF_CONDITIONS = frozenset({"DOID", "HP", "ICD10", "ICD10CM", "ICD11", "ICD9CM", "MONDO", "OMIM", "ORPHANET"})


@dataclass(frozen=True, slots=True)
class FhirSink:
    """A file a chunk of each kind of resource that it has."""

    needs_text: ClassVar[bool] = True

    def write(self, out: Path, chunk: Chunk, notes: pa.RecordBatch) -> None:
        """See `Sink`. Raises `InvalidInput` where the notes have no column of subjects."""
        if not {SUBJECT, PERSON} & set(notes.schema.names):
            message = f"FHIR needs the patient of each note; keep a column {SUBJECT} (Patient/1) or {PERSON}"
            raise InvalidInput(message, field=SUBJECT)
        resources = [resource for note in notes.to_pylist() for resource in resources_of(note)]
        for kind in RESOURCES:
            publish_lines(out / kind / f"{chunk}.ndjson", [of for of in resources if of["resourceType"] == kind])

    def finish(self, out: Path) -> None:
        """See `Sink`: nothing takes all chunks."""


def resources_of(note: Mapping[str, Any]) -> Iterator[Resource]:
    """The resources of a coded note, and an OperationOutcome where something of it is in none."""
    document = _document(str(note[NOTE_ID]))
    subject = _subject(note)
    problem = note[ERROR] or (None if subject else f"no {SUBJECT}")
    left_out: Counter[str] = Counter()
    if not problem:
        about = _About(document, {"reference": subject}, note.get(ENCOUNTER), _date(note.get(DATE)))
        characters = _Characters(note[TEXT].decode())
        for mention in note[MENTIONS]:
            if reason := _reason(mention):
                left_out[reason] += 1
            else:
                yield _placed(_resource(mention, about), mention, _name(document), characters)
    issues = [_issue("error", _name(document), problem)] if problem else []
    issues += [_issue("information", _name(document), f"{n} left out, {why}") for why, n in sorted(left_out.items())]
    if issues:
        yield {"resourceType": "OperationOutcome", "issue": issues}


@dataclass(frozen=True, slots=True)
class _About:
    """What all resources of a note say."""

    document: Resource
    patient: Resource
    encounter: str | None
    date: str | None


def _document(note_id: str) -> Resource:
    """A reference to the note; by an identifier where its id is none that FHIR can have."""
    if _ID.fullmatch(note_id):
        return {"reference": f"DocumentReference/{note_id}"}
    if note_id.startswith(("urn:", "http://", "https://")):
        return {"reference": note_id}
    return {"type": "DocumentReference", "identifier": {"value": note_id}}


def _name(document: Resource) -> str:
    return str(document.get("reference") or document["identifier"]["value"])


def _subject(note: Mapping[str, Any]) -> str | None:
    subject = note.get(SUBJECT) or note.get(PERSON)
    if subject is None:
        return None
    return str(subject) if re.search("[/:]", str(subject)) else f"Patient/{subject}"


def _date(value: object) -> str | None:
    """A date as FHIR writes it, None for what is none."""
    text = value.isoformat() if isinstance(value, date) else str(value)
    return text if _DATE.fullmatch(text) else None


def _reason(mention: Mapping[str, Any]) -> str | None:
    """Why FHIR has no resource for a mention."""
    said = set(mention["assertions"])
    if mention["concept_id"] is None:
        return "NIL"
    if Assertion.HYPOTHETICAL in said:
        return Assertion.HYPOTHETICAL
    doubt = said & {Assertion.NEGATED, Assertion.UNCERTAIN} if Assertion.FAMILY in said else set()
    return f"{' and '.join(sorted(doubt))} of the family" if doubt else None


def _resource(mention: Mapping[str, Any], about: _About) -> Resource:
    said, code = set(mention["assertions"]), _code(mention)
    if Assertion.FAMILY in said:
        return _of_family(code, about)
    resource: Resource = {"code": code, "subject": about.patient}
    if about.encounter:
        resource["encounter"] = {"reference": about.encounter}
    if not _is_condition(mention):
        resource |= {"resourceType": "Observation", "status": "preliminary", "derivedFrom": [about.document]}
        return resource | {"interpretation": [_interpretation(said)]}
    resource |= {"resourceType": "Condition", "evidence": [{"detail": [about.document]}]}
    resource["verificationStatus"] = _coded(f"{_HL7}/condition-ver-status", _verification(said))
    if Assertion.HISTORICAL in said and Assertion.NEGATED not in said:
        resource["clinicalStatus"] = _coded(f"{_HL7}/condition-clinical", "inactive")
    return resource | ({"recordedDate": about.date} if about.date else {})


def _of_family(code: Resource, about: _About) -> Resource:
    resource: Resource = {"resourceType": "FamilyMemberHistory", "status": "partial", "patient": about.patient}
    resource |= {"relationship": _coded(f"{_HL7}/v3-RoleCode", "FAMMEMB"), "condition": [{"code": code}]}
    return resource | ({"date": about.date} if about.date else {})


def _is_condition(mention: Mapping[str, Any]) -> bool:
    types = {kind.lower() for kind in mention["semantic_types"]}
    return not types.isdisjoint(_CONDITIONS) if types else mention["vocabulary"] in _OF_CONDITIONS


def _verification(said: set[str]) -> str:
    if Assertion.NEGATED in said:
        return "refuted"
    return "provisional" if Assertion.UNCERTAIN in said else "confirmed"


def _interpretation(said: set[str]) -> Resource:
    code = "NEG" if Assertion.NEGATED in said else "IND" if Assertion.UNCERTAIN in said else "POS"
    return _coded(f"{_HL7}/v3-ObservationInterpretation", code)


def _coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _code(mention: Mapping[str, Any]) -> Resource:
    system = system_uri(mention["vocabulary"])
    own = {"system": system} if system else {}
    own |= {"code": mention["code"], "display": mention["preferred_name"]}
    exact = [(system_uri(c["system"]), c["code"]) for c in mention["codes"] if c["relation"] == EXACT]
    others = [{"system": uri, "code": code} for uri, code in dict.fromkeys(exact) if uri]
    return {"coding": [own, *others], "text": mention["mention"]}


def _placed(resource: Resource, mention: Mapping[str, Any], document: str, characters: _Characters) -> Resource:
    ranges = [(characters.before(piece["begin"]), characters.before(piece["end"])) for piece in mention["pieces"]]
    places = [f"{document}#char={begin},{end}" for begin, end in ranges]
    digest = sha256("\n".join([*places, mention["concept_id"]]).encode()).hexdigest()[:32]
    identifiers = [{"system": _FRAGMENT, "value": place} for place in places]
    return resource | {"id": digest, "meta": _META, "identifier": identifiers}


class _Characters:
    """Counts the characters of a text as RFC 5147, section 4.1, has it: code points, but each line ending as one."""

    def __init__(self, text: str) -> None:
        self._ends = [match.end() for match in re.finditer("\r\n", text)]

    def before(self, place: int) -> int:
        """How many there are before a code point."""
        return place - bisect_right(self._ends, place)


def _issue(severity: str, document: str, diagnostics: str) -> Resource:
    code = "processing" if severity == "error" else "informational"
    return {"severity": severity, "code": code, "diagnostics": f"{document}: {diagnostics}"}
