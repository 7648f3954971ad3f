"""What the bus refuses inside an answered call is put again, and only that; receipts come behind the events."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts import registry
from millrace.core.errors import MillraceError, PermanentError, RetryableError
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.routing import route
from millrace.routing.route import BusPublisher
from tests.support.stores import MemoryStores
from tests.unit.archive.test_archive import AT, delivery


class Bus:
    """Refuses, call by call, the entries whose places the test names."""

    def __init__(self, refused: Sequence[set[int]], code: str = "ThrottlingException") -> None:
        self._refused, self._code = iter(refused), code
        self.calls: list[list[str]] = []

    def put_events(self, **call: Any) -> dict[str, Any]:
        entries = call["Entries"]
        self.calls.append([entry["Detail"] for entry in entries])
        refused = next(self._refused, set[int]())
        results = [{"ErrorCode": self._code} if place in refused else {} for place in range(len(entries))]
        return {"FailedEntryCount": len(refused), "Entries": results}


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "FIRST_PAUSE_SECONDS", 0)


def publish(bus: Bus) -> MemoryStores:
    """Three events for the bus; the stores behind them."""
    stores = MemoryStores()
    codec = Codec(registry.load().dictionary)
    publisher = BusPublisher(bus, Table(stores, "Metadata"), codec, lambda _: True, "bus")
    try:
        publisher.publish([delivery(number, "org_acme", AT)[1] for number in range(3)])
    except MillraceError:
        assert not stores.tables.get("Metadata"), "a receipt of what the bus has not taken"
        raise
    return stores


def test_what_is_refused_is_put_again_and_nothing_else(bundle: Path) -> None:
    bus = Bus([{0, 2}, {1}])
    stores = publish(bus)
    first = bus.calls[0]
    assert bus.calls == [first, [first[0], first[2]], [first[2]]]
    assert len(stores.tables["Metadata"]) == 1


def test_what_is_refused_each_time_comes_again_with_its_batch(bundle: Path) -> None:
    bus = Bus([{1}, {0}, {0}])
    with pytest.raises(RetryableError, match="1 entries failed 3 times"):
        publish(bus)
    assert len(bus.calls) == route.ATTEMPTS


def test_what_the_bus_will_never_take_is_not_tried_again(bundle: Path) -> None:
    bus = Bus([{1}], "MalformedDetail")
    with pytest.raises(PermanentError, match="MalformedDetail"):
        publish(bus)
    assert len(bus.calls) == 1
