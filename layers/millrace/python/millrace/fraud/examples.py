"""Examples of a back-test: the transactions of most money that rules catch, miss, or stop in error."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from millrace.core import clock
from millrace.fraud.backtest import Judged, Row

# Of each kind.
MOST = 10
CAUGHT, MISSED, IN_ERROR = "caught", "missed", "stoppedInError"
# Against a baseline: (is fraud, the rules alert) of what the baseline decides the other way.
AGAINST = {
    (True, True): "newlyCaught",
    (True, False): "newlyMissed",
    (False, True): "newlyStoppedInError",
    (False, False): "noLongerStoppedInError",
}


class Examples:
    """Collects them; memory does not grow with the rows."""

    def __init__(self, alert_from: int, baseline_from: int | None = None) -> None:
        """`alert_from` is the lowest score of an alert, by the rules and by the baseline."""
        self._from, self._baseline_from = alert_from, baseline_from
        kinds = (CAUGHT, MISSED, IN_ERROR) + (() if baseline_from is None else tuple(AGAINST.values()))
        self._found: dict[str, list[tuple[float, int, Row, Judged]]] = {kind: [] for kind in kinds}
        self._counts = dict.fromkeys(kinds, 0)
        self._order = count(0, -1)

    def add(
        self, rows: Iterable[Row], judged: Iterable[Judged], baseline: Sequence[Judged] | None = None
    ) -> None:
        """Looks at rows with what the rules, and the baseline, make of them."""
        for number, (row, judgement) in enumerate(zip(rows, judged, strict=True)):
            fraud, alert = row.is_fraud is True, judgement[0] >= self._from
            if fraud or alert:
                self._keep(CAUGHT if fraud and alert else MISSED if fraud else IN_ERROR, row, judgement)
            if baseline is not None and self._baseline_from is not None:
                before = baseline[number]
                if (before[0] >= self._baseline_from) != alert:
                    # Why an alert is raised: where the rules no longer raise it, the baseline says so.
                    self._keep(AGAINST[fraud, alert], row, judgement if alert else before)

    def _keep(self, kind: str, row: Row, judgement: Judged) -> None:
        self._counts[kind] += 1
        found = self._found[kind]
        amount = row.amount if row.amount is not None and row.amount == row.amount else 0.0
        if len(found) == MOST and amount <= found[0][0]:
            return
        # The older of two equal ones stays, and no two rows are compared.
        entry = (amount, next(self._order), row, judgement)
        (heapq.heappush if len(found) < MOST else heapq.heapreplace)(found, entry)

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Kind → `{"count", "items": [{"transaction", "at", "amount", "score", "reasons"}]}`, the most money first."""
        return {
            kind: {
                "count": self._counts[kind],
                "items": [_item(entry) for entry in sorted(found, reverse=True)],
            }
            for kind, found in self._found.items()
        }


def _item(entry: tuple[float, int, Row, Judged]) -> Mapping[str, Any]:
    _, _, row, (score, reasons) = entry
    return {
        "transaction": row.transaction,
        "at": clock.utc_text(clock.from_epoch_millis(row.moment_ms)),
        "amount": row.amount,
        "score": score,
        "reasons": [{"factor": factor, "points": points} for factor, points in reasons],
    }
