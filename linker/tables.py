"""The tables of a bundle as files.

Arrow IPC files are used as they lie on disk: opening costs no parsing, and processes share the pages.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from linker.errors import BundleCorrupt

CONCEPTS_SCHEMA = pa.schema(
    {
        "concept_id": pa.large_string(),
        "preferred_name": pa.large_string(),
        "semantic_types": pa.list_(pa.string()),
        "definition": pa.large_string(),
        "parents": pa.list_(pa.string()),
        "retired": pa.bool_(),
    }
)
NAMES_SCHEMA = pa.schema(
    {
        "name": pa.large_string(),
        "concept": pa.int32(),
        "language": pa.string(),
        "term_type": pa.string(),
        "source": pa.string(),
    }
)
CROSSWALK_SCHEMA = pa.schema(
    {
        "concept": pa.int32(),
        "system": pa.string(),
        "code": pa.string(),
        "relation": pa.string(),
        "source": pa.string(),
        "confidence": pa.float32(),  # null where the source states none
    }
)
CODES_SCHEMA = pa.schema({"row": pa.int32()})  # rows of the crosswalk, by system and code
# Of each concept the rows of its parents and of its children, ascending.
HIERARCHY_SCHEMA = pa.schema({"parents": pa.list_(pa.int32()), "children": pa.list_(pa.int32())})
# Names by their normalised form, and by their other spellings, see `linker.accents`; of a text, the forms come first.
EXACT_SCHEMA = pa.schema({"normalised": pa.large_string(), "name": pa.int32(), "respelled": pa.bool_()})
# The words of those texts, as `linker.typos` has them, ascending.
WORDS_SCHEMA = pa.schema({"hash": pa.uint32()})
# What replaced an id that a release has retired or merged, by that id: it need not be a concept of the bundle.
REPLACEMENTS_SCHEMA = pa.schema({"concept_id": pa.large_string(), "replaced_by": pa.string(), "relation": pa.string()})
TABLES = {
    "concepts.arrow": CONCEPTS_SCHEMA,
    "names.arrow": NAMES_SCHEMA,
    "crosswalk.arrow": CROSSWALK_SCHEMA,
    "codes.arrow": CODES_SCHEMA,
    "hierarchy.arrow": HIERARCHY_SCHEMA,
    "exact.arrow": EXACT_SCHEMA,
    "words.arrow": WORDS_SCHEMA,
    "replacements.arrow": REPLACEMENTS_SCHEMA,
}


def write_table(table: pa.Table, path: Path) -> None:
    """Write `table` as one uncompressed record batch, so that it can be mapped and searched as one run of memory.

    Raises OSError, or ValueError where a column of `string` holds more than the 2 GiB that its offsets can count.
    """
    batches = table.combine_chunks().to_batches()
    if len(batches) > 1:
        raise ValueError(f"{path}: a column of short texts holds more than 2 GiB")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def map_table(path: Path) -> pa.Table:
    """The memory-mapped table of an Arrow IPC file. Raises `BundleCorrupt`."""
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowException) as error:
        raise BundleCorrupt(f"{path}: expected an Arrow IPC file ({type(error).__name__})") from error


def read_columns(directory: Path, name: str) -> dict[str, pa.Array]:
    """The mapped columns of a table of `TABLES`. Raises `BundleCorrupt`."""
    path = directory / name
    table = map_table(path)
    if table.schema != TABLES[name]:
        raise BundleCorrupt(f"{path}: its columns are not the ones of this format")
    return {name: _whole(column) for name, column in zip(table.column_names, table.columns, strict=True)}


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array: the mapped one where there is one, since combining would copy it into memory."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
