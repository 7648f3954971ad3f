"""Online rows as a batch of transactions reads them. Pure.

They say what `features.rows.parse_row` says; what is the same for every row of a view is reckoned once a minute, when its
marker is read.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

import orjson

from millrace.core import clock
from millrace.features.rows import Marker, defaults, microseconds, since
from millrace.features.view import FeatureView

Values = Mapping[str, Any]
"""Feature → value, of one view and entity."""
Item = Mapping[str, Mapping[str, Any]]
NEVER = 0.0
_SECOND = 1e6


def known_until(view: FeatureView, marker: Marker | None) -> float:
    """Until when a view's rows may be used, in seconds since 1970.

    For its `ttl` from the moment on until which it is complete. A view that was never complete, or is so by another
    definition, is of no use: what its rows do not have may only not have been counted.
    """
    if marker is None or marker.as_of is None or marker.digest != view.digest:
        return NEVER
    return (clock.parse(marker.as_of) + timedelta(microseconds=view.ttl_us)).timestamp()


class RowReader:
    """Reads the rows of one view, for one tenant, until the next marker."""

    def __init__(self, view: FeatureView, marker: Marker | None) -> None:
        """`marker` is of a view that is in use; without one every row is as it was written."""
        self.defaults: Values = defaults(view)
        self._version = view.version
        self._whole = (marker.whole_at if marker else None) or ""
        self._complete = (marker.as_of if marker else None) or ""
        self._complete_us = microseconds(clock.parse(self._complete)) if self._complete else 0
        self._since = since(view)

    def values(self, item: Item | None) -> Values | None:
        """Every feature of the view; None if the row is of another version of it.

        Args:
            item: as DynamoDB gives it; None where nobody has seen the entity.
        """
        if item is None or "values" not in item:
            return self.defaults
        written = item["asOf"]["S"]
        # Text order is time order. What is older than when every row was written is of nobody.
        if written < self._whole:
            return self.defaults
        if item["version"]["S"] != self._version:
            return None
        found: dict[str, Any] = orjson.loads(item["values"]["S"])
        if len(found) != len(self.defaults):
            found = {**self.defaults, **found}
        if self._since and written < self._complete:
            for name in self._since:
                seconds = found[name]
                if seconds is not None:
                    passed = self._complete_us - _microseconds(written)
                    found[name] = (passed + round(seconds * _SECOND)) / _SECOND
        return found


@lru_cache(maxsize=1024)
def _microseconds(text: str) -> int:
    """Of a moment; the rows of one run share theirs."""
    return microseconds(clock.parse(text))
