"""A stored decision derived again from its own record and the transaction it is about."""

from collections.abc import Mapping
from typing import Any

from millrace.core import clock
from millrace.fraud.decision import Inputs, canonical, decide, unpack
from millrace.fraud.rules import RuleSet

# What a record carries of the profile: inputs of the decision, taken as they were recorded.
PROFILE = (
    "transactions_1d",
    "transactions_7d",
    "transactions_30d",
    "mean_amount_30d",
    "new_device",
    "new_merchant",
    "new_country",
)
# What says when and how fast, and so is not the same twice.
MEASURED = frozenset({"userId", "amount", "decidedAt", "latencyMs", "stages"})


def derive(transaction: Mapping[str, Any], stored: Mapping[str, Any], rules: RuleSet) -> dict[str, Any]:
    """The record that these rules make of a transaction, with the ids and the profile that a decision counted.

    Args:
        transaction: the stored envelope of the transaction.
        stored: the payload of its decision.
        rules: of the version to judge by.
    """
    features = stored["features"]
    inputs = Inputs(
        payload=transaction["data"]["payload"],
        event_id=transaction["eventId"],
        counted=unpack(stored["counted"]),
        profile={name: features[name] for name in PROFILE if name in features},
        happened_at=clock.parse(transaction["timestamp"]),
    )
    return decide(inputs, rules).record()


def same(derived: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """Whether a stored decision is, byte for byte, the derived one."""
    decided = {name: value for name, value in stored.items() if name not in MEASURED}
    return canonical(derived) == canonical(decided)


def differences(derived: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    """The fields in which they differ."""
    names = sorted({*derived, *stored} - MEASURED)
    return [name for name in names if derived.get(name) != stored.get(name)]


def answer(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """A stored decision as `GET /v1/fraud/decisions/{transactionId}` gives it."""
    payload = envelope["data"]["payload"]
    return {
        "transactionId": payload["transactionId"],
        "eventId": payload["transactionEventId"],
        **{
            name: payload.get(name)
            for name in (
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
        },
    }
