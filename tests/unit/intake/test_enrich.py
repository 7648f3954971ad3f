"""What intake adds to an event, and what it leaves as it came."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from millrace.contracts import registry
from millrace.contracts.contract import FACT_LENGTH, Contract
from millrace.core import clock
from millrace.intake.enrich import Origin, enrich

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
ORIGIN = Origin("org_acme", "shop", "r-1", NOW)


@pytest.fixture
def contract(bundle: Path) -> Contract:
    asks = {"userAgent": "/data/metadata/userAgent"}
    return replace(registry.load(bundle).find("system.health.check"), enrich=asks)


def enriched(contract: Contract, origin: Origin = ORIGIN, **changes: Any) -> dict[str, Any]:
    event = {
        "eventId": "0b9f1d0c-7a3e-4a44-8f0e-3d2c1b0a9f8e",
        "eventType": contract.event_type,
        "timestamp": "2026-11-20T23:30:00Z",
        "data": {"payload": {}},
        **changes,
    }
    return enrich(event, contract, origin, clock.parse(event["timestamp"]))


@pytest.mark.parametrize(
    ("timestamp", "day"),
    [
        ("2026-11-20T23:30:00Z", "2026-11-20"),
        ("2026-11-20T23:30:00.999999999Z", "2026-11-20"),
        ("2026-11-20T23:30:00-05:00", "2026-11-21"),
        ("2026-11-21T00:30:00+05:45", "2026-11-20"),
        ("2026-11-20T23:30:00-00:00", "2026-11-20"),
    ],
)
def test_the_day_is_that_of_utc(contract: Contract, timestamp: str, day: str) -> None:
    envelope = enriched(contract, timestamp=timestamp)
    assert envelope["platform"]["day"] == day
    assert envelope["timestamp"] == timestamp


def test_each_request_has_its_own_moment(contract: Contract) -> None:
    later = replace(ORIGIN, received_at=NOW.replace(microsecond=1000))
    texts = [enriched(contract, origin)["platform"]["receivedAt"] for origin in (ORIGIN, later, ORIGIN)]
    assert texts == ["2026-11-21T06:00:00.000Z", "2026-11-21T06:00:00.001Z", "2026-11-21T06:00:00.000Z"]


@pytest.mark.parametrize("agent", ["\ud800", "x" * 10_000, "😀" * 2000, "a\x00b"])
def test_whatever_a_header_holds_can_be_stored(contract: Contract, agent: str) -> None:
    envelope = enriched(contract, replace(ORIGIN, facts={"userAgent": agent}))
    kept = orjson.loads(orjson.dumps(envelope))["data"]["metadata"]["userAgent"]
    assert 0 < len(kept) <= FACT_LENGTH
