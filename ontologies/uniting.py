"""Makes one concept of those that exact matches join, in the database where records are joined.

`ontologies.matches` decides; here its evidence is gathered, and what it decided is put between the records as they
were told (`told_name`, ...) and all that reads them (`name`, ...). What is one has the id of the first vocabulary, all
names, codes and semantic types, the ids of the others as codes, and their ids lead to it (a replacement). Its parents
are those that the first vocabulary with a hierarchy gives it, so that two hierarchies cannot form a circle.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from linker.identifiers import split_curie
from ontologies.matches import EXACT, Pair, Unions, unite

# Ranks are those of `TermType`: 0 is a preferred name, 2 a synonym, 3 a related one, which does not name the concept.
_LIVE = """
    CREATE TEMP TABLE live AS
    SELECT concept_id, split_part(concept_id, ':', 1) AS vocabulary, min(seq) AS seq
    FROM concept WHERE contains(concept_id, ':') GROUP BY concept_id HAVING NOT bool_and(retired)
"""
_ORDER = "CREATE TEMP TABLE vocabularies AS SELECT vocabulary, min(seq) AS place FROM live GROUP BY vocabulary"
# A match in either direction, told once or often, is one pair; the first that tells it is where it comes from.
_PAIRS = """
    CREATE TEMP TABLE pairs AS
    SELECT one, other, min(seq) AS seq, arg_min(origin, seq) AS origin, arg_min_null(confidence, seq) AS confidence,
        arg_min(path, seq) AS path, arg_min(line, seq) AS line
    FROM (
        SELECT c.seq, c.origin, c.confidence, c.path, c.line, v.place < w.place AS forward,
            if(forward, a.concept_id, b.concept_id) AS one, if(forward, b.concept_id, a.concept_id) AS other
        FROM code c JOIN live a USING (concept_id) JOIN live b ON b.concept_id = c.system || ':' || c.code
            JOIN vocabularies v ON v.vocabulary = a.vocabulary JOIN vocabularies w ON w.vocabulary = b.vocabulary
            SEMI JOIN exact USING (relation)
        WHERE v.vocabulary <> w.vocabulary
    ) GROUP BY one, other
"""
_SPOKEN = """
    CREATE TEMP TABLE spoken AS
    SELECT concept_id, arg_min(name, (rank, seq)) AS name, arg_min(key, (rank, seq)) AS key
    FROM name SEMI JOIN (SELECT one AS concept_id FROM pairs UNION SELECT other FROM pairs) USING (concept_id)
    WHERE key <> '' AND rank < 3 GROUP BY concept_id
"""
_AGREEING = """
    CREATE TEMP TABLE agreeing AS
    SELECT DISTINCT p.seq
    FROM pairs p JOIN name n ON n.concept_id = p.one JOIN name m ON m.concept_id = p.other AND m.key = n.key
    WHERE n.key <> '' AND n.rank < 3 AND m.rank < 3
"""
_CONTRADICTED = """
    CREATE TEMP TABLE contradicted AS
    WITH doubtful AS (
        SELECT seq, one AS named, other AS claimed FROM pairs ANTI JOIN agreeing USING (seq)
        UNION ALL SELECT seq, other, one FROM pairs ANTI JOIN agreeing USING (seq)
    )
    SELECT DISTINCT d.seq
    FROM doubtful d JOIN spoken s ON s.concept_id = d.named JOIN live claimed ON claimed.concept_id = d.claimed
        JOIN name n ON n.key = s.key AND n.concept_id <> d.claimed AND n.rank < 3
        JOIN live third ON third.concept_id = n.concept_id AND third.vocabulary = claimed.vocabulary
"""
_EVIDENCE = """
    SELECT one, other, p.origin, p.path, p.line, c.seq IS NOT NULL, coalesce(s.name, ''), coalesce(t.name, '')
    FROM pairs p LEFT JOIN contradicted c USING (seq)
        LEFT JOIN spoken s ON s.concept_id = one LEFT JOIN spoken t ON t.concept_id = other
    ORDER BY p.seq
"""
# Preferred names in a language in which a vocabulary before theirs has one.
_DEMOTED = """
    CREATE TABLE demoted AS
    SELECT DISTINCT concept_id, language FROM (
        SELECT concept_id, language, place > min(place) OVER (PARTITION BY becomes, language) AS later
        FROM told_name JOIN united USING (concept_id) WHERE rank = 0
    ) WHERE later
"""
# The id of each concept that has become another, as a code of that one.
_CODES = """
    CREATE TABLE united_codes AS
    WITH agreed AS (
        SELECT p.* FROM pairs p JOIN united u ON u.concept_id = p.one
            JOIN united v ON v.concept_id = p.other AND v.becomes = u.becomes
    ), told AS (
        SELECT one AS concept_id, seq, origin, confidence, path, line FROM agreed UNION ALL
        SELECT other, seq, origin, confidence, path, line FROM agreed
    )
    SELECT t.*, becomes, system, code FROM told t JOIN united u USING (concept_id) WHERE concept_id <> becomes
"""
_RENAMED = """
    CREATE VIEW {kind} AS
    SELECT t.* REPLACE (coalesce(u.becomes, t.concept_id) AS concept_id)
    FROM told_{kind} t LEFT JOIN united u ON u.concept_id = t.concept_id
"""
_VIEWS = {
    "concept": _RENAMED,
    "semantic_type": _RENAMED,
    "parent": """
        CREATE VIEW parent AS
        SELECT t.* REPLACE (coalesce(u.becomes, t.concept_id) AS concept_id, coalesce(v.becomes, t.parent) AS parent)
        FROM told_parent t LEFT JOIN united u ON u.concept_id = t.concept_id
            LEFT JOIN united v ON v.concept_id = t.parent
        WHERE coalesce(u.gives_parents, true) AND coalesce(u.becomes, t.concept_id) <> coalesce(v.becomes, t.parent)
    """,
    "name": """
        CREATE VIEW name AS
        SELECT t.* REPLACE (
            coalesce(u.becomes, t.concept_id) AS concept_id,
            CASE WHEN rank = 0 AND d.concept_id IS NOT NULL THEN 2 ELSE rank END::TINYINT AS rank
        )
        FROM told_name t LEFT JOIN united u ON u.concept_id = t.concept_id
            LEFT JOIN demoted d ON d.concept_id = t.concept_id AND d.language = t.language
    """,
    "code": """
        CREATE VIEW code AS
        SELECT t.* REPLACE (coalesce(u.becomes, t.concept_id) AS concept_id)
        FROM told_code t LEFT JOIN united u ON u.concept_id = t.concept_id
        WHERE u.becomes IS NULL OR u.becomes <> t.system || ':' || t.code
        UNION ALL
        SELECT seq, becomes, system, code, 'skos:exactMatch', origin, confidence, path, line FROM united_codes
    """,
    "replacement": """
        CREATE VIEW replacement AS
        SELECT t.* REPLACE (coalesce(u.becomes, t.replaced_by) AS replaced_by)
        FROM told_replacement t LEFT JOIN united u ON u.concept_id = t.replaced_by
        WHERE t.concept_id <> coalesce(u.becomes, t.replaced_by)
        UNION ALL
        SELECT -u.row, u.concept_id, u.becomes, 'skos:exactMatch', 0, 0 FROM united u WHERE u.concept_id <> u.becomes
    """,
}


def unite_concepts(database: duckdb.DuckDBPyConnection, *, paths: Sequence[str], origins: Sequence[str]) -> Unions:
    """Make the views of the records say what they say of concepts that are one; which are, and what is in conflict.

    paths, origins: what the numbers in the columns of that name stand for.
    """
    database.register("exact", pa.table({"relation": EXACT}))
    for statement in (_LIVE, _ORDER, _PAIRS, _SPOKEN, _AGREEING, _CONTRADICTED):
        database.execute(statement)
    pairs = [
        Pair(
            one=one,
            other=other,
            contradicted=contradicted,
            one_name=one_name,
            other_name=other_name,
            source=origins[origin],
            place=f"{paths[path]}:{line}" if line else paths[path],
        )
        for one, other, origin, path, line, contradicted, one_name, other_name in database.execute(_EVIDENCE).fetchall()
    ]
    order = dict(database.execute("SELECT vocabulary, place FROM vocabularies").fetchall())
    unions = unite(pairs, order)
    hierarchies = database.execute("SELECT DISTINCT split_part(concept_id, ':', 1) FROM parent").fetchall()
    database.register("unions", _table(unions, {vocabulary for (vocabulary,) in hierarchies}))
    database.execute("CREATE TABLE united AS FROM unions")
    for kind in _VIEWS:
        database.execute(f"ALTER VIEW {kind} RENAME TO told_{kind}")
    database.execute(_DEMOTED)
    database.execute(_CODES)
    for kind, view in _VIEWS.items():
        database.execute(view.format(kind=kind))
    return unions


def _table(unions: Unions, hierarchies: set[str]) -> pa.Table:
    rows: list[tuple[object, ...]] = []
    for members in unions.members:
        above = next((i for i in members if split_curie(i)[0] in hierarchies), members[0])
        for place, concept_id in enumerate(members):
            system, code = split_curie(concept_id)
            rows.append((len(rows) + 1, concept_id, members[0], place, concept_id == above, system, code))
    columns = list(zip(*rows, strict=True)) or [()] * 7
    schema = pa.schema(
        {
            "row": pa.int64(),
            "concept_id": pa.string(),
            "becomes": pa.string(),
            "place": pa.int32(),
            "gives_parents": pa.bool_(),
            "system": pa.string(),
            "code": pa.string(),
        }
    )
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )
