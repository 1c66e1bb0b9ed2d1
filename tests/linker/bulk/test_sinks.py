"""Coded notes out, in the formats of others: each holds what its own definition asks for, and the very places."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from fhir.resources.R4B import get_fhir_model_class

from linker.bulk.annotator import BatchAnnotator
from linker.bulk.chunks import Chunk
from linker.bulk.rows import input_schema
from linker.bulk.sink import Sink
from linker.bulk.sinks.brat import BratSink
from linker.bulk.sinks.fhir import RESOURCES, FhirSink
from linker.bulk.sinks.omop import NOTE_NLP, NoteNlpSink
from linker.errors import InvalidInput
from ontologies.build import build
from ontologies.readers import read
from ontologies.starter import ENCODER

TERMS = """\
concept_id	name	semantic_type	codes	language	term_type
OMOP:4329847	Myocardial infarction	Condition	SNOMEDCT:22298006	en	preferred
SNOMEDCT:195967001	Asthma	disorder	OMOP:317009|ICD10CM:J45=skos:broadMatch	en	preferred
SNOMEDCT:38341003	Hypertension	disorder	ICD10CM:I10|WARD:12|OMOP:320128=skos:broadMatch	en	preferred
SNOMEDCT:109081006	Metformin	substance		en	preferred
HP:0100749	Chest pain			en	preferred
WARD:7	Breast cancer	disorder		en	preferred
WARD:8	Ovarian cancer	disorder		en	preferred
"""
NOTES = {
    "11": "PMH: 😀 asthma.\r\n\r\nPlan: No chest\r\npain. Possible hypertension. Given metformin.",
    "12": "Mother had asthma. Return if chest pain.\r\nFamily History:\r\nNo hypertension.",
    "13": "Breast and ovarian cancer; myocardial infarction.",
    "14": "",
    "15": None,
}
DDL = """
CREATE TABLE note_nlp (
    note_nlp_id integer NOT NULL PRIMARY KEY,
    note_id integer NOT NULL,
    section_concept_id integer NULL,
    snippet varchar(250) NULL,
    "offset" varchar(50) NULL,
    lexical_variant varchar(250) NOT NULL,
    note_nlp_concept_id integer NULL,
    note_nlp_source_concept_id integer NULL,
    nlp_system varchar(250) NULL,
    nlp_date date NOT NULL,
    nlp_datetime TIMESTAMP NULL,
    term_exists varchar(1) NULL,
    term_temporal varchar(50) NULL,
    term_modifiers varchar(2000) NULL )
"""  # OMOP CDM 5.4 for DuckDB, with its primary key


def notes_of(texts: dict[str, str | None], **columns: list[str]) -> pa.RecordBatch:
    schema = input_schema([pa.field(name, pa.string()) for name in columns])
    raw = [None if text is None else text.encode() for text in texts.values()]
    return pa.record_batch([list(texts), raw, [None] * len(raw), *columns.values()], schema=schema)


@pytest.fixture(scope="module")
def annotate(tmp_path_factory: pytest.TempPathFactory) -> BatchAnnotator:
    folder = tmp_path_factory.mktemp("terms")
    (folder / "terms.tsv").write_text(TERMS)
    build([read(folder / "terms.tsv")], folder / "bundle", encoder=ENCODER)
    return BatchAnnotator(str(folder / "bundle"), keep_text=True)


@pytest.fixture(scope="module")
def coded(annotate: BatchAnnotator) -> pa.RecordBatch:
    return annotate(notes_of(NOTES, subject=["Patient/7"] * len(NOTES)))


def written(sink: Sink, out: Path, *batches: pa.RecordBatch) -> Path:
    for number, batch in enumerate(batches):
        sink.write(out, Chunk(0, number), batch)
    sink.finish(out)
    return out


def mentions_of(coded: pa.RecordBatch) -> list[tuple[str, dict]]:
    return [(row["note_id"], mention) for row in coded.to_pylist() for mention in row["mentions"]]


@pytest.mark.parametrize("sink", [NoteNlpSink(), BratSink()])
def test_a_format_without_errors_has_them_beside(sink: Sink, coded: pa.RecordBatch, tmp_path: Path) -> None:
    written(sink, tmp_path, coded)
    (file,) = (tmp_path / "errors").iterdir()
    assert [json.loads(line) for line in file.read_text().splitlines()] == [{"note_id": "15", "error": "no_text"}]
    written(sink, tmp_path, coded.slice(0, 2))
    assert not file.exists()


class TestNoteNlp:
    def loaded(self, out: Path) -> duckdb.DuckDBPyConnection:
        database = duckdb.connect()
        database.execute(DDL)
        database.execute(f"insert into note_nlp select * from '{out}/note_nlp/*.parquet'")
        return database

    def test_it_loads_with_the_published_ddl(self, coded: pa.RecordBatch, tmp_path: Path) -> None:
        database = self.loaded(written(NoteNlpSink(), tmp_path, coded.slice(0, 2), coded.slice(2)))
        rows = database.sql(
            'select note_nlp_id, note_id, "offset", lexical_variant from note_nlp order by 1'
        ).fetchall()
        expected = [(int(note), str(mention["begin"]), mention["mention"]) for note, mention in mentions_of(coded)]
        assert rows == [(number, *row) for number, row in enumerate(expected, start=1)]
        declared = database.sql("select column_name, is_nullable from information_schema.columns").fetchall()
        assert [(field.name, "YES" if field.nullable else "NO") for field in NOTE_NLP] == declared

    def test_concepts_and_what_is_said_of_them(self, coded: pa.RecordBatch, tmp_path: Path) -> None:
        database = self.loaded(written(NoteNlpSink(), tmp_path, coded))
        rows = database.sql(
            "select note_id, lower(lexical_variant), note_nlp_concept_id, term_exists, term_temporal from note_nlp"
        ).fetchall()
        assert set(rows) == {
            (11, "asthma", 317009, "Y", "past"),
            (11, "chest\r\npain", 0, "N", "present"),
            (11, "hypertension", 0, "Y", "present"),
            (11, "metformin", 0, "Y", "present"),
            (12, "asthma", 317009, "N", "present"),
            (12, "chest pain", 0, "N", "present"),
            (12, "hypertension", 0, "N", "present"),
            (13, "breast cancer", 0, "Y", "present"),
            (13, "ovarian cancer", 0, "Y", "present"),
            (13, "myocardial infarction", 4329847, "Y", "present"),
        }
        [(modifiers,)] = database.sql(
            "select term_modifiers from note_nlp where note_id = 12 and lexical_variant = 'hypertension'"
        ).fetchall()
        said = dict(pair.split("=") for pair in modifiers.split(","))
        assert (said["negation"], said["subject"], said["concept"]) == ("true", "family", "SNOMEDCT:38341003")

    def test_no_value_is_wider_than_its_column(self, annotate: BatchAnnotator, tmp_path: Path) -> None:
        long = f"{'x ' * 300}\0asthma {'y ' * 300}"
        out = written(NoteNlpSink(), tmp_path, annotate(notes_of({"1": long})))
        [row] = self.loaded(out).sql("select snippet, length(snippet) from note_nlp").fetchall()
        assert row[1] == 250
        assert "asthma" in row[0]
        assert "\0" not in row[0]

    def test_ids_are_numbered_once_for_all(self, coded: pa.RecordBatch, tmp_path: Path) -> None:
        out = written(NoteNlpSink(), tmp_path, coded, coded, coded)
        before = {file: file.stat().st_mtime_ns for file in out.rglob("*.parquet")}
        NoteNlpSink().finish(out)
        assert {file: file.stat().st_mtime_ns for file in out.rglob("*.parquet")} == before
        ids = self.loaded(out).sql("select note_nlp_id from note_nlp order by 1").fetchall()
        assert ids == [(n,) for n in range(1, 3 * len(mentions_of(coded)) + 1)]

    @pytest.mark.parametrize("note_id", ["ward-1", "1.5", "99999999999999999999"])
    def test_a_note_id_that_is_no_integer_is_refused(
        self, annotate: BatchAnnotator, tmp_path: Path, note_id: str
    ) -> None:
        with pytest.raises(InvalidInput, match=r"note_id: NOTE_NLP needs note ids that are integers"):
            NoteNlpSink().write(tmp_path, Chunk(0, 0), annotate(notes_of({note_id: "asthma"})))


class TestFhir:
    def resources(self, out: Path) -> list[dict]:
        files = sorted(file for kind in RESOURCES for file in (out / kind).glob("*.ndjson"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def test_every_resource_is_valid(self, coded: pa.RecordBatch, tmp_path: Path) -> None:
        resources = self.resources(written(FhirSink(), tmp_path, coded))
        assert {r["resourceType"] for r in resources} == set(RESOURCES)
        for resource in resources:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)

    def test_what_is_said_is_the_status(self, coded: pa.RecordBatch, tmp_path: Path) -> None:
        found = {}
        for r in self.resources(written(FhirSink(), tmp_path, coded)):
            if r["resourceType"] in ("Condition", "Observation"):
                status = r.get("verificationStatus") or r["interpretation"][0]
                clinical = r.get("clinicalStatus", {}).get("coding", [{}])[0].get("code")
                found[r["code"]["text"].lower()] = (r["resourceType"], status["coding"][0]["code"], clinical)
        assert found == {
            "asthma": ("Condition", "confirmed", "inactive"),
            "chest\r\npain": ("Condition", "refuted", None),
            "hypertension": ("Condition", "provisional", None),
            "metformin": ("Observation", "POS", None),
            "breast cancer": ("Condition", "confirmed", None),
            "ovarian cancer": ("Condition", "confirmed", None),
            "myocardial infarction": ("Condition", "confirmed", None),
        }

    def test_codes_have_the_systems_of_fhir(self, coded: pa.RecordBatch, tmp_path: Path) -> None:
        codings = {
            r["code"]["text"].lower(): r["code"]["coding"]
            for r in self.resources(written(FhirSink(), tmp_path, coded))
            if r["resourceType"] == "Condition"
        }
        assert codings["hypertension"] == [
            {"system": "http://snomed.info/sct", "code": "38341003", "display": "Hypertension"},
            {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I10"},
        ]
        assert [c["code"] for c in codings["asthma"]] == ["195967001", "317009"]  # ICD-10-CM is broader
        assert codings["breast cancer"] == [{"code": "7", "display": "Breast cancer"}]  # a system of its own

    def test_the_place_is_that_of_rfc_5147(self, coded: pa.RecordBatch, tmp_path: Path) -> None:
        seen = Counter()
        for r in self.resources(written(FhirSink(), tmp_path, coded)):
            for identifier in r.get("identifier", []):
                reference, _, fragment = identifier["value"].partition("#char=")
                begin, end = map(int, fragment.split(","))
                text = NOTES[reference.removeprefix("DocumentReference/")].replace("\r\n", "\n")
                words = (r.get("code") or r["condition"][0]["code"])["text"].replace("\r\n", "\n")
                assert text[begin:end] in words
                seen[words.lower()] += end - begin
        assert seen["chest\npain"] == 10
        assert seen["breast cancer"] == len("breastcancer")  # in two pieces

    def test_what_fhir_has_no_place_for_is_counted(self, coded: pa.RecordBatch, tmp_path: Path) -> None:
        resources = self.resources(written(FhirSink(), tmp_path, coded))
        issues = [i for r in resources if r["resourceType"] == "OperationOutcome" for i in r["issue"]]
        assert sorted(i["diagnostics"] for i in issues) == [
            "DocumentReference/12: 1 left out, hypothetical",
            "DocumentReference/12: 1 left out, negated of the family",
            "DocumentReference/15: no_text",
        ]
        kinds = Counter(r["resourceType"] for r in resources)
        assert kinds["Condition"] + kinds["Observation"] + kinds["FamilyMemberHistory"] + 2 == len(mentions_of(coded))

    def test_ids_are_the_same_again_and_of_no_other(self, coded: pa.RecordBatch, tmp_path: Path) -> None:
        one = self.resources(written(FhirSink(), tmp_path / "1", coded))
        other = self.resources(written(FhirSink(), tmp_path / "2", coded))
        assert one == other
        ids = [r["id"] for r in one if "id" in r]
        assert len(ids) == len(set(ids))

    def test_what_other_formats_have_becomes_what_fhir_has(self, annotate: BatchAnnotator, tmp_path: Path) -> None:
        texts = {"ward/7.txt": "asthma", "urn:uuid:1": "asthma", "8": "metformin", "9": "mother had asthma"}
        columns = {"subject": ["7", "Patient/7", "urn:uuid:2", "7"], "encounter": [None, None, "Encounter/1", None]}
        columns["date"] = ["01/02/2026", "2026-01-02", "2026-01-02T03:04:05Z", "2026"]
        resources = self.resources(written(FhirSink(), tmp_path, annotate(notes_of(texts, **columns))))
        for resource in resources:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        one, other, family, drug = resources
        assert one["evidence"][0]["detail"] == [{"type": "DocumentReference", "identifier": {"value": "ward/7.txt"}}]
        assert (one["subject"], one.get("recordedDate")) == ({"reference": "Patient/7"}, None)
        assert other["evidence"][0]["detail"] == [{"reference": "urn:uuid:1"}]
        assert other["recordedDate"] == "2026-01-02"
        assert (drug["encounter"], drug["subject"]) == ({"reference": "Encounter/1"}, {"reference": "urn:uuid:2"})
        assert (family["date"], family["patient"]) == ("2026", {"reference": "Patient/7"})

    def test_a_chunk_that_is_written_again_replaces_all_it_had(self, coded: pa.RecordBatch, tmp_path: Path) -> None:
        FhirSink().write(tmp_path, Chunk(0, 0), coded)
        assert self.resources(written(FhirSink(), tmp_path, coded.slice(2, 1))) == self.resources(
            written(FhirSink(), tmp_path / "other", coded.slice(2, 1))
        )

    def test_notes_without_a_patient_are_refused_or_told(self, annotate: BatchAnnotator, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match=r"subject: FHIR needs the patient"):
            FhirSink().write(tmp_path, Chunk(0, 0), annotate(notes_of({"1": "asthma"})))
        out = written(FhirSink(), tmp_path, annotate(notes_of({"1": "asthma"}, subject=[None])))
        (outcome,) = self.resources(out)
        assert outcome["issue"][0]["diagnostics"] == "DocumentReference/1: no subject"
        out = written(FhirSink(), tmp_path, annotate(notes_of({"1": "asthma"}, person_id=["42"])))
        assert self.resources(out)[0]["subject"] == {"reference": "Patient/42"}


class TestBrat:
    def test_text_and_places_are_exact(self, coded: pa.RecordBatch, tmp_path: Path) -> None:
        written(BratSink(), tmp_path, coded)
        read = Counter()
        for file in sorted(tmp_path.rglob("*.txt")):
            text = file.read_bytes().decode()
            note_id = file.stem.partition("-")[2]
            assert text == NOTES[note_id]
            for line in file.with_suffix(".ann").read_bytes().decode().splitlines():
                mark, kind, *words = line.split("\t")
                if mark.startswith("T"):
                    pieces = [tuple(map(int, piece.split())) for piece in kind.partition(" ")[2].split(";")]
                    assert " ".join(text[begin:end] for begin, end in pieces) == words[0]
                    assert "\n" not in words[0]
                read[note_id, mark[0]] += 1
        mentions = mentions_of(coded)
        assert sum(n for (_, mark), n in read.items() if mark == "T") == len(mentions)
        assert sum(n for (_, mark), n in read.items() if mark == "A") == sum(len(m["assertions"]) for _, m in mentions)
        assert len(list(tmp_path.rglob("*.txt"))) == 4  # the fifth has an error

    def test_concepts_are_normalizations(self, coded: pa.RecordBatch, tmp_path: Path) -> None:
        written(BratSink(), tmp_path, coded)
        (file,) = tmp_path.rglob("*-13.ann")
        lines = file.read_text().splitlines()
        assert lines[0] == "T1\tdisorder 0 6;19 25\tBreast cancer"
        assert lines[1] == "N1\tReference T1 WARD:7\tBreast cancer"
        (configuration,) = tmp_path.rglob("annotation.conf")
        assert "Condition\nMention\ndisorder\nsubstance\n" in configuration.read_text()

    def test_a_note_id_is_a_name_of_one_file(self, annotate: BatchAnnotator, tmp_path: Path) -> None:
        written(BratSink(), tmp_path, annotate(notes_of({"../../ward/1": "asthma", "ü" * 300: "asthma"})))
        assert {file.parent for file in tmp_path.rglob("*.ann")} == {tmp_path / "brat" / "00000-00000"}
        assert len(list(tmp_path.rglob("*.ann"))) == 2
