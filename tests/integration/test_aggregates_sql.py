"""A day through the stream's code and through SQL over silver: the same tiles, to the digit and the byte."""

import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from millrace.aggregates import measures
from millrace.aggregates.definition import Aggregate, Derived, Measure, of_types
from millrace.aggregates.derived import with_derived
from millrace.compiler.aggregates import compile_aggregates
from millrace.compiler.warehouse import aggregate_macros, dialect
from millrace.compiler.warehouse.render import render
from millrace.contracts.contract import Contract
from millrace.contracts.fields import fields
from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.eventstore.row import StoredEvent
from millrace.lake import raw_to_silver as transform_module
from tests.support.contracts import SCHEMAS
from tests.support.raw_files import RawFiles, again, event
from tests.support.sealed import Tiles, sealed, silver_of, streamed
from tests.support.silver_runs import CONTRACTS, DAY, run

pytestmark = pytest.mark.integration
ORGS = ("org_acme", "org_globex")
# Seconds between an event and its receipt: at once, within the minute, six days, and beyond every lateness but one.
# One of tests alone that has a macro.
FADED = "faded"
STEPS = ("product.viewed", "cart.item_added", "checkout.started", "order.completed")
_MINUTES = ("00:00", "12:34", "23:59")
_LATE = (0, 1.5, 59, 3_600, 3_600.001, 6 * 86_400, 8 * 86_400)


@pytest.fixture(scope="module")
def registry(bundle: Path) -> Registry:
    return Registry(bundle)


@pytest.fixture(scope="module")
def aggregates(registry: Registry) -> list[Aggregate]:
    found = [Aggregate.from_json(one) for one in compile_aggregates(SCHEMAS, registry.contracts)]
    return [*(one for one in found if not one.of_log), *_extreme(found)]


def _extreme(found: Sequence[Aggregate]) -> Iterator[Aggregate]:
    """The same with every kind of measure, and bounds that are reached."""
    by_name = {one.name: one for one in found}
    merchants, inventory = by_name["transactions_by_merchant"], by_name["inventory"]
    of = {"transaction.created": "amount"}
    more = (
        Measure("top", "top", {"transaction.created": "device_id"}, "string", (), 1, ()),
        Measure("users", "top", {"transaction.created": "user_id"}, "long", (), 1, ()),
        Measure("sizes", "distribution", of, "decimal", (), 0, (10, 99.5, 1000)),
        Measure("hours", "distribution", {"transaction.created": "hour"}, "int", (), 0, (6, 12.5)),
        Measure("last", "latest", {"transaction.created": "payment_method"}, "string", (), 0, ()),
        Measure("first_at", "min", {"transaction.created": "timestamp"}, "timestamptz", (), 0, ()),
        Measure("flags", "distinct", {"transaction.created": "is_fraud"}, "boolean", (), 0, ()),
        Measure("hour", "mean", {"transaction.created": "hour"}, "int", (), 0, ()),
        Measure("night", "sum", of, "decimal", ({"field": "hour", "below": 5},), 0, ()),
    )
    yield replace(
        merchants,
        name="few_merchants",
        most_keys=2,
        measures=(*merchants.measures, *more),
        lateness_seconds=3_600,
    )
    yield replace(
        merchants,
        name="by_revenue",
        most_keys=1,
        ranked_by="revenue",
        keys=(*merchants.keys, by_name["transactions_by_country"].keys[0]),
    )
    hours = {"transaction.created": "hour"}
    yield replace(
        merchants,
        name=FADED,
        measures=(
            Measure("transactions", "count", {}, "", (), 0, ()),
            Measure("night", "sum", of, "decimal", ({"field": "hour", "below": 5},), 0, (), (), 3_600),
            Measure("hours", "sum", hours, "int", (), 0, (), (), 3_600),
        ),
    )
    yield replace(inventory, name="few_products", most_keys=1, ranked_by="change")


def _payload(contract: Contract, rng: random.Random) -> dict[str, Any]:
    """Values that many events share, and some that are as large as they may be."""
    merchants = ["Nile", "Ärger & Söhne", "a#b", "%", "", *(f"m{number}" for number in range(30))]
    if contract.event_type == "transaction.created":
        return {
            "merchant": rng.choice(merchants[:6] if rng.random() < 0.8 else merchants),
            "amount": rng.choice(
                [0, 0.0001, 9.99, 10, 99.5, 5000.01, 999_999_999_999.9999, rng.randrange(10**9) / 10_000]
            ),
            "user_id": rng.randrange(9),
            "is_fraud": rng.choice([True, False, None]),
            "payment_method": rng.choice(["crypto", "card", None]),
            "location": rng.choice(["Lisbon, Portugal", "Paris, France", "nowhere", None]),
            "device_id": rng.choice([None, *(f"dev_{number}" for number in range(40))]),
        }
    if contract.event_type == "campaign.pacing_recorded":
        return {
            "campaignId": f"c{rng.randrange(9)}",
            "spent": rng.choice([0, 0.0001, 1234.5678, 999_999_999_999.9999, rng.randrange(10**9) / 10_000]),
            "budget": rng.choice([0, 1000, 333.3333, rng.randrange(10**9) / 10_000]),
            "expectedSpend": rng.choice([None, 0, 0.0003, 500, rng.randrange(10**9) / 10_000]),
            "flightStart": rng.choice(
                [None, f"{DAY}T00:00:00Z", f"{DAY}T12:34:00.123456Z", "2026-01-01T00:00:00Z"]
            ),
            "flightEnd": rng.choice([None, f"{DAY}T23:59:00Z", "2031-05-05T05:05:05.5Z"]),
        }
    if contract.event_type == "product.viewed":
        return {"userId": f"u{rng.randrange(3)}", "brand": rng.choice([None, "Nordlicht", "Äther"])}
    if contract.event_type == "inventory.adjusted":
        return {
            "productId": f"p{rng.randrange(4)}",
            "warehouseId": "w",
            "delta": rng.choice([-(2**31), 2**31 - 1, 1]),
            "onHand": rng.randrange(2**31),
        }
    return {}


def _day(aggregates: Sequence[Aggregate], org: str, number: int, rng: random.Random) -> list[StoredEvent]:
    """Events of a tenant's day in a few hours of it, so that tiles have many."""
    types = sorted(of_types(aggregates))
    busy = (
        ["campaign.pacing_recorded"] * 2
        + ["transaction.created"] * 20
        + ["inventory.adjusted"] * 4
        + [*STEPS] * 4
    )
    made = []
    for _ in range(number):
        contract = CONTRACTS[f"{rng.choice([*types, *busy])}.v1"]
        one = event(contract, org, DAY, rng, **_payload(contract, rng))
        # Few tiles, and moments that several events share.
        minute = rng.choice(["00:00", "00:01", "00:06"] if contract.event_type in STEPS else _MINUTES)
        happened = clock.parse(f"{DAY}T{minute}:{rng.choice(['00', '59.999999'])}Z")
        # Few sessions, so that each takes several steps; some events have none.
        session = rng.choice([None, *(f"session_{number}" for number in range(12))])
        moved = {"timestamp": clock.utc_micros(happened), "sessionId": session}
        if contract.event_type == "inventory.adjusted":
            # What orders adjustments of one moment: any text.
            moved["eventId"] = f"{rng.choice('aZé')}{rng.getrandbits(64)}"
        one = StoredEvent({**one.envelope, **moved}, one.fingerprint, one.expires_at, "")
        platform = {**one.envelope["platform"], "receivedAt": clock.utc_text(happened)}
        made.append(
            again(
                StoredEvent({**one.envelope, "platform": platform}, one.fingerprint, one.expires_at, ""),
                rng.choice(_LATE),
            )
        )
    return made


@pytest.fixture(scope="module")
def macros(
    registry: Registry, aggregates: list[Aggregate], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Aggregate of the repository → its windows of 15 minutes that begin every five, as a transform has them."""
    project = tmp_path_factory.mktemp("warehouse")
    shutil.copytree(SCHEMAS.parent / "warehouse" / "macros", project / "macros")
    (project / "dbt_project.yml").write_text("vars: {}")
    (project / "models" / "gold").mkdir(parents=True)
    names = {one.name for one in aggregates} & {path.stem for path in (SCHEMAS / "aggregates").glob("*.yaml")}
    more = [one for one in aggregates if one.name == FADED]
    (project / "macros/more.sql").write_text(aggregate_macros.text(more, registry.contracts))
    for name in (*names, FADED):
        (project / f"models/gold/{name}.sql").write_text(f"{{{{ {name}(15, slide=5) }}}}")
    (project / "models/gold/month.sql").write_text("{{ interests(30 * 1440, slide=1440) }}")
    rendered = {one.name: one.sql for one in render(project)}
    for query in rendered.values():
        assert not dialect.problems(dialect.parse(query))
        dialect.athena(dialect.parse(query))
    return rendered


def _by_window(one: Aggregate, rows: list[dict[str, Any]]) -> dict[Any, Any]:
    """Window and keys → measures, of the rows of a macro."""
    return {
        (clock.epoch(row["window_start"]), *(row[key.name] for key in one.keys)): {
            measure.name: _in_row(measure, row)
            for measure in one.answered
            if measure.kind not in ("top", "distribution")
        }
        for row in rows
    }


def _in_row(measure: Measure | Derived, row: dict[str, Any]) -> Any:
    if isinstance(measure, Measure) and measure.kind == "funnel":
        return [row[f"{measure.name}_{number}"] for number in range(1, len(measure.steps) + 1)]
    value = row[measure.name]
    return clock.utc_micros(value) if isinstance(value, datetime) else value


def _shown(measure: Measure, state: Any) -> Any:
    found = measures.of(measure).shown(state)
    return [step["sessions"] for step in found["steps"]] if measure.kind == "funnel" else found


def _starts(tile: int, seconds: int, slide: int) -> list[int]:
    """The windows that a tile is in; of a day at most those that lie in one day."""
    last = tile - tile % slide
    starts = range(last, last + slide - seconds - 1, -slide)
    return [one for one in starts if seconds > 86_400 or one // 86_400 == (one + seconds - 1) // 86_400]


def _windows(one: Aggregate, tiles: Tiles, seconds: int = 900, slide: int = 300) -> dict[Any, Any]:
    """The same of merged tiles, as answers show them."""
    kinds = {measure.name: measures.of(measure) for measure in one.measures}
    merged: dict[Any, list[Any]] = {}
    for tile, keys in tiles.items():
        for key, states in keys.items():
            for start in _starts(tile, seconds, slide):
                age = start + seconds - tile
                read = [
                    kind.aged(kind.read(state), age)
                    for kind, state in zip(kinds.values(), states, strict=True)
                ]
                held = merged.get((start, *key))
                merged[start, *key] = (
                    read
                    if held is None
                    else [kind.merge(*pair) for kind, *pair in zip(kinds.values(), held, read, strict=True)]
                )
    return {
        window: with_derived(
            one.derived,
            {
                measure.name: _shown(measure, state)
                for measure, state in zip(one.measures, states, strict=True)
                if measure.kind not in ("top", "distribution")
            },
        )
        for window, states in merged.items()
    }


@pytest.mark.parametrize("number", [600])
def test_the_stream_and_the_lake_have_the_same_tiles(
    number: int,
    tmp_path: Path,
    registry: Registry,
    aggregates: list[Aggregate],
    macros: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Generated values keep no rule, and a row that breaks a check stays.
    monkeypatch.setattr(transform_module, "MOST_UNFIT", -1)
    rng, files = random.Random(17), RawFiles(tmp_path / "lake")
    events = {org: _day(aggregates, org, number, rng) for org in ORGS}
    for org, made in events.items():
        # The archive writes what is redelivered again.
        for batch in (made, rng.sample(made, len(made) // 3)):
            files.put(org, DAY, batch)
    done = run(files, registry)
    columns = {
        name: {column: of.type for column, of in fields(registry.find(name)).items()}
        for name in of_types(aggregates)
    }
    for org, made in events.items():
        parts = [part for part in done[org, DAY].parts if part.file is not None]
        assert not done[org, DAY].failures
        delivered = [*made, *rng.choices(made, k=len(made))]
        rng.shuffle(delivered)
        counted, late = streamed(aggregates, columns, registry.of_ref, delivered, rng)
        with silver_of(registry, columns, files, parts) as (connection, sources):
            for one in aggregates:
                tiles, too_late = sealed(one, connection, sources)
                assert tiles == counted[one.name], one.name
                assert too_late == late[one.name], one.name
                if one.name in macros:
                    found = connection.sql(macros[one.name])
                    rows = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
                    assert _by_window(one, rows) == _windows(one, tiles), one.name
                if one.name == "interests":
                    found = connection.sql(macros["month"])
                    rows = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
                    assert _by_window(one, rows) == (month := _windows(one, tiles, 30 * 86_400, 86_400))
                    assert len({window["interest"] for window in month.values()}) > 30
        (bought,) = (one for one in aggregates if one.name == "shop_conversion")
        windows = _windows(bought, counted["shop_conversion"])
        assert max(window["steps"][-1] for window in windows.values()) > 0
        assert any(window["steps"][0] < 12 for window in windows.values())
        assert late["few_merchants"]
        assert any(() in keys for keys in counted["few_merchants"].values())
