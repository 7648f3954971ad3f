"""The rules of one version, compiled, and their verdict on a transaction. Pure: no store, no clock.

Version 1 has the factors known_fraud, high_amount, crypto_payment, high_risk_country, late_night, weekend,
velocity. The factors are code; their points, thresholds, lists and classes are data.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple

import orjson

DIGEST_DIGITS = 12
MS_PER_MINUTE = 60_000

Reason = tuple[str, int]


class TransactionFacts(NamedTuple):
    """The facts of a transaction that the rules read; None where unknown.

    Attributes:
        is_fraud: the label.
        amount: what was charged.
        payment_method: as it was sent.
        country: the part of the location after its last comma.
        hour: 0 to 23, by the offset of the transaction's own timestamp.
        weekday: 0 is Monday, by the same offset.
        velocity: transactions of the user in the rules' window, this one included.
    """

    is_fraud: bool | None = None
    amount: float | None = None
    payment_method: str | None = None
    country: str | None = None
    hour: int | None = None
    weekday: int | None = None
    velocity: int | None = None


class RuleVerdict(NamedTuple):
    """Points in all, the class they make, and each factor that fired with its points."""

    score: int
    risk_class: str
    reasons: list[Reason]


class RuleSet:
    """One version of the rules, as the bundle holds it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """`document` is what `millrace.compiler.fraud_rules` wrote, which checked its shape."""
        self.document = document
        self.version: str = document["version"]
        # 12 hex digits that change exactly when the rules do.
        text = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
        self.digest = hashlib.sha256(text).hexdigest()[:DIGEST_DIGITS]
        factors: Mapping[str, Mapping[str, Any]] = document["factors"]
        self.factors = tuple(factors)
        points = {name: int(factor["points"]) for name, factor in factors.items()}
        self._known_fraud = points.get("known_fraud", 0)
        self._high_amount = points.get("high_amount", 0)
        self._crypto = points.get("crypto_payment", 0)
        self._country = points.get("high_risk_country", 0)
        self._night = points.get("late_night", 0)
        self._weekend = points.get("weekend", 0)
        self._velocity = points.get("velocity", 0)
        self._amount_threshold: float = factors.get("high_amount", {}).get("threshold", 0)
        self._methods = frozenset(factors.get("crypto_payment", {}).get("methods", ()))
        self._countries = frozenset(document["countries"])
        self._hours = frozenset(factors.get("late_night", {}).get("hours", ()))
        self._days = frozenset(factors.get("weekend", {}).get("days", ()))
        velocity = factors.get("velocity", {})
        self._velocity_threshold: int = velocity.get("threshold", 0)
        # Without the factor the count is still a feature; half an hour is the window of the first version.
        self.window_ms: int = int(velocity.get("minutes", 30)) * MS_PER_MINUTE
        self._classes = self._class_by_score(document["classes"], sum(points.values()))

    @staticmethod
    def _class_by_score(classes: list[Mapping[str, Any]], most: int) -> tuple[str, ...]:
        descending = sorted(classes, key=lambda one: -int(one["from"]))
        return tuple(
            next(one["class"] for one in descending if score >= one["from"]) for score in range(most + 1)
        )

    def judge(self, facts: TransactionFacts) -> RuleVerdict:
        """The verdict on a transaction. An unknown fact fires no factor."""
        is_fraud, amount, method, country, hour, weekday, velocity = facts
        score = 0
        reasons: list[Reason] = []
        if is_fraud and self._known_fraud:
            score += self._known_fraud
            reasons.append(("known_fraud", self._known_fraud))
        # An infinite or NaN amount counts as unknown.
        if amount is not None and self._amount_threshold < amount < inf and self._high_amount:
            score += self._high_amount
            reasons.append(("high_amount", self._high_amount))
        if method is not None and self._crypto and method.casefold() in self._methods:
            score += self._crypto
            reasons.append(("crypto_payment", self._crypto))
        if country is not None and self._country and country.casefold() in self._countries:
            score += self._country
            reasons.append(("high_risk_country", self._country))
        if hour in self._hours and self._night:
            score += self._night
            reasons.append(("late_night", self._night))
        if weekday in self._days and self._weekend:
            score += self._weekend
            reasons.append(("weekend", self._weekend))
        if velocity is not None and velocity > self._velocity_threshold and self._velocity:
            score += self._velocity
            reasons.append(("velocity", self._velocity))
        return RuleVerdict(score, self._classes[score], reasons)


@lru_cache(maxsize=1024)
def country_of(location: str | None) -> str | None:
    """The country of "City, Country", split at the last comma; None where there is no comma or nothing after it."""
    if not location:
        return None
    _, comma, country = location.rpartition(",")
    return country.strip() or None if comma else None


def facts_of(payload: Mapping[str, Any], moment: datetime | None, velocity: int | None) -> TransactionFacts:
    """The facts of a transaction's payload.

    Args:
        payload: of `transaction.created`, or what a caller of /v1/predict sent; fields may be missing or null.
        moment: the payload's own timestamp with the offset that it carries.
        velocity: the user's count in the window; None if it could not be read.
    """
    return TransactionFacts(
        payload.get("is_fraud"),
        payload.get("amount"),
        payload.get("payment_method"),
        country_of(payload.get("location")),
        moment.hour if moment is not None else None,
        moment.weekday() if moment is not None else None,
        velocity,
    )
