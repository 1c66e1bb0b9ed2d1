from __future__ import annotations

import io
import json
import lzma
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from linker.cli import main


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Done]:
    def call(*arguments: object, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "argv", ["linker", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsysbinary.readouterr()
        return Done(code, out.decode(), err.decode())

    return call


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
    for word in (value["digest"], "en 24", "DEMO 11", "clinic", "index.faiss"):
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


def test_evaluate_writes_what_it_prints(run, bundle: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "gold.jsonl.xz"
    note = {
        "doc_id": "1",
        "text": None,
        "mentions": [{"mention": m, "gold": ["CLINIC:0003"]} for m in ("MI", "heart attack")],
    }
    corpus.write_bytes(lzma.compress(json.dumps(note).encode()))
    done = run("evaluate", corpus, "--bundle", bundle, "--json", tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["overall"]["acc_at_1"] == 0.5  # MI is shared by two concepts
    assert report["exact"]["acc_at_1"] == 0.5
    assert "exact match" in done.out
    assert "0.5000" in done.out


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


def test_a_closed_pipe_is_no_error(bundle: Path) -> None:
    lines = b'{"mention": "heart attack"}\n' * 2000
    command = f"{sys.executable} -m linker link -b {bundle} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], input=lines, capture_output=True)
    assert done.stdout.count(b"\n") == 1
    assert not done.stderr


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
