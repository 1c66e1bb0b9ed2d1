"""Coded notes as FHIR R4, resources as lines of JSON: `OUT/Condition/*.ndjson`, and so on.

What a mention becomes, https://hl7.org/fhir/R4:
- a Condition where its concept is a condition by its semantic type or vocabulary; `verificationStatus` is refuted where
  it is negated, provisional where it is uncertain, else confirmed; `clinicalStatus` is inactive where it is historical,
- an Observation where it is anything else; `interpretation` is NEG, IND or POS in place of `verificationStatus`,
- a FamilyMemberHistory of a family member not named where it is of the family.

FHIR says nothing of what is NIL, hypothetical or absent in the family: these mentions, and notes with an error, are
counted in an OperationOutcome for each note that has some.

`code` has a Coding of the concept and one of each exact match with a known system, and the words of the note as its
text. The place is an identifier, `DocumentReference/1#char=12,24` of the system urn:ietf:rfc:5147 (fragments of
text/plain: code points, each line ending counted as one), so that no extension is needed, and a server can be asked for
what it has already. The id is a digest of place and concept: again, the same job gives the same resources. All are
labelled as asserted by a machine (AIAST, https://terminology.hl7.org/CodeSystem-v3-ObservationValue.html).
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from linker.bulk.chunks import Chunk
from linker.bulk.rows import ERROR, MENTIONS, NOTE_ID, TEXT
from linker.crosswalk import EXACT
from linker.errors import InvalidInput
from linker.identifiers import system_uri
from linker.publishing import publish_file
from linker.records import Assertion

Resource = dict[str, Any]

RESOURCES = ("Condition", "FamilyMemberHistory", "Observation", "OperationOutcome")
SUBJECT, PERSON, ENCOUNTER, DATE = "subject", "person_id", "encounter", "date"  # columns of notes; the second is OMOP's
_FRAGMENT = "urn:ietf:rfc:5147"
_HL7 = "http://terminology.hl7.org/CodeSystem"
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
            target = out / kind / f"{chunk}.ndjson"
            lines = [json.dumps(r, ensure_ascii=False) + "\n" for r in resources if r["resourceType"] == kind]
            if lines:
                with publish_file(target) as file:
                    file.write_text("".join(lines), "utf-8", newline="")
            else:  # a chunk that is written again may have had some
                target.unlink(missing_ok=True)

    def finish(self, out: Path) -> None:
        """See `Sink`: nothing takes all chunks."""


def resources_of(note: Mapping[str, Any]) -> Iterator[Resource]:
    """The resources of a coded note, and an OperationOutcome where something of it is in none."""
    document = str(note[NOTE_ID])
    reference = document if ":" in document or "/" in document else f"DocumentReference/{document}"
    subject = _subject(note)
    problem = note[ERROR] or (None if subject else f"no {SUBJECT}")
    left_out: Counter[str] = Counter()
    if not problem:
        characters = _Characters(note[TEXT].decode())
        shared = {"encounter": {"reference": note[ENCOUNTER]}} if note.get(ENCOUNTER) else {}
        for mention in note[MENTIONS]:
            if reason := _reason(mention):
                left_out[reason] += 1
                continue
            resource = _resource(mention, reference, subject, note.get(DATE))
            takes = shared if resource["resourceType"] != "FamilyMemberHistory" else {}
            yield _placed(resource, mention, reference, characters) | takes
    issues = [_issue("error", reference, problem)] if problem else []
    issues += [_issue("information", reference, f"{n} left out, {reason}") for reason, n in sorted(left_out.items())]
    if issues:
        yield {"resourceType": "OperationOutcome", "issue": issues}


def _subject(note: Mapping[str, Any]) -> str | None:
    if note.get(SUBJECT):
        return str(note[SUBJECT])
    return f"Patient/{note[PERSON]}" if note.get(PERSON) is not None else None


def _reason(mention: Mapping[str, Any]) -> str | None:
    """Why FHIR has no resource for a mention."""
    said = set(mention["assertions"])
    if mention["concept_id"] is None:
        return "NIL"
    if Assertion.HYPOTHETICAL in said:
        return Assertion.HYPOTHETICAL
    return "negated of the family" if {Assertion.FAMILY, Assertion.NEGATED} <= said else None


def _resource(mention: Mapping[str, Any], reference: str, subject: str | None, date: str | None) -> Resource:
    said, patient, code = set(mention["assertions"]), {"reference": subject}, _code(mention)
    evidence = [{"reference": reference}]
    if Assertion.FAMILY in said:
        relative = {"coding": [{"system": f"{_HL7}/v3-RoleCode", "code": "FAMMEMB", "display": "family member"}]}
        resource: Resource = {"resourceType": "FamilyMemberHistory", "status": "partial", "patient": patient}
        return resource | {"relationship": relative, "condition": [{"code": code}]} | ({"date": date} if date else {})
    if not _is_condition(mention):
        resource = {"resourceType": "Observation", "status": "preliminary", "code": code, "subject": patient}
        return resource | {"interpretation": [_interpretation(said)], "derivedFrom": evidence}
    resource = {"resourceType": "Condition", "code": code, "subject": patient, "evidence": [{"detail": evidence}]}
    resource["verificationStatus"] = _coded(f"{_HL7}/condition-ver-status", _verification(said))
    if Assertion.HISTORICAL in said and Assertion.NEGATED not in said:
        resource["clinicalStatus"] = _coded(f"{_HL7}/condition-clinical", "inactive")
    return resource | ({"recordedDate": date} if date else {})


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


def _placed(resource: Resource, mention: Mapping[str, Any], reference: str, characters: _Characters) -> Resource:
    places = [
        f"{reference}#char={characters.before(piece['begin'])},{characters.before(piece['end'])}"
        for piece in mention["pieces"]
    ]
    named = "\n".join([*places, mention["concept_id"]])
    identifiers = [{"system": _FRAGMENT, "value": place} for place in places]
    return resource | {"id": sha256(named.encode()).hexdigest()[:32], "meta": _META, "identifier": identifiers}


class _Characters:
    """Counts the characters of a text as RFC 5147, section 4.1, has it: code points, but each line ending as one."""

    def __init__(self, text: str) -> None:
        self._ends = [match.end() for match in re.finditer("\r\n", text)]

    def before(self, place: int) -> int:
        """How many there are before a code point."""
        return place - bisect_right(self._ends, place)


def _issue(severity: str, reference: str, diagnostics: str) -> Resource:
    code = "processing" if severity == "error" else "informational"
    return {"severity": severity, "code": code, "diagnostics": f"{reference}: {diagnostics}"}
