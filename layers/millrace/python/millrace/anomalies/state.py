"""What is kept of a watch of a tenant between two runs: one row of Analytics, `org#anomalies#<watch>@<version>` / `state`.

It can be lost: what is expected follows from the aggregate's past, and only the episodes that were open would begin anew.
"""

import zlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

import orjson

from millrace.anomalies.episodes import Episode
from millrace.anomalies.judge import DRIFT_HOURS, Finding, Norm
from millrace.anomalies.watch import Kind, Watch
from millrace.core import clock, keys
from millrace.core.table import Item, Table

_KEPT = timedelta(days=7)


@dataclass(slots=True)
class State:
    """Of a watch of a tenant.

    Attributes:
        judged: the last epoch hour that was judged.
        start: the epoch hour from which on the norms are.
        norms: what is expected, by key.
        episodes: those that are open, by key.
    """

    judged: int
    start: int
    norms: dict[str, Norm] = field(default_factory=dict)
    episodes: dict[str, Episode] = field(default_factory=dict)


class States:
    """Reads and writes them."""

    def __init__(self, analytics: Table) -> None:
        self._analytics = analytics

    def get(self, org: str, watch: Watch) -> State | None:
        """The state of a watch of a tenant; None at first.

        Raises:
            MillraceError: the table did not answer.
        """
        row = self._analytics.get(_key(org, watch), consistent=True, doing="read state of a watch")
        return None if row is None else _unpack(bytes(row["state"]["B"]))

    def put(self, org: str, watch: Watch, state: State) -> None:
        """Stores a state. Two runs at once store the same.

        Raises:
            MillraceError: the table did not take it.
        """
        expires = clock.from_epoch_millis(state.judged * 3_600_000) + _KEPT
        item: Item = {
            **_key(org, watch),
            "state": {"B": _pack(state)},
            "expiresAt": {"N": str(clock.epoch(expires))},
        }
        self._analytics.put(item, doing="keep state of a watch")


def _key(org: str, watch: Watch) -> Item:
    name = keys.join(org, "anomalies", f"{watch.name}@{watch.version}")
    return {"metricKey": {"S": name}, "tileKey": {"S": "state"}}


def _pack(state: State) -> bytes:
    norms = {
        key: {
            **asdict(norm),
            "recent": [_rounded(pair) for pair in norm.recent],
            "expected": _rounded(norm.expected),
        }
        for key, norm in state.norms.items()
    }
    return zlib.compress(
        orjson.dumps(
            {
                "judged": state.judged,
                "start": state.start,
                "norms": norms,
                "episodes": [asdict(one) for one in state.episodes.values()],
            }
        )
    )


def _rounded(values: Iterable[float | None]) -> list[float | None]:
    return [None if value is None else round(value, 3) for value in values]


def _unpack(packed: bytes) -> State:
    document: Mapping[str, Any] = orjson.loads(zlib.decompress(packed))
    norms = {
        key: Norm(**{**one, "recent": deque(map(tuple, one["recent"]), maxlen=DRIFT_HOURS)})
        for key, one in document["norms"].items()
    }
    episodes = {one["key"]: _episode(one) for one in document["episodes"]}
    return State(document["judged"], document["start"], norms, episodes)


def _episode(one: Mapping[str, Any]) -> Episode:
    worst = one["worst"]
    return Episode(
        **{**one, "kind": Kind(one["kind"]), "worst": Finding(**{**worst, "kind": Kind(worst["kind"])})}
    )
