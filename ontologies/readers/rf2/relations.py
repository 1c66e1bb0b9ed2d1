"""What leads from one concept to another, or out of SNOMED CT: is-a relationships, historical associations, maps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow.compute as pc

from ontologies.readers.options import Problems
from ontologies.readers.rf2.layout import ASSOCIATION, MAP, RELATIONSHIP, File
from ontologies.readers.rf2.metadata import (
    ASSOCIATIONS,
    CORRELATIONS,
    IS_A,
    MAPS,
    NOT_MAPPABLE,
    PROPERLY_CLASSIFIED,
    STATED,
)
from ontologies.readers.rf2.rows import Numbers, Rows
from ontologies.readers.rf2.states import Codes, Columns, common, latest, stacked, taken
from ontologies.records import Code, Replacement

PREFIX = "SNOMEDCT"
_ALWAYS = ("", "TRUE")
_NO_CATEGORY = -1
_NO_CODE = "#"  # UK maps: #NC not classified, #NIS not in scope
# UK maps write I219 for I21.9, pad a category to I10X, and add D (dagger) or A (asterisk)
_PLAIN_ICD10 = re.compile(r"([A-Z][0-9]{2})(?:X|([0-9]{1,2}))?[AD]?")


def parents(files: Sequence[File], problems: Problems) -> tuple[Numbers, Numbers]:
    """Children and parents of the active is-a relationships, sorted: as inferred or, if there is none, as stated."""
    known = latest(stacked(RELATIONSHIP, files, problems, _is_a))
    known = taken(known, known["active"])
    if not known["stated"].all():
        known = taken(known, ~known["stated"])
    pairs = np.unique(np.stack([known["child"], known["parent"]], axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _is_a(rows: Rows) -> Columns:
    columns = {
        **common(rows),
        "child": rows.numbers["sourceId"],
        "parent": rows.numbers["destinationId"],
        "stated": rows.numbers["characteristicTypeId"] == STATED,
    }
    return taken(columns, rows.numbers["typeId"] == IS_A)


def replacements(files: Sequence[File], active: Numbers, problems: Problems) -> Iterator[Replacement]:
    """What stands for each concept that is not `active` (sorted ids), the surest first."""
    known = latest(stacked(ASSOCIATION, files, problems, _association))
    known = taken(known, known["active"] & ~np.isin(known["concept"], active))
    ranks = {refset: rank for rank, refset in enumerate(ASSOCIATIONS)}
    rank = np.array([ranks[refset] for refset in known["refset"].tolist()], dtype=np.int64)
    known = taken(known, np.lexsort((known["line"], rank, known["concept"])))
    for concept, target, refset, line in _zipped(known, "concept", "target", "refset", "line"):
        yield Replacement(
            concept_id=f"{PREFIX}:{concept}",
            replaced_by=f"{PREFIX}:{target}",
            relation=ASSOCIATIONS[refset],
            line=line,
        )


def _association(rows: Rows) -> Columns:
    columns = {
        **common(rows),
        "refset": rows.numbers["refsetId"],
        "concept": rows.numbers["referencedComponentId"],
        "target": rows.numbers["targetComponentId"],
    }
    return taken(columns, np.isin(columns["refset"], list(ASSOCIATIONS)))


def codes(files: Sequence[File], left_out: Numbers, problems: Problems) -> Iterator[Code]:
    """The codes that maps give to concepts, in the order of the files, but for the concepts `left_out` (sorted ids).

    A map reference set whose vocabulary is not known here is called by its own id.
    """
    targets, relations = Codes(), Codes()
    known = latest(stacked(MAP, files, problems, lambda rows: _map(rows, targets, relations)))
    has_code = np.array([bool(text) and not text.startswith(_NO_CODE) for text in targets.texts], dtype=bool)
    has_relation = np.array([bool(text) for text in relations.texts], dtype=bool)
    told = known["active"] & has_code[known["target"]] & has_relation[known["relation"]]
    known = taken(known, told & ~np.isin(known["concept"], left_out))
    known = taken(known, np.lexsort((known["line"], known["file"])))
    for concept, refset, target, relation, line in _zipped(known, "concept", "refset", "target", "relation", "line"):
        yield Code(
            concept_id=f"{PREFIX}:{concept}",
            system=(system := MAPS.get(refset, str(refset))),
            code=_spelled(system, targets.texts[target]),
            relation=relations.texts[relation],
            line=line,
        )


def _spelled(system: str, target: str) -> str:
    """A code as its vocabulary writes it.

    >>> _spelled("ICD10", "H360A"), _spelled("ICD10", "I10X"), _spelled("ICD10", "I21.9"), _spelled("OPCS4", "K401")
    ('H36.0', 'I10', 'I21.9', 'K401')
    """
    plain = _PLAIN_ICD10.fullmatch(target) if system == "ICD10" else None
    return target if plain is None else ".".join(filter(None, plain.groups()))


def _map(rows: Rows, targets: Codes, relations: Codes) -> Columns:
    nothing = np.zeros(len(rows.lines), dtype=np.int64)
    rule = rows.texts.get("mapRule")
    is_conditional = nothing if rule is None else np.array([text.strip() not in _ALWAYS for text in rule.to_pylist()])
    correlation = rows.numbers.get("correlationId", nothing)
    category = rows.numbers.get("mapCategoryId", nothing)
    if rule is not None:
        category = np.where(category == 0, _NO_CATEGORY, category)
    grounds = np.stack([is_conditional, correlation, category], axis=1).astype(np.int64)
    distinct, place = np.unique(grounds, axis=0, return_inverse=True)
    relation = np.array([relations.code(_relation(*ground)) for ground in distinct.tolist()], dtype=np.int32)
    return {
        **common(rows),
        "refset": rows.numbers["refsetId"],
        "concept": rows.numbers["referencedComponentId"],
        "target": targets.encode(pc.utf8_trim_whitespace(rows.texts["mapTarget"])),
        "relation": relation[place.reshape(-1)],
    }


def _relation(is_conditional: int, correlation: int, category: int) -> str:
    """An SSSOM predicate, "" where there is nothing to map to.

    category: of an extended map, `_NO_CATEGORY` of a complex one, 0 of a simple one: of codes that mean about the same.
    """
    if correlation in NOT_MAPPABLE:
        return ""
    if is_conditional:  # on age, sex or another finding
        return "skos:relatedMatch"
    if correlation in CORRELATIONS:
        return CORRELATIONS[correlation]
    if category == PROPERLY_CLASSIFIED:  # the concept falls into the class of this code
        return "skos:broadMatch"
    return "skos:relatedMatch" if category else "skos:closeMatch"


def _zipped(columns: Columns, *names: str) -> Iterator[tuple[int, ...]]:
    return zip(*(columns[name].tolist() for name in names), strict=True)
