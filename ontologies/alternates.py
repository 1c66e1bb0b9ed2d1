"""Makes one concept of bare ids that have the very same names: alternate ids of one thing, as in CTD's MEDIC.

Tables made from such a release give a concept once under each of its ids, "D001943" and "114480". Nothing tells those
rows apart, so that every mention of them would be ambiguous for ever. They become `114480|D001943`, as in the
dictionaries of BioSyn (Sung et al., ACL 2020), and either id finds it. Two names at least have to agree, and whatever
else is told of an id (a type, a parent, a code, a definition, a vocabulary before a colon) keeps it apart.
"""

from __future__ import annotations

import duckdb

_PLAIN = """
    CREATE TEMP TABLE plain AS
    SELECT concept_id FROM concept WHERE NOT contains(concept_id, ':') AND NOT contains(concept_id, '|')
    GROUP BY concept_id HAVING NOT bool_or(retired) AND coalesce(max(definition), '') = ''
    EXCEPT SELECT concept_id FROM semantic_type
    EXCEPT SELECT concept_id FROM code
    EXCEPT (SELECT concept_id FROM parent UNION ALL SELECT parent FROM parent)
    EXCEPT (SELECT concept_id FROM replacement UNION ALL SELECT replaced_by FROM replacement)
"""
_ALTERNATES = """
    CREATE TABLE alternates AS
    WITH named AS (
        SELECT concept_id, md5(string_agg(DISTINCT entry, chr(10) ORDER BY entry)) AS names
        FROM (SELECT concept_id, key, key || chr(9) || language || chr(9) || rank AS entry FROM name WHERE key <> '')
            SEMI JOIN plain USING (concept_id)
        GROUP BY concept_id HAVING count(DISTINCT key) > 1
    ), groups AS (SELECT names, string_agg(concept_id, '|' ORDER BY concept_id) AS ids FROM named GROUP BY names)
    SELECT concept_id, ids FROM named JOIN groups USING (names) WHERE ids <> concept_id
"""
_VIEW = """
    CREATE VIEW {kind} AS
    SELECT t.* REPLACE (coalesce(a.ids, t.concept_id) AS concept_id)
    FROM lone_{kind} t LEFT JOIN alternates a ON a.concept_id = t.concept_id
"""


def join_alternates(database: duckdb.DuckDBPyConnection) -> int:
    """Give rows of alternate ids the id that is all of them; how many ids that are."""
    database.execute(_PLAIN)
    database.execute(_ALTERNATES)
    [(count,)] = database.execute("SELECT count(*) FROM alternates").fetchall()
    for kind in ("concept", "name") if count else ():
        database.execute(f"ALTER VIEW {kind} RENAME TO lone_{kind}")
        database.execute(_VIEW.format(kind=kind))
    return int(count)
