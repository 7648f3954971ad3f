"""Consumers of one deploy and events of another: nothing is set aside, and nothing is done by the wrong contract."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from millrace.core import bundle as bundles
from millrace.eventstore.consumers import CONSUMERS
from tests.support import events
from tests.support.platform import ACME, GLOBEX, Platform, platform

NEW_TYPE, NEW_MINOR, NEW_DICTIONARY = "system.health.check", "order.created", "transaction.created"
READERS = frozenset(consumer.function for consumer in CONSUMERS)


@pytest.fixture(scope="module")
def before(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the deploy before: without a type, with an older minor of another, and without a dictionary."""
    folder = tmp_path_factory.mktemp("before") / "bundle"
    shutil.copytree(bundle, folder)
    file = folder / bundles.CONTRACTS
    contracts = [one for one in json.loads(file.read_text()) if one["event_type"] != NEW_TYPE]
    (order,) = (one for one in contracts if one["event_type"] == NEW_MINOR)
    major, minor, patch_ = order["version"].split(".")
    assert int(minor) > 0
    order["version"] = f"{major}.{int(minor) - 1}.{patch_}"
    (transaction,) = (one for one in contracts if one["event_type"] == NEW_DICTIONARY)
    (folder / bundles.DICTIONARIES / f"{transaction['dictionary']}.zdict").unlink()
    file.write_text(json.dumps(contracts))
    return folder


@contextmanager
def contracts_of(folder: Path) -> Iterator[None]:
    with patch.dict(os.environ, MILLRACE_BUNDLE=str(folder)):
        yield


def consumers_of(running: Platform, folder: Path) -> None:
    """Deploys the consumers anew, with the contracts of a bundle; what answers clients keeps its own."""
    running.restart_all()
    here = Path(os.environ["MILLRACE_BUNDLE"])
    running.around = lambda stem: contracts_of(folder if stem in READERS else here)


def sent() -> list[dict[str, Any]]:
    return [
        events.order(),
        events.health_check(),
        events.transaction(),
        events.order(),
        events.health_check(),
    ]


def test_consumers_wait_for_the_contracts_of_their_deploy(bundle: Path, before: Path) -> None:
    with platform(bundle, scoring=True) as running:
        consumers_of(running, before)
        posted = {ACME: sent(), GLOBEX: sent()}
        for org, some in posted.items():
            assert running.post(some, org=org)["status"] == 202
        running._capture()
        running.log.settle()
        running.driver.run_for(timedelta(minutes=5))
        assert not running.objects("dead-letters/")
        consumers_of(running, bundle)
        running.driver.run_until_idle(max_steps=100_000)
        assert not running.objects("dead-letters/")
        for org, some in posted.items():
            for event in some:
                trace = running.get("/v1/events/{eventId}/trace", org=org, eventId=event["eventId"])
                steps = {step["step"] for step in trace["body"]["steps"]}
                assert {"accepted", "archived"} <= steps
                assert ("projected" in steps) == (event["eventType"] != NEW_TYPE)
                assert ("scored" in steps) == (event["eventType"] == NEW_DICTIONARY)


def test_consumers_of_a_deploy_read_the_events_before_it(bundle: Path, before: Path) -> None:
    with platform(bundle, scoring=True) as running:
        some = [events.order() for _ in range(3)]
        with contracts_of(before):
            running.restart_all()
            assert running.post(some)["status"] == 202
        consumers_of(running, bundle)
        running.settle()
        assert not running.objects("dead-letters/")
        stored = running.get("/v1/events/{eventId}", eventId=some[0]["eventId"])["body"]
        assert stored["platform"]["contract"] != f"{NEW_MINOR}/{_version(bundle)}"
        for event in some:
            trace = running.get("/v1/events/{eventId}/trace", eventId=event["eventId"])
            assert {"accepted", "archived", "projected", "routed"} <= {
                step["step"] for step in trace["body"]["steps"]
            }


def _version(folder: Path) -> str:
    contracts = json.loads((folder / bundles.CONTRACTS).read_text())
    return str(next(one["version"] for one in contracts if one["event_type"] == NEW_MINOR))
