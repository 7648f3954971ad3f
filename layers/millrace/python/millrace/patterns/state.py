"""Events that are steps, by key, in rows of Analytics: a set, to which adding twice is nothing.

`org#pattern-state#<pattern>@<version>#<key>` / `<UTC µs>#<step>#<event>`.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta

import orjson

from millrace.core import clock, keys
from millrace.core.table import Item, Table
from millrace.patterns.definition import Pattern
from millrace.patterns.judge import Fact
from millrace.patterns.reading import Hit

# A metric: keys of which an evaluation did not look at every event.
KEYS_CUT = "PatternKeysCut"
# Events of a key that one evaluation looks at, the latest ones.
MOST_FACTS = 500
# Beyond the time in which an event may still be delivered again.
_KEPT = timedelta(days=2)
_LONGEST_KEY = 400


class PatternState:
    """Writes and reads them."""

    def __init__(self, analytics: Table) -> None:
        self._analytics = analytics

    def add(self, hits: Sequence[tuple[str, Hit]]) -> None:
        """Keeps the events of tenants.

        Raises:
            MillraceError: not every event is kept.
        """
        rows = {
            (row["metricKey"]["S"], row["tileKey"]["S"]): row for row in (_row(org, hit) for org, hit in hits)
        }
        self._analytics.write_all([*rows.values()], doing="keep steps")

    def around(self, org: str, pattern: Pattern, key: str, first: int, last: int) -> Iterator[Fact]:
        """Those that may be in one match with events between two moments, the latest ones.

        Args:
            org: the tenant.
            pattern: the pattern.
            key: what joins them.
            first: microseconds since 1970.
            last: likewise.

        Raises:
            MillraceError: the table did not answer.
        """
        rows = self._analytics.query(
            "metricKey = :key AND tileKey BETWEEN :low AND :high",
            {
                ":key": {"S": _key(org, pattern, key)},
                ":low": {"S": _moment(first, -pattern.within)},
                # Behind every key of this moment.
                ":high": {"S": f"{_moment(last, pattern.within)}~"},
            },
            consistent=True,
            newest_first=True,
            most=MOST_FACTS,
            doing="read steps",
        )
        return map(_fact, rows)


def _row(org: str, hit: Hit) -> Item:
    fact = hit.fact
    row: Item = {
        "metricKey": {"S": _key(org, hit.pattern, hit.key)},
        "tileKey": {"S": f"{_moment(fact.micros)}#{fact.step}#{fact.event_id}"},
        "received": {"N": str(fact.received)},
        "expiresAt": {"N": str(max(fact.received, fact.micros) // 1_000_000 + _seconds(hit.pattern))},
    }
    if fact.values:
        row["values"] = {"S": orjson.dumps(dict(fact.values)).decode()}
    return row


def _seconds(pattern: Pattern) -> int:
    return int((pattern.within + _KEPT).total_seconds())


def _fact(row: Item) -> Fact:
    moment, step, event_id = row["tileKey"]["S"].split(keys.SEPARATOR, 2)
    values = orjson.loads(row["values"]["S"]) if "values" in row else {}
    micros = clock.epoch_micros(clock.parse(moment))
    return Fact(micros, event_id, int(step), int(row["received"]["N"]), tuple(sorted(values.items())))


def _moment(micros: int, shift: timedelta = timedelta()) -> str:
    return clock.utc_micros(clock.from_epoch_micros(micros) + shift)


def _key(org: str, pattern: Pattern, key: str) -> str:
    return keys.join(org, "pattern-state", pattern.ref, short(key))


def short(key: str) -> str:
    """A key as a part of one of DynamoDB's, which have 2,048 bytes."""
    return key if len(key.encode()) <= _LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()
