"""What a check came to."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check on the rows of one tenant (and day) of a table. `failed` rows of `rows`.

    `value` is what a check measures besides: of `freshness` the newest row, in milliseconds since 1970.
    """

    check: str
    severity: Literal["blocking", "warning"]
    failed: int
    rows: int
    value: int | None = None

    @property
    def status(self) -> Literal["pass", "warn", "fail"]:
        """`fail` stops the commit of its tenant-day, `warn` is reported."""
        if self.failed == 0:
            return "pass"
        return "fail" if self.severity == "blocking" else "warn"
