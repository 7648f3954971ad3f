"""Months, quarters and years of UTC, as releases are named by them: `2026-10`, `2026-Q4`, `2026`. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from millrace.anonymised.definition import Each

_FORMS: dict[Each, re.Pattern[str]] = {
    "month": re.compile(r"(\d{4})-(0[1-9]|1[0-2])"),
    "quarter": re.compile(r"(\d{4})-Q([1-4])"),
    "year": re.compile(r"(\d{4})"),
}
_MONTHS: dict[Each, int] = {"month": 1, "quarter": 3, "year": 12}
EXAMPLES: dict[Each, str] = {"month": "2026-10", "quarter": "2026-Q4", "year": "2026"}


@dataclass(frozen=True, slots=True)
class Period:
    """From its first moment to the one after its last."""

    name: str
    begins: datetime
    ends: datetime


def parse(each: Each, text: str) -> Period:
    """The period of that name.

    Raises:
        ValueError: it is the name of none.
    """
    found = _FORMS[each].fullmatch(text)
    year = int(found[1]) if found else 0
    if found is None or not 1 <= year < 9999:
        raise ValueError(f"a period is a {each}, such as {EXAMPLES[each]}")
    months = _MONTHS[each]
    first = 1 if each == "year" else (int(found[2]) - 1) * months + 1
    after = first + months
    ends = datetime(year + (after > 12), after - 12 if after > 12 else after, 1, tzinfo=UTC)
    return Period(text, datetime(year, first, 1, tzinfo=UTC), ends)
