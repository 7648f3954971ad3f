"""What bringing features online writes for users who pay now and then, recorded for `millrace cost`."""

import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from millrace.features import views as feature_views
from tests.support.payers import START, TABLE, Payers

# Profile → users, and payments of one a day.
RATES: Mapping[str, tuple[int, float]] = {
    "paid.daily": (30, 1.0),
    "paid.weekly": (120, 1 / 7),
    "paid.monthly": (300, 1 / 30),
}
EVERY = timedelta(hours=6)
# Rows that the first run has written have all their changes before them; it takes a while until they are like those of any day.
BEFORE, COUNTED = timedelta(days=15), timedelta(days=30)


def trace(profile: str, before: timedelta = BEFORE, counted: timedelta = COUNTED) -> dict[str, Any]:
    """The rows of users, written by runs over some weeks; `events`: payments, of which those of a user between two runs are one."""
    users, a_day = RATES[profile]
    with tempfile.TemporaryDirectory() as folder:
        days = (before + counted) / timedelta(days=1)
        payers = Payers(feature_views.load(), Path(folder), users=users, a_day=a_day, days=days)
        payers.run(START)
        for number in range(1, before // EVERY + 1):
            payers.run(START + number * EVERY)
        payers.store.rows.clear()
        payers.store.units.clear()
        first = payers.now
        for number in range(1, counted // EVERY + 1):
            payers.run(first + number * EVERY)
        store = payers.store
        events = payers.paid(first, first + counted, EVERY)
    return {
        "profile": profile,
        "function": "materialize_features",
        "events": events,
        "usage": {"dynamodb.write": store.units["user"]},
        "calls": {"PutItem": store.rows["user"]},
        # Its time is in the path `etl`.
        "cpuMs": 0,
        "logBytes": 0,
        "stored": {TABLE: {"byteDays": store.bytes_of("user") * (counted // timedelta(days=1))}},
        "objects": {},
    }
