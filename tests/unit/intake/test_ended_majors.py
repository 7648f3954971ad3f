"""Two majors of a type: both are accepted until the day of the end, then the older is refused by name."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.registry import Registry
from millrace.intake.validate import Refused, Valid, validate
from tests.support import events
from tests.support.majors import bundle_with_end, end

MIDNIGHT = datetime(2028, 2, 29, tzinfo=UTC)
LAST = MIDNIGHT - timedelta(seconds=1)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Registry:
    end_of_old = end(date(2028, 2, 1), MIDNIGHT.date())
    return Registry(bundle_with_end(tmp_path_factory.mktemp("majors"), end_of_old, bundle))


def verdict(registry: Registry, at: datetime, version: str | None, **changes: Any) -> Valid | Refused:
    event = events.order(timestamp="2028-02-27T12:00:00Z", **changes)
    if version is not None:
        event["version"] = version
    return validate(event, 500, registry, at)


@pytest.mark.parametrize("version", ["1", "1.2", "1.2.1", "01.0", "2", "2.0.0", None])
def test_both_are_accepted_to_the_last_second(registry: Registry, version: str | None) -> None:
    for at in (MIDNIGHT - timedelta(days=1), LAST, MIDNIGHT - timedelta(microseconds=1)):
        found = verdict(registry, at, version)
        assert isinstance(found, Valid)
        assert found.contract.major == (int(version.partition(".")[0]) if version else 2)


@pytest.mark.parametrize("version", ["1", "1.0", "1.2.1", "01.0"])
@pytest.mark.parametrize("at", [MIDNIGHT, MIDNIGHT + timedelta(days=400)])
def test_the_older_is_refused_from_midnight_with_the_newer_named(
    registry: Registry, version: str, at: datetime
) -> None:
    found = verdict(registry, at, version)
    assert isinstance(found, Refused)
    (error,) = found.errors
    assert (error.pointer, error.code) == ("/version", "unknown_version")
    assert error.message == "version 1 ended on 2028-02-29; send version 2"


@pytest.mark.parametrize("version", ["2", None])
def test_the_newer_goes_on(registry: Registry, version: str | None) -> None:
    assert isinstance(verdict(registry, MIDNIGHT, version), Valid)


def test_what_else_is_wrong_with_the_envelope_is_said_as_well(registry: Registry) -> None:
    found = verdict(registry, MIDNIGHT, "1", correlationId=5)
    assert isinstance(found, Refused)
    assert {error.pointer for error in found.errors} == {"/correlationId", "/version"}


def test_rows_of_the_older_are_read_for_ever(registry: Registry) -> None:
    contract = registry.of_ref("order.created/1.2.0")
    assert (contract.major, registry.deployed("order.created/1.2.1")) == (1, contract)
    assert "silver.order_created_v1" in registry.tables()
