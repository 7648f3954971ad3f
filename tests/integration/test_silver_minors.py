"""A minor adds fields to a type that is open: rows of older minors may hold anything there, and are kept."""

import random
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from millrace.compiler.bundle import assemble_contracts
from millrace.contracts.registry import Registry
from millrace.eventstore.row import StoredEvent
from tests.support.contracts import SCHEMAS, field
from tests.support.raw_files import RawFiles, event
from tests.support.silver_runs import DAY, ORDER, letters, rows_of, run

pytestmark = pytest.mark.integration
FILE = "events/commerce/order.created/v1.yaml"
PAYLOAD = [
    field("channel", enum=[{"value": "web"}, {"value": "NO"}]),
    field("weight", "number", physicalType="decimal(18,4)", logicalTypeOptions={"minimum": 0}),
    field("parcels", "array", items={"logicalType": "integer", "logicalTypeOptions": {"minimum": 1}}),
    field("pickup", "object", properties=[field("shop", required=True), field("day", "date")]),
]
ITEM = field("color", logicalTypeOptions={"maxLength": 3})
# What an open type took before: it fits, or it does not, by its type or by its limits.
FIT: list[dict[str, Any]] = [
    {"channel": "NO"},
    {"channel": "web", "weight": 2.5, "parcels": [1, 2], "pickup": {"shop": "s1", "day": "2026-02-28"}},
    {"pickup": {"shop": "s2"}},
    {},
]
MISFITS: list[dict[str, Any]] = [
    {"channel": "phone"},
    {"weight": -1},
    {"weight": "heavy"},
    {"weight": {"kg": 1}},
    {"parcels": [0]},
    {"parcels": "two"},
    {"parcels": [1, "x"]},
    {"pickup": {"day": "2026-02-28"}},
    {"pickup": {"shop": "s3", "day": "soon"}},
    {"pickup": "at the station"},
]
COLUMNS = ("channel", "weight", "parcels", "pickup_shop", "pickup_day")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    schemas = tmp_path_factory.mktemp("newer") / "schemas"
    shutil.copytree(SCHEMAS, schemas)
    text = (schemas / FILE).read_text()
    document = yaml.safe_load(text.replace("1.2.0", "1.3.0"))
    payload = document["schema"][0]["properties"][0]["properties"]
    payload += PAYLOAD
    next(one for one in payload if one["name"] == "items")["items"]["properties"].append(ITEM)
    (schemas / FILE).write_text(yaml.safe_dump(document, sort_keys=False))
    folder = tmp_path_factory.mktemp("bundle")
    assemble_contracts(schemas, folder)
    return Registry(folder)


def accepted_under(minor: int, org: str, rng: random.Random, color: Any = None, **more: Any) -> StoredEvent:
    item = {"productId": "p", "quantity": 2, "price": 1.5, **({} if color is None else {"color": color})}
    made = event(ORDER, org, DAY, rng, items=[item], totalAmount=3, **more)
    platform = {**made.envelope["platform"], "contract": f"order.created/1.{minor}.0"}
    return StoredEvent({**made.envelope, "platform": platform}, made.fingerprint, made.expires_at, "")


def test_the_contract_tells_since_when_it_has_its_fields(registry: Registry) -> None:
    since = registry.find("order.created").since
    assert set(since.values()) == {3}
    assert {"/data/payload/channel", "/data/payload/items/*/color", "/data/payload/pickup/shop"} <= set(since)
    assert not [pointer for pointer in since if "orderId" in pointer or "metadata" in pointer]
    assert registry.find("transaction.created").since == {}


def test_rows_of_older_minors_are_kept_and_what_does_not_fit_is_null_and_counted(
    tmp_path: Path, registry: Registry
) -> None:
    rng, files = random.Random(3), RawFiles(tmp_path / "lake")
    expected: dict[str, dict[str, Any]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for org in ("org_acme", "org_zest"):
        stored = []
        for held in [*FIT, *MISFITS] * 20:
            made = accepted_under(rng.choice((0, 2)), org, rng, **held)
            stored.append(made)
            expected[made.event_id] = held
            if held in MISFITS:
                counts[org, next(iter(held))] += 1
        painted = [accepted_under(2, org, rng, color) for color in ("red", "violet", 7)]
        current = [accepted_under(3, org, rng, "red", **held) for held in FIT]
        stored += [*painted, *current]
        rng.shuffle(stored)
        files.put(org, DAY, stored[::2])
        files.put(org, DAY, stored[1::2])
    done = run(files, registry, buckets=2)

    assert not [failure for one in done.values() for failure in one.failures]
    assert letters(files) == []
    for (org, _), one in done.items():
        rows = {row["event_id"]: row for part in one.parts for row in rows_of(files, part)}
        assert len(rows) == 20 * (len(FIT) + len(MISFITS)) + 3 + len(FIT)
        for event_id, row in rows.items():
            sent = expected.get(event_id)
            if sent is None:
                continue
            wanted: dict[str, Any] = dict.fromkeys(COLUMNS)
            if sent in FIT:
                pickup = sent.get("pickup", {})
                wanted |= {"channel": sent.get("channel"), "parcels": sent.get("parcels")}
                wanted["weight"] = Decimal("2.5") if "weight" in sent else None
                wanted |= {"pickup_shop": pickup.get("shop")}
            found = {name: row[name] for name in COLUMNS if name != "pickup_day"}
            if sent not in MISFITS or "pickup" not in sent:
                assert found == {name: wanted[name] for name in found}, sent
        colors = Counter(row["items"][0]["color"] for row in rows.values())
        # A number's text is a text; what is too long is none.
        assert (colors["red"], colors["7"], colors["violet"]) == (1 + len(FIT), 1, 0)
        told = Counter[str]()
        for part in one.parts:
            for check in part.checks:
                if check.check.startswith("older_minor("):
                    assert check.status == "warn"
                    told[check.check.removeprefix("older_minor(/data/payload/").rstrip(")")] += check.failed
        assert told.pop("items/*/color") == 1
        assert (told["channel"], told["weight"], told["parcels"]) == (
            counts[org, "channel"],
            counts[org, "weight"],
            counts[org, "parcels"],
        )
        assert (told["pickup"], told["pickup/day"]) == (20, 20)


def test_what_the_minor_itself_accepted_is_judged_by_it(tmp_path: Path, registry: Registry) -> None:
    """Intake refuses it; where it got in nevertheless it is a dead letter, as ever."""
    rng, files = random.Random(4), RawFiles(tmp_path / "lake")
    good = [accepted_under(3, "org_acme", rng, **held) for held in FIT]
    bad = [accepted_under(3, "org_acme", rng, **held) for held in ({"weight": "heavy"}, {"parcels": "two"})]
    files.put("org_acme", DAY, [*good, *bad])
    (one,) = run(files, registry).values()
    assert one.failures == []
    (part,) = one.parts
    assert (part.rows, part.dead) == (len(good), len(bad))
    assert {letter["reason"] for letter in letters(files)} == {"weight: no decimal", "parcels: no array"}
    assert not [check for check in part.checks if check.check.startswith("older_minor(")]
