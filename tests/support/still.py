"""A clock that stands still for the platform's code."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from unittest.mock import patch

from millrace.core import clock


@contextmanager
def standing_still(now: datetime) -> Iterator[None]:
    """Everything happens at one moment: what two worlds make of the same events can be compared."""

    class Still(datetime):
        @classmethod
        def now(cls, _: object = None) -> datetime:  # type: ignore[override]
            return now

    # Below `now`, because some hold that function itself.
    with patch.object(clock, "datetime", Still):
        yield
