"""A mapping between two concepts as rows of a crosswalk: for its subject and, turned round, for its object.

Which of the two a bundle holds is not known while a mapping is read, so both are told unless `Options.sources` names
the prefixes of what is built. Predicates: SKOS Reference, section 10 (https://www.w3.org/TR/skos-reference/#mapping);
those without an inverse here are told for the subject alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from linker.identifiers import canonical_prefix
from ontologies.readers.options import Options
from ontologies.records import Code

_INVERSES = {
    "skos:exactMatch": "skos:exactMatch",
    "skos:closeMatch": "skos:closeMatch",
    "skos:relatedMatch": "skos:relatedMatch",
    "skos:broadMatch": "skos:narrowMatch",
    "skos:narrowMatch": "skos:broadMatch",
    "oboInOwl:hasDbXref": "oboInOwl:hasDbXref",
    "owl:equivalentClass": "owl:equivalentClass",
    "owl:sameAs": "owl:sameAs",
}

Pair = tuple[str, str]  # vocabulary and code


def codes_of(
    subject: Pair, predicate: str, target: Pair, line: int, options: Options, *, confidence: float | None = None
) -> Iterator[Code]:
    """The mapping as it is told of its subject, and of its target."""
    told = [(subject, predicate, target)]
    if predicate in _INVERSES:
        told.append((target, _INVERSES[predicate], subject))
    built = {canonical_prefix(source) for source in options.sources}
    for (prefix, local), relation, (system, code) in told:
        if not built or prefix in built:
            yield Code(
                concept_id=f"{prefix}:{local}",
                system=system,
                code=code,
                relation=relation,
                confidence=confidence,
                line=line,
            )
