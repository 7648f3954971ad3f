"""A decision on a transaction: score, class, reasons, what it was made from, and the bytes that prove it. Pure."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from millrace.contracts import pointers
from millrace.fraud.rules import Facts, RuleSet, Verdict, facts_of
from millrace.fraud.velocity import HASH_BYTES
from millrace.scoring.answer import WITHOUT_MODEL, Answer, Said

# Who derives; part of a decision's id.
CONSUMER = "fraud"
EVENT_TYPE = "fraud.decision.made"
SOURCE_TYPE = "transaction.created"
# A payload's clock that differs by more from the event's own moment is named in the features.
CLOCK_TOLERANCE = timedelta(minutes=15)
# The fallback when the user's sets could not be had in time: a decision without them, which says so.
WITHOUT_VELOCITY = "velocity"


@dataclass(slots=True)
class Inputs:
    """All that a decision depends on, besides the rules. Nothing changes it.

    Attributes:
        payload: of the transaction.
        event_id: of its event; None for a question that is no event.
        counted: the id hashes in the velocity window, its own last; None if they could not be had.
        profile: the profile's features; empty if they could not be had.
        happened_at: the event's own moment, to be compared with the payload's.
        model: what the champion says of it; no score or class depends on that.
    """

    payload: Mapping[str, Any]
    event_id: str | None
    counted: Sequence[bytes] | None
    profile: Mapping[str, Any]
    happened_at: datetime | None = None
    model: Said = None


@dataclass(slots=True)
class Decision:
    """What was decided and from what. Nothing changes it."""

    inputs: Inputs
    verdict: Verdict
    features: dict[str, Any]
    rules: RuleSet
    fallback: str | None

    def record(self) -> dict[str, Any]:
        """Everything that is decided, in the form in which it is stored: the same inputs give the same record."""
        model = self.inputs.model
        record = {
            "transactionId": self.inputs.payload.get("transaction_id"),
            "transactionEventId": self.inputs.event_id,
            "score": self.verdict.score,
            "riskClass": self.verdict.risk_class,
            "reasons": [{"factor": name, "points": points} for name, points in self.verdict.reasons],
            "modelScore": None,
            "modelVersion": None,
            "rulesVersion": self.rules.version,
            "rulesDigest": self.rules.digest,
            "features": self.features,
            "counted": pack(self.inputs.counted),
            "fallback": self.fallback,
        }
        if isinstance(model, Answer):
            # A decision without a model has no inputs of one, as those had that were made before there was any.
            record["modelVersion"], record["modelScore"], record["modelInputs"] = model
        return record


def decide(inputs: Inputs, rules: RuleSet) -> Decision:
    """The decision of these rules on these inputs."""
    moment = moment_of(inputs.payload)
    velocity = None if inputs.counted is None else len(inputs.counted)
    facts = facts_of(inputs.payload, moment, velocity)
    # All facts but the first: the label is no feature.
    features: dict[str, Any] = {
        "amount": facts[1],
        "payment_method": facts[2],
        "country": facts[3],
        "hour": facts[4],
        "weekday": facts[5],
        "velocity": velocity,
        **inputs.profile,
    }
    happened_at = inputs.happened_at
    if moment is not None and happened_at is not None:
        off = moment - happened_at
        if not -CLOCK_TOLERANCE <= off <= CLOCK_TOLERANCE:
            features["clock_off_s"] = round(off.total_seconds())
    if None in features.values():
        features = {name: value for name, value in features.items() if value is not None}
    features["missing"] = _missing(facts, inputs.payload) if None in facts else []
    fallback = WITHOUT_VELOCITY if inputs.counted is None else None
    if inputs.model == WITHOUT_MODEL:
        fallback = f"{fallback}+{WITHOUT_MODEL}" if fallback else WITHOUT_MODEL
    return Decision(inputs, rules.judge(facts), features, rules, fallback)


def user_of(payload: Mapping[str, Any]) -> str:
    """Whose transaction it is, as the envelope's `userId` says it: `42` and `42.0` are one user, with one set of counts."""
    return pointers.as_text(payload["user_id"]) or ""


def moment_of(payload: Mapping[str, Any]) -> datetime | None:
    """The payload's own timestamp with the offset that it carries; None if there is none, or without an offset."""
    try:
        moment = datetime.fromisoformat(payload["timestamp"])
    except (KeyError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None


def _missing(facts: Facts, payload: Mapping[str, Any]) -> list[str]:
    """What fired nothing because it is not there, by the names of the transaction's fields."""
    names = {
        "is_fraud": facts.is_fraud,
        "amount": facts.amount,
        "payment_method": facts.payment_method,
        "location": payload.get("location"),
        "country": facts.country if payload.get("location") else "",
        "timestamp": facts.hour,
        "velocity": facts.velocity,
    }
    return [name for name, value in names.items() if value is None]


def pack(counted: Sequence[bytes] | None) -> str | None:
    """Id hashes as one text."""
    return None if counted is None else base64.b64encode(b"".join(counted)).decode()


def unpack(text: str | None) -> list[bytes] | None:
    """The inverse of `pack`."""
    if text is None:
        return None
    joined = base64.b64decode(text, validate=True)
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]


def canonical(record: Mapping[str, Any]) -> bytes:
    """The bytes of a record, which are compared when a decision is derived again."""
    return orjson.dumps(dict(record), option=orjson.OPT_SORT_KEYS)
