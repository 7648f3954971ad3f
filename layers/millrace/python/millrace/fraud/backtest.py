"""Rules over history: what they would have alerted on, and how much of the fraud and of its money they would have caught.

The label is what is tested, so the factor `known_fraud` is off unless the caller turns it on: with it the rules would find
every fraud by its label.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple

from millrace.core.errors import PermanentError
from millrace.fraud.profile import MS_PER_DAY, UNITS
from millrace.fraud.rules import RuleSet, TransactionFacts
from millrace.fraud.velocity import SlidingCounts

# Factor → the source's columns that it reads.
NEEDS: Mapping[str, Sequence[str]] = {
    "high_amount": ("amount",),
    "crypto_payment": ("payment_method",),
    "high_risk_country": ("country",),
    "late_night": ("moment",),
    "weekend": ("moment",),
    "velocity": ("moment", "user"),
}
LABEL_FACTOR = "known_fraud"


class Row(NamedTuple):
    """A past transaction; None where its source has no value.

    Attributes:
        moment_ms: when it happened, in milliseconds since 1970.
        hour: local, 0 to 23.
        weekday: local, 0 is Monday.
        user: whose transaction it is.
        amount: what was charged.
        payment_method: as it was sent.
        country: of the location.
        is_fraud: the label; a row without one is counted and judged as not fraud.
        transaction: its id.
    """

    moment_ms: int
    hour: int
    weekday: int
    user: object
    amount: float | None
    payment_method: str | None
    country: str | None
    is_fraud: bool | None
    transaction: str | None = None


Judged = tuple[int, Sequence[tuple[str, int]]]
"""The score of a row, and the factors that make it up with their points."""


@dataclass(slots=True)
class _Tally:
    rows: int = 0
    fraud: int = 0
    units: int = 0
    fraud_units: int = 0

    def add(self, units: int, fraud: bool) -> None:
        self.rows += 1
        self.units += units
        if fraud:
            self.fraud += 1
            self.fraud_units += units


@dataclass
class Backtest:
    """One rule set over rows in the order of time. Memory grows with users and days, not with rows."""

    rules: RuleSet
    alert_class: str = "HIGH"
    label_fires: bool = False
    by_score: dict[int, _Tally] = field(default_factory=lambda: defaultdict(_Tally))
    by_factor: dict[str, _Tally] = field(default_factory=lambda: defaultdict(_Tally))
    by_day: dict[int, tuple[_Tally, _Tally]] = field(
        default_factory=lambda: defaultdict(lambda: (_Tally(), _Tally()))
    )

    def __post_init__(self) -> None:
        """Sets the score from which the rules alert.

        Raises:
            PermanentError: the rules have no class of that name.
        """
        floors = {one["class"]: int(one["from"]) for one in self.rules.document["classes"]}
        if self.alert_class not in floors:
            raise PermanentError(f"the rules have no class {self.alert_class}: {', '.join(floors)}")
        self.alert_from = floors[self.alert_class]
        self._counts = SlidingCounts(self.rules.window_ms)

    def add(self, rows: Iterable[Row]) -> list[Judged]:
        """Judges rows, which come in the order of time."""
        judged: list[Judged] = []
        judge, count = self.rules.judge, self._counts.add
        by_score, by_factor, by_day, alert_from = self.by_score, self.by_factor, self.by_day, self.alert_from
        label_fires = self.label_fires
        for row in rows:
            moment_ms, hour, weekday, user, amount, method, country, label, _ = _cleaned(row)
            velocity = None if user is None else count(user, moment_ms)
            score, _, reasons = judge(
                TransactionFacts(
                    label if label_fires else None, amount, method, country, hour, weekday, velocity
                )
            )
            units = 0 if amount is None else round(amount * UNITS)
            fraud = bool(label)
            judged.append((score, reasons))
            by_score[score].add(units, fraud)
            for factor, _points in reasons:
                by_factor[factor].add(units, fraud)
            whole, caught = by_day[moment_ms // MS_PER_DAY]
            whole.add(units, fraud)
            if score >= alert_from:
                caught.add(units, fraud)
        return judged

    def result(self, columns: Iterable[str]) -> dict[str, Any]:
        """The figures of all rows so far.

        Args:
            columns: those that the source has, of `amount`, `payment_method`, `country`, `moment`, `user`.
        """
        every, alerts = _sum(self.by_score.values()), _sum(self._from(self.alert_from))
        precision, recall = _ratio(alerts.fraud, alerts.rows), _ratio(alerts.fraud, every.fraud)
        return {
            "rulesVersion": self.rules.version,
            "rows": every.rows,
            "fraud": every.fraud,
            "alertFrom": self.alert_from,
            "alerts": alerts.rows,
            "precision": precision,
            "recall": recall,
            "f1": _ratio(2 * precision * recall, precision + recall),
            "alertRate": _ratio(alerts.rows, every.rows),
            "money": {
                "fraud": every.fraud_units / UNITS,
                "caught": alerts.fraud_units / UNITS,
                "share": _ratio(alerts.fraud_units, every.fraud_units),
                "stoppedInError": (alerts.units - alerts.fraud_units) / UNITS,
            },
            "byClass": self._classes(),
            "byFactor": {name: self.by_factor[name].rows for name in self.rules.factors},
            "fraudByFactor": {name: self.by_factor[name].fraud for name in self.rules.factors},
            "off": self.off(columns),
            "curve": self._curve(every),
            "days": self._days(),
        }

    def off(self, columns: Iterable[str]) -> dict[str, str]:
        """Factors that cannot fire on this source, and why."""
        there = set(columns)
        reasons = {}
        for name in self.rules.factors:
            if name == LABEL_FACTOR:
                if not self.label_fires:
                    reasons[name] = "the label is what is tested"
            elif lacking := [column for column in NEEDS[name] if column not in there]:
                reasons[name] = f"no column for {', '.join(lacking)}"
        return reasons

    def _from(self, score: int) -> list[_Tally]:
        return [tally for at, tally in self.by_score.items() if at >= score]

    def _classes(self) -> dict[str, int]:
        counts = {one["class"]: 0 for one in self.rules.document["classes"]}
        descending = sorted(self.rules.document["classes"], key=lambda one: -int(one["from"]))
        for score, tally in self.by_score.items():
            counts[next(one["class"] for one in descending if score >= one["from"])] += tally.rows
        return counts

    def _curve(self, every: _Tally) -> list[dict[str, Any]]:
        curve = []
        for score in sorted(self.by_score):
            tally = _sum(self._from(score))
            curve.append(
                {
                    "score": score,
                    "alerts": tally.rows,
                    "precision": _ratio(tally.fraud, tally.rows),
                    "recall": _ratio(tally.fraud, every.fraud),
                    "money": _ratio(tally.fraud_units, every.fraud_units),
                }
            )
        return curve

    def _days(self) -> list[dict[str, Any]]:
        return [
            {
                "day": day,
                "rows": whole.rows,
                "alerts": caught.rows,
                "fraud": whole.fraud_units / UNITS,
                "caught": caught.fraud_units / UNITS,
            }
            for day, (whole, caught) in sorted(self.by_day.items())
        ]


def _cleaned(row: Row) -> Row:
    """The row with None for NaN, infinity and empty texts, which sources without null have instead."""
    _, _, _, user, amount, method, country, label, _ = row
    if (
        (amount is None or isfinite(amount))
        and (user.__class__ is int or not _is_empty(user))
        and (method is None or method.__class__ is str)
        and (country is None or country.__class__ is str)
        and (label is None or label.__class__ is bool)
    ):
        return row
    cleaned: list[Any] = [None if _is_empty(value) else value for value in row[3:]]
    return Row(*row[:3], *cleaned)


def _is_empty(value: object) -> bool:
    if isinstance(value, float | Decimal):
        return not isfinite(value)
    return value == ""


def difference(result: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, Any]:
    """A result minus its baseline."""
    names = ("precision", "recall", "f1", "alertRate", "alerts")
    differences: dict[str, Any] = {name: round(result[name] - baseline[name], 6) for name in names}
    differences["caught"] = round(result["money"]["caught"] - baseline["money"]["caught"], 4)
    return differences


def _sum(tallies: Iterable[_Tally]) -> _Tally:
    total = _Tally()
    for tally in tallies:
        total.rows += tally.rows
        total.fraud += tally.fraud
        total.units += tally.units
        total.fraud_units += tally.fraud_units
    return total


def _ratio(part: float, whole: float) -> float:
    """Part of whole, six decimals; 0 where the whole is 0."""
    return round(part / whole, 6) if whole else 0.0
