"""The announced end of a major version of a contract. Pure.

Until the UTC day `ends` both majors are accepted; from its beginning on, intake refuses the old one. The contract stays: rows
that were accepted under it are read by it.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

# What consumers are given at least.
NOTICE_DAYS = 14
# The moments at which consumers are told, in order.
STAGES = ("announced", "halfway", "day_before")


@dataclass(frozen=True, slots=True)
class Retirement:
    """When a major ends, and what comes after it.

    Attributes:
        announced: UTC day of the announcement.
        ends: first UTC day on which its events are refused.
        by: the major that replaces it.
        decision: path of the decision record in the checkout.
    """

    announced: date
    ends: date
    by: int
    decision: str

    def is_over(self, moment: datetime) -> bool:
        """Whether intake refuses the major at this moment."""
        return moment >= _midnight(self.ends)

    def stage(self, moment: datetime) -> str | None:
        """The latest of `STAGES` that has come; None before the announcement and when the major has ended."""
        start, end = _midnight(self.announced), _midnight(self.ends)
        moments = (start, start + (end - start) / 2, end - timedelta(days=1))
        if moment >= end:
            return None
        return next(
            (
                stage
                for stage, begins in zip(reversed(STAGES), reversed(moments), strict=True)
                if begins <= moment
            ),
            None,
        )

    def to_json(self) -> dict[str, Any]:
        """The form in the contract's file and in the bundle."""
        return {
            "announced": self.announced.isoformat(),
            "ends": self.ends.isoformat(),
            "by": self.by,
            "decision": self.decision,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Retirement":
        """Reads what `to_json` wrote."""
        days = {name: date.fromisoformat(document[name]) for name in ("announced", "ends")}
        return cls(**{**document, **days})


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
