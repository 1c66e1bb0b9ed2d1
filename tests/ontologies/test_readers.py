"""`read` finds the format of a file by its content first, then by its name."""

import gzip
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ontologies.errors import SourceError
from ontologies.readers import read
from ontologies.readers.options import Options
from ontologies.records import Name

OBO = b"format-version: 1.4\nontology: x\n\n[Term]\nid: X:1\nname: fever\n"
TSV = b"X:1\tfever\n"
CSV = b"X:1,fever\n"


def names(source):
    return [(r.concept_id, r.name, r.language) for r in source.records if isinstance(r, Name)]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("x.obo", OBO),
        ("x.OBO", OBO),
        ("release.txt", OBO),
        ("bom.txt", b"\xef\xbb\xbf" + OBO),
        ("x.obo.gz", gzip.compress(OBO)),
        ("x.obo.xz", lzma.compress(OBO)),
        ("unnamed.xz", lzma.compress(OBO)),
        ("x.tsv", TSV),
        ("x.txt", TSV),
        ("x", TSV),
        ("x.tsv.gz", gzip.compress(TSV)),
        ("x.tsv.xz", lzma.compress(TSV)),
        ("x.csv", CSV),
        ("x.CSV.gz", gzip.compress(CSV)),
        ("x.csv.xz", lzma.compress(CSV)),
    ],
)
def test_each_format_is_recognised(tmp_path, file, content):
    (tmp_path / file).write_bytes(content)
    assert names(read(tmp_path / file, Options(language="en"))) == [("X:1", "fever", "en")]


def test_mondo_as_cellxgene_carries_it_is_recognised(tmp_path):
    path = tmp_path / "MONDO-ontology-v2026-05-05.json.xz"
    path.write_bytes(lzma.compress(b'{"MONDO:0000001": {"label": "disease", "ancestors": {}}}'))
    assert names(read(path)) == [("MONDO:0000001", "disease", "en")]


@pytest.mark.parametrize("file", ["x.parquet", "x.pq"])
def test_parquet_is_recognised(tmp_path, file):
    pq.write_table(pa.table({"concept_id": ["1"], "name": ["fever"]}), tmp_path / file)
    assert names(read(tmp_path / file, Options(prefix="X"))) == [("X:1", "fever", "")]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("x.xml", b"<?xml version='1.0'?>\n<html/>\n"),
        ("x.json", b'{"data": []}'),
        ("x.md", b"# A table\n"),
        ("empty", b""),
        ("x.xz", lzma.compress(b"nothing that is known\n")),
    ],
)
def test_an_unknown_format_says_what_is_supported(tmp_path, file, content):
    (tmp_path / file).write_bytes(content)
    with pytest.raises(SourceError, match=r"OBO.*Parquet.*\.tsv") as caught:
        read(tmp_path / file)
    assert caught.value.path == str(tmp_path / file)


def test_a_directory_of_no_known_release(tmp_path):
    with pytest.raises(SourceError, match="formats"):
        read(tmp_path)


def test_an_unknown_file(tmp_path):
    with pytest.raises(SourceError, match="no such file"):
        read(tmp_path / "none.obo")


def test_a_compressed_file_that_is_not(tmp_path):
    (tmp_path / "x.obo.gz").write_bytes(OBO)
    with pytest.raises(SourceError, match=r"whole \.gz file"):
        read(tmp_path / "x.obo.gz")
