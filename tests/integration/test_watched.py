"""What is watched on stores that hold what a deployment leaves: weeks sealed from silver, and hours counted from the stream."""

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from millrace.aggregates import registry
from millrace.aggregates.count import EventCounter
from millrace.aggregates.facts import Facts
from millrace.aggregates.folding import Folding
from millrace.aggregates.reads import TenantTiles
from millrace.aggregates.sealing import Sealer
from millrace.anomalies import assemble, run
from millrace.anomalies.run import Watcher
from millrace.anomalies.series import Series
from millrace.anomalies.state import States
from millrace.anomalies.watch import Mute, Watch
from millrace.contracts.columns import duckdb_type
from millrace.contracts.tables import silver_table
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.eventstore.row import to_item
from tests.support.alerting import Alerting

pytestmark = pytest.mark.integration
ORGS = ("org_acme", "org_globex")
COUNTRIES = ("DE", "FR", "PL")
WEEKS = 4
# A Monday.
TODAY = date(2026, 11, 30)
BEGIN = TODAY - timedelta(weeks=WEEKS)
# Transactions of an hour, by tenant.
USUAL = {"org_acme": 60, "org_globex": 24}
EPOCH = date(1970, 1, 1)


def usual(org: str, hour: int) -> int:
    """More by day than by night."""
    return round(USUAL[org] * (1 + 0.4 * math.sin(hour / 24 * 2 * math.pi)))


class World:
    """Analytics of two tenants, whose clock is turned on."""

    def __init__(self) -> None:
        """Stores without anything."""
        self.alerting, self.aggregates = Alerting(), registry.load()
        self.now = clock.midnight(TODAY)
        self.watches = [one for one in assemble.watches() if one.name == "country_volume"]
        self.of = self.aggregates.by_name["transactions_by_country"]
        self.contract = self.aggregates.contracts.find("transaction.created")
        self.rng, self.number = random.Random(3), 0
        self.counter = EventCounter(
            self.alerting.analytics,
            self.alerting.codec,
            Facts([self.of], self.aggregates.contracts.deployed),
            lambda: f"{self.rng.random()}",
            now=lambda: self.now,
        )
        self.folding = Folding(
            self.alerting.analytics, self.aggregates, lambda *_: None, now=lambda: self.now
        )
        self.restart()

    def restart(self, **changes: Any) -> None:
        """New copies of the functions; `changes` of the watch."""
        watches = [replace(one, **changes) for one in self.watches]
        states = States(self.alerting.analytics)
        self.watcher = Watcher(watches, self._series, states, self.alerting.alerts, now=lambda: self.now)

    def _series(self, org: str, watch: Watch, now: datetime) -> Series:
        tiles = TenantTiles(self.alerting.analytics, org, self.of, self.aggregates.types, now)
        return Series(watch, self.of, tiles.between)

    def seal(self) -> None:
        """Four weeks from silver, by the SQL of the daily seal."""
        table = silver_table(self.contract)
        columns = ", ".join(f'"{one.name}" {duckdb_type(one.type)}' for one in table.columns)
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA silver")
            connection.execute(f"CREATE TABLE silver.{table.name} ({columns})")
            days = [BEGIN + timedelta(days=number) for number in range(7 * WEEKS)]
            for org in ORGS:
                sealer = Sealer(self.alerting.analytics, self.aggregates.contracts, org)
                for day in days:
                    connection.execute(f"DELETE FROM silver.{table.name}")
                    connection.execute(
                        f"INSERT INTO silver.{table.name} BY NAME {_hours(org, day, self.contract.ref)}"
                    )
                    cut = day + timedelta(days=1)
                    sealer.seal(connection, self.of, day.isoformat(), "s", cut, clock.midnight(cut), {})

    def pass_by(self, minutes: int, *, step: int = 6, **factors: float) -> None:
        """So many minutes of usual transactions, of one tenant times a factor by country: counted, folded and watched."""
        for _ in range(minutes // step):
            self.now += timedelta(minutes=step)
            self.alerting.now = self.now
            rows = [self._row(org, country, step) for org in ORGS for country in self._of(org, step, factors)]
            # Twice, and in another order.
            self.counter.count(self.rng.sample(rows, len(rows)))
            self.counter.count(self.rng.sample(rows, len(rows)))
            self.folding.run(60, lambda: 60.0)
            watched = self.watcher.run(ORGS, lambda: 60.0)
            assert (watched.failed, watched.left) == ([], 0)

    def _of(self, org: str, step: int, factors: dict[str, float]) -> Iterator[str]:
        hour = self.now - timedelta(minutes=step)
        for country in COUNTRIES:
            factor = factors.get(country, 1.0) if org == ORGS[0] else 1.0
            exact = usual(org, hour.hour) * factor * step / 60
            for _ in range(int(exact) + (self.rng.random() < exact % 1)):
                yield country

    def _row(self, org: str, country: str, step: int) -> Delivery:
        self.number += 1
        at = clock.utc_text(self.now - timedelta(minutes=self.rng.random() * (step - 0.1) + 0.01))
        payload = {"transaction_id": f"t{self.number}", "user_id": self.number, "amount": 10}
        event: dict[str, Any] = {
            **{"eventId": f"event-{self.number}", "eventType": "transaction.created", "eventSource": "shop"},
            **{"timestamp": at, "version": self.contract.version},
            "data": {
                "payload": {**payload, "location": f"Somewhere, {country}"},
                "metadata": {},
            },
            "platform": {
                **{"orgId": org, "receivedAt": at, "requestId": "r", "category": self.contract.category},
                **{"contract": self.contract.ref, "day": at[:10]},
            },
        }
        item = to_item(event, self.contract, bytes(12), self.alerting.codec)
        return Delivery(item, "table", "1", self.now, {})

    def raised(self) -> list[tuple[str, str]]:
        return [(one["subject"], one["title"]) for one in self.alerting.events("alert.raised")]

    def is_one(self, found: tuple[str, str]) -> bool:
        """Whether this was raised, and once more at most: in its own place, as critical."""
        raised, ended = self.raised(), self.ended()
        return raised == [found] * (1 + len(ended)) and ended in ([], ["escalated"])

    def ended(self) -> list[str]:
        return [one["reason"] for one in self.alerting.events("alert.ended")]


def _hours(org: str, day: date, ref: str) -> str:
    """A day of a tenant's usual transactions, as SQL; each of its own user."""
    hours = ", ".join(f"({hour}, {usual(org, hour)})" for hour in range(24))
    countries = ", ".join(f"('{one}')" for one in COUNTRIES)
    at = f"TIMESTAMPTZ '{day} 00:00:00+00' + to_seconds(hour * 3600 + number * 3600.0 / count)"
    return (
        f"SELECT md5(concat(country, hour, number)) AS event_id, {at} AS event_time, {at} AS received_at, '{org}' AS org_id, "
        f"'{ref}' AS contract, 10 AS amount, country, 1000 * hour + number AS user_id "
        f"FROM (VALUES {hours}) AS h(hour, count), (VALUES {countries}) AS c(country), range(0, count) AS r(number)"
    )


@pytest.fixture(scope="module")
def sealed(bundle: Path) -> World:
    assert bundle.is_dir()
    made = World()
    made.seal()
    return made


@pytest.fixture
def world(sealed: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of what was sealed, after a night in which nothing happened."""
    monkeypatch.setattr(run, "WEEKS", WEEKS)
    made = World()
    made.alerting.dynamodb.tables["Analytics"] |= sealed.alerting.dynamodb.tables["Analytics"]
    made.pass_by(60, step=30)
    assert made.raised() == []
    return made


def test_a_spike_is_one_alert_until_it_is_over(world: World) -> None:
    world.pass_by(30, DE=6)
    found = ("transactions_by_country:DE", "DE: a spike of transactions")
    assert world.is_one(found)
    world.restart()
    world.pass_by(60, DE=6)
    assert world.is_one(found)
    world.pass_by(270, step=30)
    assert world.ended()[-1] == "recovered"
    assert {*world.raised()} == {found}


def test_a_silence_is_one_alert_until_it_is_over(world: World) -> None:
    world.pass_by(42, FR=0)
    found = ("transactions_by_country:FR", "FR: silence of transactions")
    assert world.is_one(found)
    world.pass_by(300, step=30)
    assert {*world.raised()} == {found}
    assert world.ended()[-1] == "recovered"
    assert world.ended().count("recovered") == 1


def test_an_outage_is_one_alert_of_all_together(world: World) -> None:
    world.pass_by(42, DE=0, FR=0, PL=0)
    found = ("transactions_by_country", "All keys together: silence of transactions")
    assert world.is_one(found)
    world.pass_by(60, step=12, DE=0, FR=0, PL=0)
    assert world.is_one(found)


@pytest.mark.parametrize(
    "changes",
    [
        {"holidays": frozenset({(TODAY - EPOCH).days})},
        {"mutes": (Mute("DE", *(clock.epoch(clock.midnight(TODAY)) // 3600 + at for at in (0, 24))),)},
    ],
)
def test_nothing_is_raised_on_a_holiday_or_where_it_is_muted(world: World, changes: dict[str, Any]) -> None:
    world.restart(**changes)
    world.pass_by(66, DE=6)
    assert world.raised() == []
