"""A decision on a transaction: score, class, reasons, its inputs, and the bytes that prove it. Pure.

The log, /v1/predict and the replay of a stored decision all decide here.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from millrace.contracts import pointers
from millrace.core import identity
from millrace.fraud import profile, velocity
from millrace.fraud.rules import RuleSet, RuleVerdict, TransactionFacts, facts_of
from millrace.fraud.user import Transaction, UserSets
from millrace.scoring.answer import WITHOUT_MODEL, Answer, ModelResult

# The consumer that derives decisions; part of their ids.
CONSUMER = "fraud"
EVENT_TYPE = "fraud.decision.made"
SOURCE_TYPE = "transaction.created"
# A payload's clock that differs by more from the event's own moment is named in the features.
CLOCK_TOLERANCE = timedelta(minutes=15)
# The fallback when the user's sets could not be read in time: the decision was made without them.
WITHOUT_VELOCITY = "velocity"
# The fields of a record that an answer of the API has besides its ids.
_ANSWERED = (
    "score",
    "riskClass",
    "reasons",
    "modelScore",
    "modelVersion",
    "rulesVersion",
    "features",
    "fallback",
    "decidedAt",
    "latencyMs",
)


@dataclass(slots=True)
class Inputs:
    """All that a decision depends on, besides the rules. Immutable by convention.

    Attributes:
        payload: of the transaction.
        event_id: of its event; None for a request to /v1/predict.
        counted: the id hashes in the velocity window, its own last; None if they could not be read.
        profile: the profile's features; empty if they could not be read.
        happened_at: the event's own moment, to be compared with the payload's.
        model: the champion's result; no score or class depends on it.
    """

    payload: Mapping[str, Any]
    event_id: str | None
    counted: Sequence[bytes] | None
    profile: Mapping[str, Any]
    happened_at: datetime | None = None
    model: ModelResult = None


@dataclass(slots=True)
class Decision:
    """A verdict with its inputs. Immutable by convention."""

    inputs: Inputs
    verdict: RuleVerdict
    features: dict[str, Any]
    rules: RuleSet
    fallback: str | None

    def record(self) -> dict[str, Any]:
        """The decision as it is stored: the same inputs give the same record."""
        model, event_id = self.inputs.model, self.inputs.event_id
        record = {
            "transactionId": self.inputs.payload.get("transaction_id"),
            "transactionEventId": None if event_id is None else identity.uuid_of(event_id),
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
            # Decisions without a model have no `modelInputs`, as those had that were made before there were models.
            record["modelVersion"], record["modelScore"], record["modelInputs"] = model
        return record


def assess(
    transaction: Transaction,
    before: UserSets | None,
    after: UserSets | None,
    rules: RuleSet,
    *,
    event_id: str | None,
    happened_at: datetime | None = None,
    model: ModelResult = None,
) -> Decision:
    """The decision on a transaction, from its user's sets.

    Args:
        transaction: what is judged.
        before: the user's sets before it, which say whether its device, merchant and country are new. None if they could
            not be read in time.
        after: the user's sets with it, which are counted. None likewise.
        rules: in force for the tenant.
        event_id: of its event; None for a request to /v1/predict.
        happened_at: the event's own moment.
        model: the champion's result.
    """
    payload = transaction.payload
    if before is None or after is None:
        return decide(Inputs(payload, event_id, None, {}, happened_at, model), rules)
    at, own = transaction.moment_ms, transaction.hashed
    counted = velocity.counted(after.minutes, at, own, rules.window_ms)
    known = profile.features(after.days, before.seen, transaction.seen, at, own)
    return decide(Inputs(payload, event_id, counted, known, happened_at, model), rules)


def decide(inputs: Inputs, rules: RuleSet) -> Decision:
    """The decision of these rules on these inputs."""
    moment = moment_of(inputs.payload)
    count = None if inputs.counted is None else len(inputs.counted)
    facts = facts_of(inputs.payload, moment, count)
    # All facts but the first: the label is no feature.
    features: dict[str, Any] = {
        "amount": facts[1],
        "payment_method": facts[2],
        "country": facts[3],
        "hour": facts[4],
        "weekday": facts[5],
        "velocity": count,
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


def answer(record: Mapping[str, Any]) -> dict[str, Any]:
    """A decision as the API gives it: the event's payload, or a record with `decidedAt` and `latencyMs`."""
    return {
        "transactionId": record["transactionId"],
        "eventId": record["transactionEventId"],
        **{name: record.get(name) for name in _ANSWERED},
    }


def user_of(payload: Mapping[str, Any]) -> str:
    """The user of a transaction, as in the envelope's `userId`: `42` and `42.0` are one user, with one set of counts."""
    return pointers.as_text(payload["user_id"]) or ""


def moment_of(payload: Mapping[str, Any]) -> datetime | None:
    """The payload's own timestamp with its offset; None without a timestamp or an offset."""
    try:
        moment = datetime.fromisoformat(payload["timestamp"])
    except (KeyError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None


def _missing(facts: TransactionFacts, payload: Mapping[str, Any]) -> list[str]:
    """The facts that are unknown and so fired no factor, by the names of the transaction's fields."""
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
    joined, size = base64.b64decode(text, validate=True), velocity.HASH_BYTES
    return [joined[at : at + size] for at in range(0, len(joined), size)]


def canonical(record: Mapping[str, Any]) -> bytes:
    """The bytes of a record, which are compared when a decision is derived again."""
    return orjson.dumps(dict(record), option=orjson.OPT_SORT_KEYS)
