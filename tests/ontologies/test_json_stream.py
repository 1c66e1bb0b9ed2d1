"""A streamed document holds what the whole one holds, wherever it is cut, and its items say where they are."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ontologies.errors import SourceError
from ontologies.readers import json_stream
from ontologies.readers.json_stream import stream_json

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(VALUES, max_size=5),
    st.dictionaries(st.text(min_size=1).filter(lambda name: name != "a"), VALUES, max_size=3),
    st.sampled_from([None, 2]),
    st.integers(1, 40),
)
def test_items_are_the_document_in_parts(tmp_path, monkeypatch, elements, rest, indent, chunk):
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"a": elements} | rest, ensure_ascii=False, indent=indent), encoding="utf-8")
    items = list(stream_json(path, "a[]"))
    assert [item.value for item in items if item.key == "a[]"] == elements
    assert [item.field for item in items if item.key == "a[]"] == [f"a[{i}]" for i in range(len(elements))]
    assert [item.value for item in items if item.key != "a[]"] == list(rest.values())


def test_nested_arrays_and_lines(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"g": [\n {"n": [\n  1,\n  {"k": 2}], "id": "x"},\n {"id": "y"}],\n "v": null}')
    assert [(item.key, item.field, item.line, item.value) for item in stream_json(path, "g[].n[]")] == [
        ("g[].n[]", "g[0].n[0]", 3, 1),
        ("g[].n[]", "g[0].n[1]", 4, {"k": 2}),
        ("g[].id", "g[0].id", 4, "x"),
        ("g[].id", "g[1].id", 5, "y"),
        ("v", "v", 6, None),
    ]


@pytest.mark.parametrize(
    "text", ['{"a": [1 2]}', '{"a": [1,]}', '{"a" 1}', "{a: 1}", '{"a": [1}', '{"a": 1,}', "[1] x"]
)
@pytest.mark.parametrize("chunk", [1, 1000])
def test_what_is_not_json_is_refused(tmp_path, monkeypatch, text, chunk):
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(SourceError, match="expected") as caught:
        list(stream_json(path, "a[]"))
    assert caught.value.line == 1


def test_an_error_at_the_begin_of_a_long_file_does_not_read_it_all(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"a": [{"b" 1},\n' + '{"b": 1},\n' * 1_000_000 + "]}")
    with path.open("rb") as handle:
        text = json_stream._Text(path, handle)
        with pytest.raises(SourceError):
            list(json_stream._items(text, frozenset(("", "a")), "", ""))
        assert handle.tell() < path.stat().st_size / 2
