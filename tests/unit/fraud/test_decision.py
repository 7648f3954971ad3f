"""A decision says what it was made from, and the same inputs make the same bytes."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.compiler.fraud_rules import compile_file
from millrace.core import clock
from millrace.fraud import derive, profile, velocity
from millrace.fraud.decision import Inputs, canonical, decide, moment_of, pack, unpack, user_of
from millrace.fraud.rules import RuleSet

RULES = RuleSet(compile_file(Path(__file__).parents[3] / "schemas/fraud/rules.yaml")["default"])
PAYLOAD = {
    "transaction_id": "txn_1",
    "user_id": 596,
    "amount": 7200.5,
    "merchant": "terminal_3156",
    "timestamp": "2026-11-21T23:30:00+01:00",
    "is_fraud": False,
    "payment_method": "Crypto",
    "location": "Yangon, Myanmar",
    "device_id": "dev_1",
}
COUNTED = [velocity.id_hash(str(number)) for number in range(6)]


def test_it_names_its_reasons_features_ids_and_versions() -> None:
    record = decide(Inputs(PAYLOAD, "e-1", COUNTED, {"transactions_1d": 5}), RULES).record()
    assert (record["score"], record["riskClass"]) == (30 + 20 + 15 + 10 + 5 + 25, "CRITICAL")
    assert {one["factor"] for one in record["reasons"]} == {
        "high_amount",
        "crypto_payment",
        "high_risk_country",
        "late_night",
        "weekend",
        "velocity",
    }
    assert record["features"] == {
        "amount": 7200.5,
        "payment_method": "Crypto",
        "country": "Myanmar",
        "hour": 23,
        "weekday": 5,
        "velocity": 6,
        "transactions_1d": 5,
        "missing": [],
    }
    assert unpack(record["counted"]) == COUNTED
    assert (record["rulesVersion"], record["rulesDigest"]) == ("1.0.0", RULES.digest)
    assert "is_fraud" not in record["features"], "the label is not a feature"


@pytest.mark.parametrize(
    ("field", "named"),
    [
        ("is_fraud", ["is_fraud"]),
        ("amount", ["amount"]),
        ("payment_method", ["payment_method"]),
        ("location", ["location"]),
        ("timestamp", ["timestamp"]),
    ],
)
@pytest.mark.parametrize("absent", [True, False])
def test_a_missing_field_fires_nothing_and_is_named(field: str, named: list[str], absent: bool) -> None:
    payload: dict[str, Any] = {**PAYLOAD, field: None}
    if absent:
        del payload[field]
    record = decide(Inputs(payload, "e-1", COUNTED[:1], {}), RULES).record()
    assert record["features"]["missing"] == named
    assert record["fallback"] is None


def test_a_location_without_a_country_and_sets_that_could_not_be_had_are_named() -> None:
    record = decide(Inputs({**PAYLOAD, "location": "Yangon"}, "e-1", None, {}), RULES).record()
    assert record["features"]["missing"] == ["country", "velocity"]
    assert record["fallback"] == "velocity"
    assert record["counted"] is None


@pytest.mark.parametrize("text", ["2026-11-21T23:30:00", "yesterday", 17, "", None])
def test_a_timestamp_without_offset_or_sense_is_missing(text: Any) -> None:
    assert moment_of({"timestamp": text}) is None


def test_a_clock_three_hours_off_is_named() -> None:
    for hours, named in ((3, 10800), (-3, -10800), (0.2, None)):
        happened_at = clock.parse(PAYLOAD["timestamp"]) - timedelta(hours=hours)  # type: ignore[arg-type]
        record = decide(Inputs(PAYLOAD, "e-1", COUNTED, {}, happened_at), RULES).record()
        assert record["features"].get("clock_off_s") == named


def test_a_decision_is_derived_again_byte_for_byte_from_its_record() -> None:
    rng = random.Random(4)
    for number in range(200):
        payload = {name: value for name, value in PAYLOAD.items() if rng.random() < 0.8}
        envelope = {
            "eventId": f"e-{number}",
            "timestamp": "2026-11-21T22:30:00Z",
            "data": {"payload": payload},
        }
        counted = None if rng.random() < 0.2 else [rng.randbytes(8) for _ in range(rng.randrange(1, 12))]
        known = {"transactions_1d": rng.randrange(9), "new_device": True} if rng.random() < 0.5 else {}
        moment = clock.parse(str(envelope["timestamp"]))
        stored = {
            **decide(Inputs(payload, str(envelope["eventId"]), counted, known, moment), RULES).record(),
            "decidedAt": "2026-11-21T22:30:01Z",
            "latencyMs": 812,
        }
        derived = derive.derive(envelope, stored, RULES)
        assert derive.same(derived, stored)
        assert canonical(derived) == canonical(dict(reversed(derived.items())))
        for name, value in (("score", stored["score"] + 1), ("counted", pack([b"8 bytes!"] * 20))):
            forged = {**stored, name: value}
            assert not derive.same(derive.derive(envelope, forged, RULES), forged) or name == "counted"


def test_a_profile_counts_no_delivery_twice_and_not_the_transaction_itself() -> None:
    at = clock.epoch_millis(clock.parse("2026-11-21T12:00:00Z"))
    days: dict[int, set[bytes]] = {}
    for number, (ago, amount) in enumerate([(0, 10.0), (0, 10.0), (3, 20.5), (20, 1e12), (31, 7.0)]):
        for _ in range(2):
            moment = at - ago * profile.MS_PER_DAY
            day, element = profile.day_element(moment, velocity.id_hash(str(number)), amount)
            days.setdefault(day, set()).add(element)
    seen = {"devices": {profile.seen_elements(PAYLOAD)["devices"]}}
    found = profile.features(days, seen, profile.seen_elements(PAYLOAD), at, velocity.id_hash("1"))
    assert found == {
        "transactions_1d": 1,
        "transactions_7d": 2,
        "transactions_30d": 3,
        "mean_amount_30d": round((10 + 20.5 + 1e12) / 3, 4),
        "new_device": False,
        "new_merchant": True,
        "new_country": True,
    }
    assert profile.features({}, {}, {}, at, b"")["mean_amount_30d"] is None


def test_one_user_in_two_spellings_has_one_set_of_counts() -> None:
    assert user_of({"user_id": 42}) == user_of({"user_id": 42.0}) == "42"
