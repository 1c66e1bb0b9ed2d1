from __future__ import annotations

import json
import lzma
import subprocess
import sys
from pathlib import Path

import pytest


def test_lines_in_lines_out_in_order(run, bundle: Path) -> None:
    mentions = ["asma", "zzz", "", "MI", "heart attack"]
    done = run(
        "link", "--bundle", bundle, "-k", 2, stdin="".join(json.dumps({"mention": m}) + "\n" for m in mentions).encode()
    )
    assert done.code == 0
    assert [row["mention"] for row in done.rows] == mentions
    assert [len(row["candidates"]) for row in done.rows] == [2, 2, 0, 2, 2]


def test_text_gives_the_same_as_lines(run, bundle: Path) -> None:
    by_line = run("link", "-b", bundle, stdin=b'{"mention": "heart attack"}\n')
    assert run("link", "-b", bundle, "--json", "heart attack").out == by_line.out


def test_a_table_for_people(run, bundle: Path) -> None:
    done = run("link", "-b", bundle, "heart attack", "MI")
    assert "CLINIC:0003" in done.out
    assert "NIL: ambiguous" in done.out


def test_a_bad_line_ends_with_2_after_the_good_ones(run, bundle: Path) -> None:
    done = run("link", "-b", bundle, stdin=b'{"mention": "asma"}\n{"mention": 3}\n{"mention": "MI"}\n')
    assert done.code == 2
    assert [row["mention"] for row in done.rows] == ["asma"]
    assert "stdin:2: mention: expected a string" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("link", "-b", "nowhere", "x"), "linker build"),
        (("link", "-b", "{bundle}", "-k", 0, "x"), "top_k"),
        (("link", "-b", "{bundle}", "--min-confidence", 2, "x"), "min_confidence"),
        (("concept", "-b", "{bundle}", "CLINIC:9"), "no such concept"),
        (("search", "-b", "{bundle}", "zzz"), "PREFIX"),
        (("inspect", "nowhere"), "linker build"),
        (("evaluate", "-b", "{bundle}", "nowhere.jsonl"), "nowhere.jsonl"),
        (("build", "nowhere.tsv", "--out", "{tmp}/b"), "nowhere.tsv"),
        (("build", "{bundle}/index.faiss", "--out", "{tmp}/b"), "expected one of these formats"),
        (("nonsense",), "nonsense"),
    ],
)
def test_bad_input_is_one_line_and_2(run, bundle: Path, tmp_path: Path, arguments, said: str) -> None:
    done = run(*(str(a).format(bundle=bundle, tmp=tmp_path) for a in arguments))
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert not done.out
    assert not list(tmp_path.iterdir())


def test_inspect_tells_what_the_manifest_holds(run, bundle: Path) -> None:
    value = json.loads(run("inspect", bundle, "--json").out)
    assert value["counts"]["concepts"] == 16
    assert value["languages"] == {"en": 24, "es": 3}
    table = run("inspect", bundle).out
    fitted_on = f"fitted on {value['calibration']['fitted_on']}"
    for word in (value["digest"], "en 24", "DEMO 11", "clinic", "index.faiss", fitted_on):
        assert word in table


def test_concept_and_search(run, bundle: Path) -> None:
    record = json.loads(run("concept", "-b", bundle, "CLINIC:0003", "--json").out)
    assert {n["name"] for n in record["names"]} == {
        "Myocardial infarction",
        "Heart attack",
        "MI",
        "Infarto de miocardio",
    }
    found = run("search", "-b", bundle, "DIAB", "--json").rows
    assert [row["concept_id"] for row in found] == ["CLINIC:0008"]
    assert "Type 2 diabetes mellitus" in run("search", "-b", bundle, "type").out


def test_a_filter_on_the_command_line(run, bundle: Path) -> None:
    done = run("link", "-b", bundle, "--json", "--type", "finding", "cold")
    assert done.rows[0]["candidates"][0]["concept_id"] == "CLINIC:0006"


@pytest.fixture
def corpora(tmp_path: Path) -> list[Path]:
    """Two corpora that differ in their folder alone, as published ones do."""
    paths = [tmp_path / name / "dev.jsonl.xz" for name in ("one", "two")]
    for path, mentions in zip(paths, (["MI", "heart attack"], ["heart attack", "asthma | x"]), strict=True):
        path.parent.mkdir()
        rows = [{"mention": m, "gold": ["CLINIC:0003"]} for m in mentions]
        path.write_bytes(lzma.compress(json.dumps({"doc_id": "1", "text": None, "mentions": rows}).encode()))
    return paths


def test_evaluate_writes_what_it_prints_and_no_mention(run, bundle: Path, corpora: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "report"
    done = run("evaluate", *corpora, "--bundle", bundle, "--out", out, "--robustness")
    assert done.code == 0
    report = json.loads((out / "report.json").read_text())["corpora"]
    assert [corpus["corpus"] for corpus in report] == ["one/dev", "two/dev"]
    assert report[0]["overall"]["acc_at_1"] == 0.5  # MI is shared by two concepts
    assert report[0]["exact"]["acc_at_1"] == 0.5
    assert {r["perturbation"] for r in report[0]["robustness"]} >= {"case", "qualifier"}
    assert {path.name for path in out.iterdir()} == {"report.json", "report.md", "predictions.jsonl"}
    for text in ("exact match", "0.5000", "one/dev", "Robustness"):
        assert text in done.out
        assert text in (out / "report.md").read_text()
    for shown in (done.out, done.err, *(path.read_text() for path in out.iterdir())):
        assert "heart attack" not in shown.lower()


def test_evaluate_shows_misses_where_they_are_asked_for(run, bundle: Path, corpora: list[Path], tmp_path: Path) -> None:
    done = run("evaluate", corpora[1], "-b", bundle, "--misses", 1, "--out", tmp_path / "report")
    assert "asthma | x" in done.out
    assert "Myocardial infarction" in done.out  # the gold concept's name
    assert r"| asthma \| x |" in (tmp_path / "report" / "report.md").read_text()


def test_evaluate_takes_a_bundle_for_each_corpus(
    run, bundle: Path, corpora: list[Path], tmp_path: Path, build_bundle
) -> None:
    other = build_bundle("concept_id\tname\tlanguage\nCLINIC:0003\tMI\ten\n").bundle.path
    done = run("evaluate", *corpora, "-b", other, "-b", bundle, "--out", tmp_path / "report")
    assert done.code == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())["corpora"]
    assert report[0]["overall"]["acc_at_1"] == 1.0
    assert report[0]["bundle"] != report[1]["bundle"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("-b", "x", "-b", "y", "-b", "z"),
            "--bundle: expected it once, or once for each of 2 corpora; got it 3 times",
        ),
        (("--out", "{tmp}/one"), "exists and has no report.json"),
        (("{tmp}/one/dev.jsonl.xz",), "one/dev is given twice"),
        (("--compare", "a", "b"), "--compare: takes two folders and no corpus"),
    ],
)
def test_evaluate_refuses_before_it_links(run, corpora: list[Path], tmp_path: Path, arguments, said: str) -> None:
    done = run("evaluate", *corpora, *(a.format(tmp=tmp_path) for a in arguments))
    assert (done.code, done.out) == (2, "")
    assert said in done.err.replace("\n", " ")


def test_evaluate_compares_two_reports(run, bundle: Path, corpora: list[Path], tmp_path: Path, build_bundle) -> None:
    assert run("evaluate").code == 2
    other = build_bundle("concept_id\tname\tlanguage\nCLINIC:0003\tMI\ten\n").bundle.path
    a, b, out = (tmp_path / name for name in ("a", "b", "compared"))
    for chosen, folder in ((bundle, a), (other, b)):
        assert run("evaluate", *corpora, "-b", chosen, "--out", folder).code == 0
    done = run("evaluate", "--compare", a, b, "--out", out)
    assert "no difference that these data can show" in done.out
    written = json.loads((out / "comparison.json").read_text())["comparisons"]
    assert [c["corpus"] for c in written] == ["one/dev", "two/dev", "all corpora"]
    assert written[0]["difference"] == 0.5
    unwritable = run("evaluate", "--compare", a, b, "--out", corpora[0] / "compared")
    assert (unwritable.code, "cannot be written" in unwritable.err) == (2, True)
    refused = run("evaluate", "--compare", a, b, "--out", a)
    assert (refused.code, (a / "predictions.jsonl").is_file()) == (2, True)


def test_build_takes_a_language_and_a_prefix(run, tmp_path: Path) -> None:
    source = tmp_path / "terms.csv"
    source.write_text("concept_id,name\nD1,heart\n")
    assert run("build", source, "--out", tmp_path / "b", "--language", "en-GB", "--prefix", "MESH").code == 0
    value = json.loads(run("inspect", tmp_path / "b", "--json").out)
    assert value["languages"] == {"en-GB": 1}
    assert run("link", "-b", tmp_path / "b", "--json", "heart").rows[0]["candidates"][0]["concept_id"] == "MESH:D1"


def test_help_names_every_command(run) -> None:
    text = run("--help").out
    for command in ("link", "build", "serve", "concept", "search", "inspect", "evaluate"):
        assert command in text


def test_help_is_as_wide_as_the_terminal_and_examples_stay_lines(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    lines = [line.strip() for line in run("bulk", "--help").out.splitlines()]
    assert "linker bulk notes.csv --out coded" in lines
    assert [line for line in lines if line.startswith("The same command") and line.endswith("columns are.")]


def test_a_closed_pipe_is_no_error(bundle: Path) -> None:
    lines = b'{"mention": "heart attack"}\n' * 2000
    command = f"{sys.executable} -m linker link -b {bundle} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], input=lines, capture_output=True)
    assert done.stdout.count(b"\n") == 1
    assert not done.stderr


@pytest.mark.parametrize("option", ["--rules", "--sections"])
def test_a_server_with_rules_that_cannot_be_read_does_not_start(bundle: Path, option: str) -> None:
    command = [sys.executable, "-m", "linker", "serve", "-b", bundle, "--port", "0", option, "none.toml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "none.toml: cannot be read: No such file" in done.stderr) == (2, True)


def test_serving_needs_neither_torch_nor_what_builds_bundles(bundle: Path) -> None:
    code = (
        "import sys\n"
        "from linker import Linker\n"
        f"Linker.open({str(bundle)!r}).link(['heart attack'])\n"
        "import linker.server.app, linker.cli\n"
        "unwanted = {'torch', 'transformers', 'onnx', 'fastobo', 'ontologies', 'training'} & set(sys.modules)\n"
        "assert not unwanted, unwanted"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_codes_asked_for(run, bundle: Path) -> None:
    row = run("link", "-b", bundle, "--json", "-k", 1, "--codes", "DEMO, CLINIC", "heart attack").rows[0]
    [own, demo] = row["candidates"][0]["codes"]
    assert own == {"system": "CLINIC", "code": "0003", "relation": "skos:exactMatch", "source": "CLINIC"}
    assert (demo["system"], demo["code"]) == ("DEMO", "H1")
    table = run("link", "-b", bundle, "--codes", "DEMO", "heart attack").out
    assert "DEMO" in table
    assert "H1" in table
    assert "SNOMED" not in table


def test_a_vocabulary_the_bundle_does_not_have(run, bundle: Path) -> None:
    done = run("link", "-b", bundle, "--codes", "DEMO,ICD10CM", "heart attack")
    assert (done.code, done.out) == (2, "")
    assert "--codes[1]: expected a vocabulary of this bundle: CLINIC, DEMO, OTHER" in done.err


def test_a_value_set_on_the_command_line(run, bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_text("CLINIC:0002\nCLINIC:99\n")
    done = run("link", "-b", bundle, "--value-set", path, "heart attack")
    assert (done.code, done.out) == (2, "")
    assert "ids.txt: line 2: expected ids of current concepts of this bundle, got CLINIC:99 (1 of 2 ids)" in done.err
    done = run("link", "-b", bundle, "--json", "--value-set", path, "--lenient", "heart attack")
    assert "left out 1 ids" in done.err
    [candidate] = done.rows[0]["candidates"]
    assert (candidate["concept_id"], candidate["generalised_from"]) == ("CLINIC:0002", "CLINIC:0003")
    table = run("link", "-b", bundle, "--value-set", path, "--lenient", "heart attack").out
    assert "generalised from CLINIC:0003" in table


def test_the_hierarchy_on_the_command_line(run, bundle: Path) -> None:
    above = run("concept", "-b", bundle, "CLINIC:0003", "--ancestors", "--json").rows
    assert [(row["distance"], row["concept_id"]) for row in above] == [(1, "CLINIC:0002"), (2, "CLINIC:0001")]
    below = run("concept", "-b", bundle, "CLINIC:0001", "--descendants", "--distance", 1, "-n", 3)
    assert "3 of 8; --limit shows more" in below.err
    assert "Heart disease" in below.out
    assert run("concept", "-b", bundle, "CLINIC:0001", "--descendants", "--ancestors").code == 2


def test_names_are_shown_in_the_language_asked_for(run, bundle: Path) -> None:
    def shown(*options: object) -> list[str]:
        rows = run("link", "-b", bundle, "--json", "-k", 1, *options, "infarto de miocardio", "asma").rows
        return [row["candidates"][0]["preferred_name"] for row in rows]

    assert shown() == ["Myocardial infarction", "Asthma"]
    assert shown("--language", "es") == shown("--display-language", "es") == ["Infarto de miocardio", "Asma"]
    assert shown("--language", "es", "--display-language", "en") == ["Myocardial infarction", "Asthma"]
    assert shown("--display-language", "fr") == ["Myocardial infarction", "Asthma"]
    found = run("search", "-b", bundle, "heart d", "--display-language", "es", "--json").rows
    assert [row["preferred_name"] for row in found] == ["Cardiopatía"]


def test_a_name_is_found_without_its_accents(run, bundle: Path) -> None:
    row = run("link", "-b", bundle, "--json", "-k", 1, "cardiopatia").rows[0]
    assert (row["candidates"][0]["concept_id"], row["candidates"][0]["source"]) == ("CLINIC:0002", "exact")
    assert [r["concept_id"] for r in run("search", "-b", bundle, "cardiopatia", "--json").rows] == ["CLINIC:0002"]
    assert [r["concept_id"] for r in run("search", "-b", bundle, "cardiopatí", "--json").rows] == ["CLINIC:0002"]


def test_codes_are_mapped(run, bundle: Path) -> None:
    found, own, none = run(
        "map", "-b", bundle, "--json", "--to", "OTHER,CLINIC", "DEMO:H1", "CLINIC:0005", "DEMO:X"
    ).rows
    assert (found["code"], found["status"]) == ("DEMO:H1", "found")
    [concept] = found["concepts"]
    assert (concept["concept_id"], concept["relation"]) == ("CLINIC:0003", "skos:exactMatch")
    assert [(c["system"], c["code"]) for c in concept["codes"]] == [("CLINIC", "0003"), ("OTHER", "77")]
    assert [c["concept_id"] for c in own["concepts"]] == ["CLINIC:0005"]
    assert (none["status"], none["concepts"]) == ("not_found", [])
    table = run("map", "-b", bundle, "DEMO:R1", "DEMO:X").out
    assert "skos:broadMatch" in table
    assert "not found" in table
    done = run("map", "-b", bundle, "--to", "ICD10CM", "DEMO:H1")
    assert (done.code, "--to[0]: expected a vocabulary of this bundle: CLINIC, DEMO, OTHER" in done.err) == (2, True)


def test_codes_come_from_lines(run, bundle: Path) -> None:
    rows = run("map", "-b", bundle, "--json", stdin=b"DEMO:H1\n\nDEMO:H2\n").rows
    assert [row["code"] for row in rows] == ["DEMO:H1", "DEMO:H2"]
