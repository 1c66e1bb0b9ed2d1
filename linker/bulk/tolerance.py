"""How many notes of a job may have errors before it is stopped: as many a sign of a wrong input as of bad notes."""

from __future__ import annotations

from dataclasses import dataclass

from linker.bulk.summary import Summary
from linker.errors import InvalidInput, JobError

_FINISHED = "The job is finished, and its output says which they are; docs/bulk.md says what each error means"
_STOPPED = "The job was stopped; what is finished is kept, and the same command goes on with a higher --max-errors"
_ENOUGH = 1000  # notes of which a share says something


@dataclass(frozen=True, slots=True)
class Tolerance:
    """share: of notes, in [0, 1]. count: of notes; None for any."""

    share: float = 1.0
    count: int | None = None

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """From "5%" or "100". Raises `InvalidInput`.

        >>> Tolerance.parse("5%"), Tolerance.parse("100")
        (Tolerance(share=0.05, count=None), Tolerance(share=1.0, count=100))
        """
        try:
            tolerance = cls(share=float(text[:-1]) / 100) if text.endswith("%") else cls(count=int(text))
        except ValueError:
            tolerance = cls(share=-1.0)
        if not 0.0 <= tolerance.share <= 1.0 or (tolerance.count or 0) < 0:
            raise InvalidInput(
                f"expected a share such as 5% or a count such as 100, got {text!r}", field="--max-errors"
            )
        return tolerance

    def check(self, summary: Summary, *, is_over: bool = False) -> None:
        """Raise `JobError` where there are more errors. A share is not judged before 1,000 notes, or the end."""
        errors = summary.errors.total()
        is_judged = is_over or summary.notes >= _ENOUGH
        if (self.count is None or errors <= self.count) and (not is_judged or errors <= self.share * summary.notes):
            return
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in summary.errors.most_common())
        raise JobError(
            f"{errors:,} of {summary.notes:,} notes have errors ({kinds}), more than --max-errors allows. "
            + (_FINISHED if is_over else _STOPPED)
        )


ANY = Tolerance()
