"""`linker train gold`: what a person made of review sheets, as gold mentions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from linker.bulk.review import Reviewed, read_review
from linker.bundles import DEFAULT
from linker.cli.shared import BundleOption, open_terminology
from linker.console import stdout
from linker.errors import InvalidInput
from linker.publishing import publish_file
from linker.terminology import Terminology

_SHOWN = 5  # rows of an error


def gold(
    sheets: Annotated[
        list[Path], typer.Argument(metavar="SHEET...", help="review.csv or review.xlsx of `linker bulk --terms`.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Gold mentions as JSON lines.")],
    bundle: BundleOption = DEFAULT,
) -> None:
    """Make gold mentions of review sheets that a person has corrected.

    The column correct_id has the id of the right concept, several separated by |, NIL where none is, or ok where the
    answer is right; rows without are left out. Every id has to be one of the bundle.

      linker train gold coded/review.xlsx --out reviewed.jsonl

      linker evaluate reviewed.jsonl

    A recipe of `linker train crossencoder` takes the file as it takes any corpus, and so does `linker train calibrate`;
    but the sheet has what the linker is least sure of. Fit the confidence on a sheet of --review-below 1, or beside
    another corpus.
    """
    reviewed = _distinct(row for sheet in sheets for row in read_review(sheet))
    if not reviewed:
        raise InvalidInput("no row has a correct_id yet", field=", ".join(map(str, sheets)))
    _check(reviewed, open_terminology(bundle))
    try:
        with publish_file(out) as file:
            file.write_text("".join(f"{_line(row)}\n" for row in reviewed.values()), "utf-8")
    except OSError as error:
        raise InvalidInput(f"cannot be written: {error.strerror}", field=str(out)) from error
    nil = sum(not row.gold for row in reviewed.values())
    stdout().print(
        f"{out}: {len(reviewed):,} mentions, {nil:,} of them NIL. Next: linker evaluate {out}", soft_wrap=True
    )


def _distinct(rows: Iterable[Reviewed]) -> Mapping[str, Reviewed]:
    """By their terms. Raises `InvalidInput` where two rows disagree."""
    found: dict[str, Reviewed] = {}
    for row in rows:
        other = found.setdefault(row.term, row)
        if set(other.gold) != set(row.gold):
            raise InvalidInput(f"says otherwise than {other.place} of the same term", field=row.place)
    return found


def _check(reviewed: Mapping[str, Reviewed], terminology: Terminology) -> None:
    known = terminology.concepts_by_id({concept_id for row in reviewed.values() for concept_id in row.gold})
    wrong = [row for row in reviewed.values() if not known.keys() >= set(row.gold)]
    if wrong:
        places = "; ".join(f"{row.place}: {'|'.join(sorted(set(row.gold) - known.keys()))}" for row in wrong[:_SHOWN])
        more = f"; and {len(wrong) - _SHOWN:,} more" if len(wrong) > _SHOWN else ""
        message = f"expected ids of the bundle, as `linker search` shows them, got {places}{more}"
        raise InvalidInput(message, field="correct_id")


def _line(row: Reviewed) -> str:
    mention = {"mention": row.term, "gold": list(row.gold)}
    return json.dumps({"doc_id": row.key, "text": None, "mentions": [mention]}, ensure_ascii=False)
