"""Patterns and Sigma rules tried on the past: all of it, of both tenants, in whatever order the lake has it, and each event once."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cli import past
from cli.answers import Answer
from cli.commands import patterns, sigma
from cli.errors import UsageError
from cli.main import app
from millrace.archive import raw
from millrace.contracts import columns, conditions, registry
from millrace.contracts.fields import UNITS, fields
from millrace.core import clock
from millrace.eventstore.row import StoredEvent, from_item
from millrace.patterns import definition
from millrace.patterns.judge import Fact, matches
from millrace.patterns.reading import Reader
from tests.support.alerting import NOON
from tests.support.contracts import SCHEMAS
from tests.support.patterns import Story

DAY = 24 * 60
ORGS = ("org_acme", "org_globex")
SPAN = ("--from", "2026-11-20", "--to", "2026-12-02")
RULE = """title: A payout
id: 6f2f0f5e-7a0e-4a4e-9f57-0a4f0b5c9d11
logsource: {product: millrace, service: payout.requested}
detection:
  large: {amount|gte: 900}
  instant: {method|contains: insta}
  condition: large or instant
level: high
"""


KINDS = {
    "string": pa.string(),
    "decimal": pa.decimal128(18, 4),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}


class Fetched:
    """What DuckDB answered."""

    def __init__(self, names: list[str], cursor: duckdb.DuckDBPyConnection) -> None:
        self.names, self._cursor = names, cursor

    def parts(self, size: int = 1000) -> Iterator[list[tuple[Any, ...]]]:
        while part := self._cursor.fetchmany(size):
            yield part

    def rows(self) -> list[tuple[Any, ...]]:
        return self._cursor.fetchall()


class FakeLake:
    """Raw and silver of some events, which DuckDB has in memory."""

    events: list[StoredEvent] = []  # noqa: RUF012

    def __init__(self, *_: object) -> None:
        """Raw has some events twice, in no order."""
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA raw; CREATE SCHEMA silver")
        rng, rows = random.Random(7), [raw.row(one) for one in self.events]
        rows += rng.sample(rows, len(rows) // 3)
        rng.shuffle(rows)
        self._connection.register("archived", pa.Table.from_pylist(rows, schema=raw.SCHEMA))
        day = "strftime(event_time, '{}')"
        parts = ", ".join(
            f"{day.format(f)} AS {n}" for n, f in (("year", "%Y"), ("month", "%m"), ("day", "%d"))
        )
        self._connection.execute(f"CREATE TABLE raw.events AS SELECT *, {parts} FROM archived")
        contract = registry.load().find("payout.requested")
        known = {name: one for name, one in fields(contract).items() if name != "event_type"}
        payouts = [one for one in self.events if one.event_type == contract.event_type]
        values = [
            {name: _cell(field.type, field.read(one.envelope)) for name, field in known.items()}
            for one in payouts
        ]
        schema = pa.schema({name: KINDS[field.type] for name, field in known.items()})
        self._connection.register("paid", pa.Table.from_pylist(values, schema=schema))
        self._connection.execute(f"CREATE TABLE silver.{columns.table(contract)} AS SELECT * FROM paid")

    def __enter__(self) -> "FakeLake":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def tables(self) -> list[str]:
        return ["raw.events", "silver.payout_requested_v1"]

    @contextmanager
    def ask(self, sql: str) -> Iterator[Answer]:
        cursor = self._connection.cursor()
        cursor.execute(sql)
        yield Fetched([column[0] for column in cursor.description or ()], cursor)


def _cell(kind: str, value: Any) -> Any:
    if value is None or kind == "string":
        return value
    return Decimal(value) / UNITS if kind == "decimal" else clock.from_epoch_micros(value)


@pytest.fixture(scope="module")
def events(bundle: Path) -> list[StoredEvent]:
    """Three thousand of eleven days."""
    assert bundle.is_dir()
    rng, story = random.Random(17), Story()
    for number in range(900):
        org, at = rng.choice(ORGS), rng.randrange(-10 * DAY, DAY)
        story.order(f"ord_{number}", at, org=org)
        if rng.random() < 0.7:
            story.completed(f"ord_{number}", at + rng.choice([-1, 0, 5, 29, 30, 31, 90]), org=org)
        user = f"usr_{rng.randrange(12)}"
        if number % 9 == 0:
            for _ in range(rng.randrange(4, 7)):
                story.failed(at + rng.randrange(70), user=user, org=org)
            story.paid(at + 65, user=user, org=org, device=rng.choice(["old", "new"]))
        payout = {
            "creatorId": user,
            "amount": rng.randrange(1000),
            "currency": "EUR",
            "payoutId": str(number),
        }
        story.tell(
            "payout.requested",
            at,
            {**payout, "method": rng.choice(["sepa", "Instant"])},
            userId=user,
            org=org,
        )
    return [from_item(item, story.codec) for item in story.items]


@pytest.fixture(autouse=True)
def _platform(monkeypatch: pytest.MonkeyPatch, events: list[StoredEvent]) -> None:
    monkeypatch.setattr(FakeLake, "events", events)
    monkeypatch.setattr(past, "not_there", lambda *_, **__: (3, ["3 accepted events not yet archived"]))
    for command in (patterns, sigma):
        monkeypatch.setattr(command, "find_target", lambda _: None)
        monkeypatch.setattr(command, "Lake", FakeLake)
        monkeypatch.setattr(command, "chosen_tenant", lambda *_, **__: None)


def ran(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments], env={"COLUMNS": "80"})
    if result.exit_code:
        raise result.exception or AssertionError(result.output)
    return result.output


def told(name: str, events: list[StoredEvent]) -> list[tuple[str, str]]:
    """Which alerts a pattern tells: of all events of a key at once, as its page says."""
    (pattern,) = (one for one in definition.load() if one.name == name)
    reader = Reader([pattern], registry.load().of_ref)
    steps: dict[tuple[str, str], set[Fact]] = {}
    missing: dict[tuple[str, str], set[Fact]] = {}
    for event in events:
        for hit in reader.hits(event):
            (missing if hit.missing else steps).setdefault((event.org, hit.key), set()).add(hit.fact)
    within = pattern.within // timedelta(microseconds=1)
    wait = within + 120_000_000 if pattern.missing else 0
    found = []
    for (org, key), facts in steps.items():
        quiet, after = -1, missing.get((org, key), set())
        for match in matches(pattern, [*facts]):
            start, end = match.closing.place, match.closing.micros + within
            came = any(one.place > start and one.micros <= end for one in after)
            at = match.closing.micros + wait
            if not came and at > quiet:
                quiet = at + pattern.quiet // timedelta(microseconds=1)
                found.append((org, pattern.subject(key)))
    return sorted(found)


@pytest.mark.parametrize("name", ["order_without_completion", "card_testing"])
def test_a_pattern_is_tried_on_all_of_the_lake(name: str, events: list[StoredEvent]) -> None:
    path = SCHEMAS / "patterns" / f"{name}.yaml"
    answer = json.loads(ran("patterns", "test", str(path), *SPAN, "--json").splitlines()[-1])
    assert sorted((one["org"], one["subject"]) for one in answer["items"]) == told(name, events)
    assert answer["fired"] == len(answer["items"]) > 20
    assert {one["org"] for one in answer["items"]} == {*ORGS}
    assert answer["notArchived"] == 3
    assert answer["first"] < "2026-11-21"
    assert answer["last"] > "2026-11-30"


def test_what_is_found_is_said_with_what_was_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "LISTED", 2)
    printed = ran("patterns", "test", str(SCHEMAS / "patterns" / "card_testing.yaml"), *SPAN)
    assert printed.count("5 payment.failed, then payment.captured of user:") == 2
    assert "The first 2 are listed." in printed
    assert "Not looked at: 3 accepted events not yet archived." in printed


def test_a_sigma_rule_is_counted_by_tenant_and_day(tmp_path: Path, events: list[StoredEvent]) -> None:
    file = tmp_path / "rule.yml"
    file.write_text(RULE)
    answer = json.loads(ran("sigma", "test", str(file), *SPAN, "--examples", "3", "--json").splitlines()[-1])
    contract = registry.load().find("payout.requested")
    where = [{"any": [{"field": "amount", "atLeast": 900}, {"field": "method", "like": "*insta*"}]}]
    holds = conditions.holds(where, fields(contract))
    matching = [one for one in events if one.event_type == contract.event_type and holds(one.envelope)]
    counted = Counter((one.org, one.day) for one in matching)
    assert {(one["org"], one["day"]): one["matched"] for one in answer["items"]} == counted
    assert answer["matched"] == counted.total() > 400
    first = sorted((one.happened_at, one.event_id) for one in matching)[:3]
    assert [one["eventId"] for one in answer["examples"]] == [event_id for _, event_id in first]
    printed = ran("sigma", "test", str(file), *SPAN)
    assert f"{counted.total()} matches of rule in silver" in printed
    assert printed.count("payout.requested") == 5


def test_a_correlation_answers_as_the_pattern_that_it_is(tmp_path: Path) -> None:
    (tmp_path / "together.yml").write_text(
        "title: Two payouts\nid: 0d1c9c1e-54d2-4dbb-9b8b-5f6b1d9f2f10\ncorrelation:\n  type: event_count\n"
        "  rules: [payout_of_some_value]\n  group-by: [userId]\n  timespan: 1d\n  condition: {gte: 2}\nlevel: low\n"
    )
    answer = json.loads(
        ran("sigma", "test", str(tmp_path / "together.yml"), *SPAN, "--json").splitlines()[-1]
    )
    assert answer["fired"] > 10
    assert {one["severity"] for one in answer["items"]} == {"info"}


def test_what_is_wrong_with_a_rule_is_said_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "rule.yml"
    file.write_text(RULE.replace("amount|gte", "amont|gte"))
    result = CliRunner().invoke(app, ["sigma", "test", str(file)])
    assert f"{file}:5 /detection/large/amont|gte: " in str(result.exception)
    assert "did you mean amount?" in str(result.exception)


def test_another_file_is_no_pattern() -> None:
    result = CliRunner().invoke(app, ["patterns", "test", str(SCHEMAS / "aggregates" / "inventory.yaml")])
    assert "inventory.yaml is no pattern: it has neither pattern nor steps" in str(result.exception)


def test_a_span_is_days_and_times() -> None:
    now = NOON + timedelta(hours=11, minutes=59)
    assert past.span(None, None, now) == (now - timedelta(days=7), now)
    since, until = past.span("2026-11-21", "2026-11-21", now)
    assert until - since == timedelta(days=1)
    parts = [*past.days(since + timedelta(hours=3), until + timedelta(hours=1))]
    assert [end - start for start, end in parts] == [timedelta(hours=21), timedelta(hours=1)]
    wrong: list[Callable[[], object]] = [
        lambda: past.span("tomorrow", None),
        lambda: past.span("2026-11-21", "2026-11-20T00:00:00Z"),
    ]
    for call in wrong:
        with pytest.raises(UsageError):
            call()
