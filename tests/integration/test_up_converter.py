"""A newer major whose table is fed from the older one, too: by what its contract says each field is made of."""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from millrace.compiler.bundle import assemble_contracts
from millrace.compiler.event_contracts import compile_contracts
from millrace.contracts.errors import ContractError
from millrace.contracts.registry import Registry
from millrace.eventstore.row import StoredEvent
from millrace.lake.raw_to_silver import Done
from tests.support.contracts import SCHEMAS, field
from tests.support.raw_files import RawFiles, again, event
from tests.support.silver_runs import DAY, NEXT, ORDER, letters, rows_of, run

pytestmark = pytest.mark.integration
FOLDER = "events/commerce/order.created"
OLD, NEW = "silver.order_created_v1", "silver.order_created_v2"
CONVERTER: dict[str, Any] = {
    "from": 1,
    "fields": {
        "/data/payload/total": {"of": "/data/payload/totalAmount"},
        "/data/payload/currency": {
            "of": "/data/payload/currency",
            "values": {"EUR": "euro"},
            "otherwise": "other",
        },
        "/data/payload/origin/system": {"value": "v1"},
    },
}


def write(schemas: Path, converter: Any = CONVERTER, **properties: Any) -> None:
    """A second major of orders: `totalAmount` is `total` and at most 1,000, `currency` has names, `origin` is new."""
    document = yaml.safe_load((SCHEMAS / FOLDER / "v1.yaml").read_text())
    document |= {"id": "order.created.v2", "version": "2.0.0"}
    fields = document["schema"][0]["properties"][0]["properties"]
    kept = [one for one in fields if one["name"] not in ("totalAmount", "currency")]
    total = field("total", "number", physicalType="decimal(18,4)", required=True)
    total["logicalTypeOptions"] = {"maximum": 1000}
    names = [{"value": name} for name in ("euro", "other", "dollar")]
    kept += [total, field("currency", enum=names, required=True), field("note", "integer")]
    kept.append(
        field("origin", "object", required=True, properties=[field("system", required=True), field("page")])
    )
    document["schema"][0]["properties"][0]["properties"] = [properties.get(one["name"], one) for one in kept]
    left = ("rules", "silver", "consumers", "retirement", "upConverter")
    document["customProperties"] = [
        one for one in document["customProperties"] if one["property"] not in left
    ]
    if converter is not None:
        document["customProperties"].append({"property": "upConverter", "value": converter})
    (schemas / FOLDER / "v2.yaml").write_text(yaml.safe_dump(document, sort_keys=False))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    schemas, folder = tmp_path_factory.mktemp("checkout") / "schemas", tmp_path_factory.mktemp("bundle")
    shutil.copytree(SCHEMAS, schemas)
    write(schemas)
    assemble_contracts(schemas, folder)
    return Registry(folder)


def order(org: str, rng: random.Random, amount: float, currency: str = "EUR", **more: Any) -> StoredEvent:
    item = {"productId": "p", "quantity": 1, "price": amount}
    return event(
        ORDER, org, more.pop("day", DAY), rng, items=[item], totalAmount=amount, currency=currency, **more
    )


def as_v2(stored: StoredEvent, **payload: Any) -> StoredEvent:
    held = {
        k: v
        for k, v in stored.envelope["data"]["payload"].items()
        if k not in ("totalAmount", "currency", "note")
    }
    new = {**held, "total": 1, "currency": "dollar", "origin": {"system": "v2"}, **payload}
    platform = {**stored.envelope["platform"], "contract": "order.created/2.0.0"}
    data = {**stored.envelope["data"], "payload": new}
    envelope = {**stored.envelope, "version": "2.0.0", "data": data, "platform": platform}
    return StoredEvent(envelope, stored.fingerprint, stored.expires_at, "")


def rows(files: RawFiles, done: Done, table: str) -> dict[str, dict[str, Any]]:
    found = [row for part in done.parts if part.table == table for row in rows_of(files, part)]
    assert len({row["event_id"] for row in found}) == len(found)
    return {row["event_id"]: row for row in found}


def test_the_newer_table_has_the_rows_of_both_majors(tmp_path: Path, registry: Registry) -> None:
    rng, files = random.Random(7), RawFiles(tmp_path / "lake")
    sent: dict[str, list[StoredEvent]] = {}
    for org in ("org_acme", "org_zest"):
        old = [order(org, rng, n + 0.25, rng.choice(("EUR", "dollar")), note="free text") for n in range(20)]
        new = [as_v2(order(org, rng, 5)) for _ in range(20)]
        twice = [again(old[0], 9), again(new[0], 9)]
        # One id in both majors, as of a type that is in no table: the row of the newer one stays.
        both = as_v2(again(old[1], 5), total=77)
        late = order(org, rng, 3, day=NEXT)
        files.put(org, DAY, [*old, *new])
        files.put(org, DAY, [*twice, both])
        files.put(org, NEXT, [late])
        sent[org] = [*old, *new, late]
    first, second = run(files, registry, buckets=2), run(files, registry)
    assert letters(files) == []
    for (org, day), done in first.items():
        assert done.failures == []
        for part in done.parts:
            assert part.rows_in == part.rows + part.duplicates + part.dead
        table = rows(files, done, NEW)
        assert table == rows(files, second[org, day], NEW)
        assert {row["org_id"] for row in table.values()} == {org}
        expected = [one for one in sent[org] if one.envelope["platform"]["day"] == day]
        assert table.keys() == {one.event_id for one in expected}
        for one in expected:
            row, payload = table[one.event_id], one.envelope["data"]["payload"]
            if row["total"] == 77:
                assert row["contract"] == "order.created/2.0.0"
                continue
            assert row["contract"] == one.envelope["platform"]["contract"]
            assert float(row["total"]) == payload.get("total", payload.get("totalAmount"))
            assert row["origin_system"] == ("v2" if row["contract"].endswith("/2.0.0") else "v1")
            assert row["currency"] == {"EUR": "euro"}.get(payload["currency"], payload["currency"])
            assert row["note"] is None, "what was free in the older major is not a field of this one"
    olds = rows(files, first["org_acme", DAY], OLD)
    assert len(olds) == 20
    assert "total_amount" in next(iter(olds.values()))


def test_what_does_not_fit_is_set_aside_and_holds_nothing_up(tmp_path: Path, registry: Registry) -> None:
    rng, files = random.Random(8), RawFiles(tmp_path / "lake")
    big = [order("org_acme", rng, 1001) for _ in range(150)]
    unknown = order("org_acme", rng, 5, "GBP")
    good, new = order("org_acme", rng, 7), as_v2(order("org_acme", rng, 5))
    files.put("org_acme", DAY, [*big, unknown, good, new])
    (done,) = run(files, registry).values()
    assert done.failures == []
    assert rows(files, done, NEW).keys() == {good.event_id, new.event_id}
    assert len(rows(files, done, OLD)) == 152
    assert not [check for part in done.parts for check in part.checks if check.status == "fail"]
    assert sum(part.dead for part in done.parts) == 151
    assert {letter["event_id"] for letter in letters(files)} == {one.event_id for one in [*big, unknown]}


P = "/data/payload"
WRONG: list[tuple[Any, str]] = [
    ({"from": 1}, "upConverter is an object such as"),
    ({"from": 1, "fields": {f"{P}/total": "/data/payload/amount"}}, "is made of"),
    ({"from": 1, "fields": {f"{P}/total": {"of": f"{P}/totalAmount", "times": 2}}}, "is made of"),
    ({**CONVERTER, "from": 3}, "there is no version 3"),
    ({**CONVERTER, "from": 2}, "version 2 is not older"),
    ({"from": 1, "fields": {}}, f"{P}/total is required, and nothing says"),
    ({"from": 1, "fields": {**CONVERTER["fields"], f"{P}/extra": {"value": 1}}}, f"no field {P}/extra"),
    (
        {"from": 1, "fields": {**CONVERTER["fields"], f"{P}/note": {"of": f"{P}/nothing"}}},
        f"has no field {P}/nothing",
    ),
    (
        {"from": 1, "fields": {**CONVERTER["fields"], f"{P}/note": {"of": f"{P}/items"}}},
        "is a single value, and",
    ),
    ({"from": 1, "fields": {**CONVERTER["fields"], f"{P}/note": {"value": "x"}}}, "does not take 'x'"),
    (
        {"from": 1, "fields": {**CONVERTER["fields"], f"{P}/origin": {"value": {"system": "a"}}}},
        "made as a whole",
    ),
]


@pytest.mark.parametrize(("converter", "sentence"), WRONG)
def test_a_converter_that_cannot_work_does_not_compile(tmp_path: Path, converter: Any, sentence: str) -> None:
    shutil.copytree(SCHEMAS / FOLDER, tmp_path / FOLDER)
    write(tmp_path, converter)
    with pytest.raises(ContractError) as caught:
        compile_contracts(tmp_path)
    assert sentence in str([problem.sentence for problem in caught.value.problems])


def test_what_was_protected_stays_so(tmp_path: Path) -> None:
    shutil.copytree(SCHEMAS / FOLDER, tmp_path / FOLDER)
    text = (tmp_path / FOLDER / "v1.yaml").read_text()
    document = yaml.safe_load(text)
    fields = document["schema"][0]["properties"][0]["properties"]
    next(one for one in fields if one["name"] == "totalAmount")["classification"] = "restricted"
    (tmp_path / FOLDER / "v1.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    write(tmp_path)
    with pytest.raises(ContractError, match="restricted"):
        compile_contracts(tmp_path)
