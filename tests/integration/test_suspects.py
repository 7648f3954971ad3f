"""Personal data in fields that nobody protects: found by the run, shown in the catalog to its tenant alone, never a value."""

import random
from dataclasses import replace

import pytest

from millrace.contracts.registry import Registry
from millrace.core.table import Table
from millrace.lake import suspects
from millrace.runs.documents import Suspected
from millrace.runs.store import RunStore
from tests.support.platform import ACME, GLOBEX, Platform
from tests.support.publishing import DAY, FACTS, ORDERS, Publish, dataset, stored, two_tenants
from tests.support.raw_files import RawFiles, event
from tests.support.silver_runs import ORDER, run

MAIL = "jane.roe@example.org"


@pytest.mark.usefixtures("without_checks")
@pytest.mark.parametrize("buckets", [1, 3])
def test_a_run_finds_it_in_declared_and_in_other_fields(
    files: RawFiles, registry: Registry, buckets: int
) -> None:
    rng = random.Random(3)
    events = [event(ORDER, ACME, DAY, rng) for _ in range(20)]
    events += [event(ORDER, ACME, DAY, rng, comment=f"ask {MAIL}", tags={MAIL: True}) for _ in range(20)]
    files.put(ACME, DAY, events)
    files.put(GLOBEX, DAY, [event(ORDER, GLOBEX, DAY, rng) for _ in range(5)])
    done = run(files, registry, buckets)
    parts = done[ACME, DAY].parts
    assert sum(part.looked for part in parts) == 40
    found: dict[tuple[str, str], int] = {}
    for part in parts:
        for one in part.suspected:
            found[one.pointer, one.kind] = found.get((one.pointer, one.kind), 0) + one.events
    assert found["/data/payload/comment", "email"] == 20
    assert found["/data/payload/tags/*", "email"] == 20
    assert MAIL not in str(parts)
    assert not [part.suspected for part in done[GLOBEX, DAY].parts if part.suspected]


@pytest.mark.usefixtures("without_checks")
def test_a_large_day_costs_a_sample(
    files: RawFiles, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspects, "SAMPLE", 10)
    rng = random.Random(4)
    files.put(ACME, DAY, [event(ORDER, ACME, DAY, rng, comment=MAIL) for _ in range(400)])
    (part,) = run(files, registry)[ACME, DAY].parts
    assert 1 <= part.looked <= 20
    assert Suspected("/data/payload/comment", "email", part.looked) in part.suspected


def test_the_catalog_names_it_to_its_tenant(running: Platform, runs: RunStore, publish: Publish) -> None:
    made = two_tenants(running)
    acme, globex = made.silver
    found = (
        Suspected("/data/payload/orderId", "email", 3),
        Suspected("/data/payload/comment", "payment_card", 1),
    )
    made.silver = [replace(acme, looked=10, suspected=found), replace(globex, looked=10)]
    made.commit(ORDERS, *made.silver)
    made.write(runs)
    publish("hourly-1")
    shown = dataset(running, ORDERS)
    columns = {column["name"]: column["suspected"] for column in shown["columns"]}
    assert columns["order_id"] == [{"kind": "email", "share": 0.3, "lastSeen": DAY}]
    assert sum(map(len, columns.values())) == 1
    assert shown["undeclared"] == [
        {"pointer": "/data/payload/comment", "kind": "payment_card", "share": 0.1, "lastSeen": DAY}
    ]
    other = dataset(running, ORDERS, GLOBEX)
    assert not any(column["suspected"] for column in other["columns"])
    assert other["undeclared"] == []
    assert dataset(running, FACTS)["undeclared"] == []
    summary = runs.summary("hourly-1")
    assert summary is not None
    assert summary.suspected == 2
    before = stored(running)
    publish("hourly-1")
    assert stored(running) == before
    keys = {row["entityTypeKey"]["S"] for row in Table(running.dynamodb, "Metadata").scan(doing="look")}
    assert f"{ACME}#suspects#0" in keys
    assert f"{GLOBEX}#suspects#0" not in keys, "a tenant without any has no row"
