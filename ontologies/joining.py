"""Spilled records to the tables of a bundle, by a database that sorts and joins more than memory holds.

The home of DuckDB, with `ontologies.alternates`, `ontologies.uniting` and `ontologies.changes`. Every order is total
(`seq`, the place of a record among those of its kind, settles it), so that neither threads nor memory decide what is
written.
"""

from __future__ import annotations

import glob
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from linker.tables import TABLES, map_table, write_table
from linker.typos import SHORTEST, word_hashes
from ontologies.alternates import join_alternates
from ontologies.errors import BuildError, SourceError
from ontologies.hierarchy import below_cycles, circle_among, find_cycle, spelled
from ontologies.matches import Unions
from ontologies.readers.circles import CIRCULAR, in_circles
from ontologies.readers.options import Problems
from ontologies.records import Concept, TermType
from ontologies.spilling import SCHEMAS
from ontologies.uniting import unite_concepts

MEMORY = "4GB"  # of the database; what does not fit is spilled to the folder
_BATCH = 131_072  # rows that leave the database at a time

# Concepts as their records say together; `first` is the order they came in.
_DEFINED = """
    CREATE TABLE defined AS
    SELECT concept_id, min(seq) AS first, bool_and(retired) AS retired,
        coalesce(arg_min(definition, seq) FILTER (definition <> ''), '') AS definition,
        arg_min(path, seq) AS path, arg_min(line, seq) AS line
    FROM concept GROUP BY concept_id
"""
_MISSING_PARENTS = """
    SELECT p.concept_id, p.parent, p.path, p.line
    FROM parent p JOIN defined child USING (concept_id) ANTI JOIN defined d ON d.concept_id = p.parent
    ORDER BY child.first, p.seq
"""
_EDGES = """
    SELECT child.rowid AS child, above.rowid AS parent
    FROM parent p JOIN defined child USING (concept_id) JOIN defined above ON above.concept_id = p.parent
"""
_EDGES_AMONG = """
    SELECT p.concept_id, p.parent, p.path, p.line, p.seq, child.rowid, above.rowid
    FROM parent p JOIN defined child USING (concept_id) JOIN defined above ON above.concept_id = p.parent
    SEMI JOIN suspects s ON s.row = child.rowid SEMI JOIN suspects t ON t.row = above.rowid
    ORDER BY child.first, p.seq
"""
# Where each concept id is first named.
_TOLD = """
    CREATE TABLE told AS
    SELECT concept_id, arg_min(name, seq) AS name FROM name WHERE name <> '' GROUP BY concept_id
"""
# Names and codes of concepts that no source defines. A source that defines no concept at all (a translation, a mapping
# set) tells of a whole vocabulary, whichever part of it is built; all others should define what they tell of.
_STRAY = """
    CREATE TABLE stray AS
    WITH defining AS (SELECT DISTINCT path, true AS defines FROM concept),
    strays AS (
        SELECT concept_id, seq, path, line, true AS named FROM name ANTI JOIN defined USING (concept_id)
        WHERE name <> ''
        UNION ALL
        SELECT concept_id, seq, path, line, false FROM code ANTI JOIN defined USING (concept_id)
    )
    SELECT s.*, coalesce(defines, false) AS defines FROM strays s LEFT JOIN defining USING (path)
"""
_UNDEFINED = """
    SELECT concept_id, arg_min(path, (NOT named, seq)), arg_min(line, (NOT named, seq)), true AS undefined
    FROM stray WHERE defines GROUP BY concept_id
    UNION ALL
    SELECT concept_id, path, line, false FROM defined ANTI JOIN told USING (concept_id) WHERE NOT retired
    ORDER BY concept_id
"""
# What is obsolete may have lost its name (OBO Flat File Format 1.4 asks for none): there is nothing to show or to link.
_NAMELESS = "SELECT count(*) FROM defined ANTI JOIN told USING (concept_id) WHERE retired"
_UNCLAIMED = "SELECT count(*) FILTER (named), count(*) FILTER (NOT named) FROM stray WHERE NOT defines"
_CONCEPTS = """
    CREATE TABLE concepts AS
    SELECT concept_id, definition, retired, name AS first_name FROM defined JOIN told USING (concept_id)
    ORDER BY concept_id
"""
# Of names that are the same, the one of the most telling type; `first` is the place of the first of them.
_KEPT = """
    CREATE TABLE kept AS
    SELECT c.rowid::INTEGER AS concept, c.retired, n.name, n.key, n.respelled, n.language, n.rank, n.origin,
        min(n.seq) OVER (PARTITION BY c.rowid, n.key, n.language) AS first
    FROM name n JOIN concepts c USING (concept_id)
    WHERE n.key <> ''
    QUALIFY row_number() OVER (PARTITION BY c.rowid, n.key, n.language ORDER BY n.rank, n.seq) = 1
"""
_NAMES = """
    CREATE TABLE names AS
    SELECT name, concept, language, rank, origin, key, respelled FROM kept WHERE NOT retired
    ORDER BY concept, rank, key, language
"""
_CODES = """
    CREATE TABLE codes AS
    SELECT c.rowid::INTEGER AS concept, system, code, relation,
        arg_min(origin, seq) AS source, arg_min_null(confidence, seq) AS confidence
    FROM code JOIN concepts c USING (concept_id) GROUP BY ALL ORDER BY concept, system, code, relation
"""
_BROADER = """
    CREATE TABLE broader AS
    SELECT DISTINCT child.rowid::INTEGER AS child, above.rowid::INTEGER AS parent
    FROM (FROM parent ANTI JOIN circular_parent USING (seq)) p
        JOIN concepts child USING (concept_id) JOIN concepts above ON above.concept_id = p.parent
"""
# A replacement goes from child to parent, as concepts do.
_REPLACED = """
    CREATE TABLE replaced AS SELECT concept_id FROM replacement UNION SELECT replaced_by FROM replacement
"""
_REPLACEMENT_EDGES = """
    SELECT old.rowid AS child, new.rowid AS parent
    FROM replacement r JOIN replaced old USING (concept_id) JOIN replaced new ON new.concept_id = r.replaced_by
"""
_CIRCULAR = """
    CREATE TABLE circular AS
    SELECT r.*
    FROM replacement r JOIN replaced old USING (concept_id) JOIN replaced new ON new.concept_id = r.replaced_by
    SEMI JOIN suspects s ON s.row = old.rowid SEMI JOIN suspects t ON t.row = new.rowid
"""
_WRITTEN = {
    "names.arrow": "SELECT name, concept, language, rank AS term_type, origin AS source FROM names ORDER BY rowid",
    "exact.arrow": """
        SELECT key AS normalised, rowid AS name, 0::TINYINT AS respelled FROM names
        UNION ALL SELECT unnest(respelled), rowid, 1 FROM names
        ORDER BY normalised, respelled, name
    """,
    "crosswalk.arrow": "SELECT concept, system, code, relation, source, confidence FROM codes ORDER BY rowid",
    "codes.arrow": "SELECT rowid AS row FROM codes ORDER BY system, code, rowid",
    "hierarchy.arrow": """
        SELECT coalesce(up.rows, []) AS parents, coalesce(down.rows, []) AS children
        FROM concepts c
            LEFT JOIN (SELECT child, list(parent ORDER BY parent) AS rows FROM broader GROUP BY child) up
                ON up.child = c.rowid
            LEFT JOIN (SELECT parent, list(child ORDER BY child) AS rows FROM broader GROUP BY parent) down
                ON down.parent = c.rowid
        ORDER BY c.rowid
    """,
    # The first preferred name is shown, or else the first name with a letter, or else the first.
    "concepts.arrow": """
        WITH shown AS (
            SELECT concept, arg_min(name, first) FILTER (rank = 0) AS preferred, arg_min(name, first) AS other
            FROM kept GROUP BY concept
        ), types AS (
            SELECT concept_id, list(semantic_type ORDER BY first) AS semantic_types
            FROM (SELECT concept_id, semantic_type, min(seq) AS first FROM semantic_type GROUP BY ALL)
            GROUP BY concept_id
        ), above AS (
            SELECT concept_id, list(parent ORDER BY first) AS parents
            FROM (
                SELECT p.concept_id, p.parent, min(p.seq) AS first
                FROM (FROM parent ANTI JOIN circular_parent USING (seq)) p
                    SEMI JOIN concepts c ON c.concept_id = p.parent GROUP BY ALL
            ) GROUP BY concept_id
        )
        SELECT concept_id, coalesce(preferred, other, first_name) AS preferred_name,
            coalesce(semantic_types, []) AS semantic_types, definition, coalesce(parents, []) AS parents,
            retired::TINYINT AS retired  -- the bits after the last of a BOOLEAN column may be anything
        FROM concepts c LEFT JOIN shown ON shown.concept = c.rowid LEFT JOIN types USING (concept_id)
            LEFT JOIN above USING (concept_id)
        ORDER BY c.rowid
    """,
    "replacements.arrow": """
        SELECT DISTINCT concept_id, replaced_by, relation FROM replacement ANTI JOIN circular USING (seq) ORDER BY ALL
    """,
}
_WORDS = """
    SELECT DISTINCT word
    FROM (SELECT unnest(string_split(text, ' ')) AS word FROM (
        SELECT key AS text FROM names UNION ALL SELECT unnest(respelled) FROM names
    ))
    WHERE length(word) >= ?
"""


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of the records beside the tables.

    unclaimed_names, unclaimed_codes: told by a source that defines no concept, of concepts that no source defines;
    they are left out. nameless: retired concepts without a name, left out too. alternates: bare ids that became part of
    one, see `ontologies.alternates`. unions: which concepts became one; None where none were to.
    """

    unclaimed_names: int
    unclaimed_codes: int
    nameless: int
    alternates: int
    unions: Unions | None


def join(
    folder: Path,
    *,
    paths: Sequence[str],
    origins: Sequence[str],
    problems: Problems,
    merge: bool = False,
    threads: int = 1,
) -> Joined:
    """Write the tables of a bundle to `folder` from the records spilled there.

    paths, origins: what the numbers in the columns of that name stand for. merge: concepts that exact matches join
    become one, see `ontologies.matches`.

    Raises `SourceError` (no name, unknown concept, bad parents, replacements in a circle) or `BuildError` (nothing to
    link to, or no space).
    """
    books = {"source": pa.array(origins), "term_type": pa.array([str(term_type) for term_type in TermType])}
    try:
        with _database(folder, threads) as database:
            alternates = join_alternates(database)
            unions = unite_concepts(database, paths=paths, origins=origins) if merge else None
            _check_parents(database, paths, problems)
            names, codes, nameless = _check_names(database, paths, problems)
            _check_replacements(database, paths, problems)
            for statement in (_CONCEPTS, _KEPT, _NAMES, _CODES, _BROADER):
                database.execute(statement)
            if not database.execute("FROM names LIMIT 1").fetchall():
                raise BuildError("the sources hold no name to link to; expected at least one concept with a name")
            for name, query in _WRITTEN.items():
                _write_parts(database.sql(query).to_arrow_reader(_BATCH), folder / name, books)
            _write_words(database, folder / "words.arrow")
        for name in _WRITTEN:
            _join_parts(folder / name)
    except (duckdb.Error, OSError, ValueError) as error:  # ValueError: see `write_table`
        raise BuildError(f"{folder}: cannot join the records: {error}") from error
    return Joined(names, codes, nameless, alternates, unions)


@contextmanager
def database_in(scratch: Path, *, threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in bounded memory. What it spills to the folder `scratch` is gone when the context ends."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "threads": threads,
        "temp_directory": str(scratch),
    }
    with duckdb.connect(config=settings) as database:
        yield database
    shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _database(folder: Path, threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with a view of each kind of record."""
    with database_in(folder / "joining", threads=threads) as database:
        for kind in SCHEMAS:
            # The functions that read files take patterns and no parameters in a view.
            path = glob.escape(str(folder / f"{kind}.parquet")).replace("'", "''")
            database.execute(f"CREATE VIEW {kind} AS FROM read_parquet('{path}')")
        yield database


def _rows(database: duckdb.DuckDBPyConnection, query: str) -> Iterator[tuple[Any, ...]]:
    result = database.execute(query)
    while rows := result.fetchmany(_BATCH):
        yield from rows


def _check_parents(database: duckdb.DuckDBPyConnection, paths: Sequence[str], problems: Problems) -> None:
    database.execute(_DEFINED)
    for concept_id, parent, path, line in _rows(database, _MISSING_PARENTS):
        message = (
            f"expected the parent of {concept_id} to be a concept of this build, got {parent}, which no file defines"
        )
        error = SourceError(message, path=paths[path], line=line or None, field="parents")
        problems.found("parents that no source defines", error)
    _suspect(database, _EDGES, "defined")
    left_out = _circular_parents(database, paths, problems) if problems.lenient else []
    database.register("left_out", pa.table({"seq": pa.array(left_out, pa.int64())}))
    database.execute("CREATE TABLE circular_parent AS FROM left_out")
    if not problems.lenient:
        edges = (
            (Concept(concept_id=concept_id, parents=(parent,), line=line), paths[path])
            for concept_id, parent, path, line, *_ in _rows(database, _EDGES_AMONG)
        )
        if circle := circle_among(edges):
            problems.found(CIRCULAR, circle)


def _circular_parents(database: duckdb.DuckDBPyConnection, paths: Sequence[str], problems: Problems) -> list[int]:
    """The parents that lie in circles, of which none can be said to be the broader: by their `seq`."""
    rows = list(_rows(database, _EDGES_AMONG))
    edges = np.array([row[-2:] for row in rows], dtype=np.int64).reshape(-1, 2)
    circular = [row for row, is_circular in zip(rows, in_circles(edges[:, 0], edges[:, 1]), strict=True) if is_circular]
    for concept_id, parent, path, line, *_ in circular:
        message = f"expected no concept to be its own ancestor, got {parent} above {concept_id} and below it"
        problems.found(CIRCULAR, SourceError(message, path=paths[path], line=line or None, field="parents"))
    return [row[-3] for row in circular]


def _check_names(database: duckdb.DuckDBPyConnection, paths: Sequence[str], problems: Problems) -> tuple[int, int, int]:
    """Every id that is named or coded is a concept, and every concept has a name; in the order of the ids.

    Gives how many names and codes have no concept, and retired concepts no name, although nothing is wrong (`Joined`).
    """
    database.execute(_TOLD)
    database.execute(_STRAY)
    for concept_id, path, line, undefined in _rows(database, _UNDEFINED):
        if undefined:
            message = f"names or codes of {concept_id!r}, which no source defines"
            error = SourceError(message, path=paths[path], line=line or None, field="concept_id")
            problems.found("concepts that no source defines", error)
        else:
            message = f"{concept_id!r} has no name; expected at least one"
            error = SourceError(message, path=paths[path], line=line or None, field="name")
            problems.found("concepts without a name", error)
    [(names, codes)], [(nameless,)] = (database.execute(query).fetchall() for query in (_UNCLAIMED, _NAMELESS))
    return names, codes, nameless


def _check_replacements(database: duckdb.DuckDBPyConnection, paths: Sequence[str], problems: Problems) -> None:
    """No id is replaced, in the end, by itself; what leads in a circle all the same is left out."""
    database.execute(_REPLACED)
    _suspect(database, _REPLACEMENT_EDGES, "replaced")
    database.execute(_CIRCULAR)
    rows = database.execute("SELECT concept_id, replaced_by, path, line FROM circular ORDER BY seq").fetchall()
    replaced_by: dict[str, list[str]] = {}
    for old, new, _, _ in rows:
        replaced_by.setdefault(old, []).append(new)
    circle = find_cycle(replaced_by)
    for _, _, path, line in sorted(rows, key=lambda row: row[0] not in circle):
        message = f"expected replacements that end somewhere, got {spelled(circle)}"
        error = SourceError(message, path=paths[path], line=line or None, field="replaced_by")
        problems.found("replacements in a circle", error)


def _suspect(database: duckdb.DuckDBPyConnection, edges: str, nodes: str) -> None:
    """Make the table `suspects` of the rows of `nodes` that a cycle of `edges` has something to do with."""
    found = database.execute(edges).fetchnumpy()
    [(count,)] = database.execute(f"SELECT count(*) FROM {nodes}").fetchall()  # noqa: S608 - a name of ours
    rows = pa.table({"row": below_cycles(np.asarray(found["child"]), np.asarray(found["parent"]), count)})
    database.register("found_suspects", rows)
    database.execute("CREATE OR REPLACE TABLE suspects AS FROM found_suspects")


def _write_parts(reader: pa.RecordBatchReader, path: Path, books: Mapping[str, pa.Array]) -> None:
    """Write batches as they come to an Arrow file of many parts; columns that have a book hold numbers of its texts."""
    schema = TABLES[path.name]
    with pa.OSFile(str(_parts(path)), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in reader:
            columns = [
                books[field.name].take(batch[field.name]) if field.name in books else batch[field.name].cast(field.type)
                for field in schema
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def _write_words(database: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Write what `linker.typos` needs of the words of all names."""
    reader = database.sql(_WORDS, params=[SHORTEST - 1]).to_arrow_reader(_BATCH)
    hashes = np.unique(np.concatenate([word_hashes([]), *(word_hashes(batch["word"].to_pylist()) for batch in reader)]))
    write_table(pa.table([hashes], schema=TABLES[path.name]), path)


def _join_parts(path: Path) -> None:
    """Write the file of many parts as one that can be searched where it lies."""
    write_table(map_table(_parts(path)), path)
    _parts(path).unlink()


def _parts(path: Path) -> Path:
    return path.with_suffix(".parts")
