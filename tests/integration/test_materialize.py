"""From sources to the online store and back: what is served is what the offline store says at `asOf`, whatever happens between."""

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from cli.costing import rounding
from millrace.core import clock
from millrace.core.table import Table
from millrace.eventstore.tables import FeatureStore
from millrace.features.current import KEPT, KEPT_EMPTY, RENEWED, ROW_BYTES
from millrace.features.online import OnlineStore
from millrace.features.views import FeatureViews
from tests.support.materialized import ACME, GLOBEX, SHOP, TABLE, USER, VIEWS, World, at, sales

pytestmark = pytest.mark.integration


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with mock_aws():
        FeatureStore.create_table(billing_mode="PAY_PER_REQUEST")
        yield World(tmp_path)


def test_what_is_served_is_what_the_offline_store_says_hour_by_hour(world: World) -> None:
    rng = random.Random(11)
    for org in (ACME, GLOBEX):
        world.rows[org] = sales(rng, 1_500, 300, 40)
    wholes = []
    # Rows come, fall out of windows of one hour, two and a day, and are not there any more at last.
    for hour in (10, 11, 12, 20, 42, 60, 68, 90):
        for org in (ACME, GLOBEX):
            done = world.run(org, at(hour))
            assert [one.error for one in done] == [None, None]
            wholes += [one.whole for one in done]
        for org in (ACME, GLOBEX):
            world.must_serve(org, at(hour))
    assert wholes == [True] * 4 + [False] * 28


def test_a_row_is_written_when_something_happened_and_not_when_time_went_by(world: World) -> None:
    world.rows[ACME] = [(user, None, at(1), 5.0, False, None) for user in range(200)]
    assert [one.written for one in world.run(ACME, at(2))] == [0, 200]
    before = world.puts
    # An hour later nothing was sold but to two; of all others a window has closed.
    world.rows[ACME] += [(3, None, at(2.5), 1.0, False, None), (777, None, at(2.5), 1.0, False, None)]
    done = {one.entity: one for one in world.run(ACME, at(2.9), until=at(2.9))}
    assert (done["user"].written, done["user"].entities, world.puts - before) == (2, 201, 2)
    world.must_serve(ACME, at(2.9))
    # Delays pass, windows close, until nothing is left but the count of all times.
    for hours in (3.4, 3.6, 10, 25.5, 27.5, 60):
        assert sum(one.written for one in world.run(ACME, at(hours))) == 0
        world.must_serve(ACME, at(hours))
    assert world.puts - before == 2


def test_what_arrives_late_or_is_corrected_is_written(world: World) -> None:
    world.rows[ACME] = [(user, "Nile", at(1), 5.0, False, None) for user in range(50)]
    world.run(ACME, at(2))
    # One that happened before the last run, one that is taken back, one whose amount was another.
    world.rows[ACME][:3] = [(0, "Nile", at(1), 5.0, False, None), (1, "Nile", at(1), 6.0, False, None)]
    world.rows[ACME].append((7, "Nile", at(0.5), 2.0, True, None))
    done = {one.entity: one.written for one in world.run(ACME, at(3.2))}
    assert done == {"user": 3, "shop": 1}
    world.must_serve(ACME, at(3.2))
    # The user who is gone has a row that says so, and it goes when no reader can be behind.
    (gone,) = [
        item
        for item in world.dynamodb.scan(TableName=TABLE)["Items"]
        if item["featureKey"]["S"] == "org_acme#user#2"
    ]
    assert "user" not in gone
    assert int(gone["expiresAt"]["N"]) == clock.epoch(at(3.2) + KEPT_EMPTY)


def test_a_row_is_one_write_unit_and_holds_what_fits(world: World) -> None:
    # More sales than a row can hold the ends of; half of them at the very same moments.
    world.rows[ACME] = [
        (user, "Nile", at(20 + number // 2 / 40), number / 7, number % 5 == 0, "red")
        for user in range(3)
        for number in range(80)
    ]
    world.run(ACME, at(24))
    for item in world.dynamodb.scan(TableName=TABLE)["Items"]:
        assert rounding.item_bytes(item) <= ROW_BYTES
    for hours in (24.1, 24.6, 25.5, 30, 44.1, 45.3, 60):
        world.run(ACME, at(hours))
        world.must_serve(ACME, at(hours))


def test_a_row_outlives_its_values_and_is_renewed_before_it_expires(world: World) -> None:
    assert RENEWED < KEPT
    by_day = FeatureViews(
        [replace(USER, groups=(replace(USER.groups[0], features=USER.groups[0].features[2:]),))]
    )

    def kept() -> dict[str, int]:
        items = world.dynamodb.scan(TableName=TABLE)["Items"]
        return {item["featureKey"]["S"]: int(item["expiresAt"]["N"]) for item in items if "user" in item}

    world.rows[ACME] = [(1, None, at(1), 5.0, True, "red")]
    world.run(ACME, at(2))
    assert kept() == {"org_acme#user#1": clock.epoch(at(2) + KEPT)}
    # Its count of all times never ends: it is written again in time, and not before.
    later = at(2) + RENEWED
    assert sum(one.written for one in world.run(ACME, later)) == 0
    assert sum(one.written for one in world.run(ACME, later + timedelta(hours=1))) == 1
    assert kept() == {"org_acme#user#1": clock.epoch(later + timedelta(hours=1) + KEPT)}
    # With windows of a day alone, it ends with its last change.
    world.views, world.rows[GLOBEX] = by_day, [(1, None, at(1), 5.0, True, "red")]
    world.run(GLOBEX, at(2))
    ends = at(25) + timedelta(microseconds=1) + KEPT_EMPTY
    assert kept()["org_globex#user#1"] == clock.epoch(ends)
    world.run(GLOBEX, at(26))
    assert [one.written for one in world.run(GLOBEX, at(26) + KEPT)] == [0]


def test_a_view_comes_online_with_the_next_run_and_its_neighbours_are_served_meanwhile(world: World) -> None:
    habits = replace(USER, name="habits", digest="h1", groups=USER.groups[1:])
    world.views = FeatureViews([USER, SHOP, replace(habits, online=False)])
    world.rows[ACME] = [(1, "Nile", at(1), 5.0, True, "red")]
    world.run(ACME, at(2))
    world.views = FeatureViews([USER, SHOP, habits])
    names = ["habits:bad", "user:count"]
    store = OnlineStore(Table(world.dynamodb, TABLE), world.views, lambda: world.now)

    def ask() -> list[tuple[Any, str]]:
        (row,) = store.get_online_features(ACME, features=names, entity_rows=[{"user_id": 1}]).rows
        return [(one.value, one.status) for one in row]

    assert ask() == [(0.0, "expired"), (1, "ok")]
    done = world.run(ACME, at(4))
    assert [(one.error, one.whole) for one in done] == [(None, False), (None, True)]
    assert ask() == [(1.0, "ok"), (1, "ok")]


def test_the_definitions_are_found_by_name_and_type(world: World) -> None:
    world.run(ACME, at(2))
    found = world.dynamodb.query(
        TableName=TABLE,
        IndexName="featureName-dataType-index",
        KeyConditionExpression="featureName = :name AND dataType = :kind",
        ExpressionAttributeValues={":name": {"S": "label"}, ":kind": {"S": "string"}},
    )["Items"]
    assert [item["featureKey"]["S"] for item in found] == ["org_acme#definition#shop#label"]


def test_an_older_run_changes_nothing(world: World) -> None:
    world.rows[ACME] = sales(random.Random(1), 300, 50, 10)
    world.run(ACME, at(10))
    before = world.dynamodb.scan(TableName=TABLE)["Items"]
    assert [one.status for one in world.run(ACME, at(9))] == ["unchanged", "unchanged"]
    # Nor does the same one, done again.
    assert [one.status for one in world.run(ACME, at(10))] == ["unchanged", "unchanged"]
    assert world.dynamodb.scan(TableName=TABLE)["Items"] == before


def test_a_new_version_is_expired_until_it_is_written(world: World) -> None:
    world.rows[ACME] = [(1, "Nile", at(1), 5.0, True, "red")]
    world.run(ACME, at(2))
    world.views = FeatureViews([replace(USER, version="1.1.0", digest="u2"), SHOP])
    (row,) = world.served(ACME, [{"user_id": 1, "shop": "Nile"}])
    assert {status for _, status in row[: len(USER.features)]} == {"expired"}
    assert {status for _, status in row[len(USER.features) :]} == {"ok"}
    done = {one.entity: one.whole for one in world.run(ACME, at(3))}
    assert done == {"shop": False, "user": True}
    world.must_serve(ACME, at(3))


def test_a_state_that_is_lost_is_written_anew(world: World) -> None:
    world.rows[ACME] = sales(random.Random(5), 200, 30, 10)
    world.run(ACME, at(10))
    for path in world.folder.iterdir():
        path.unlink()
    assert {(one.status, one.whole) for one in world.run(ACME, at(11))} == {("complete", True)}
    world.must_serve(ACME, at(11))


def test_a_view_that_fails_is_named_and_the_others_are_written(world: World) -> None:
    world.rows[ACME] = [(1, "Nile", at(1), 5.0, True, "red")]
    (wrong,) = (replace(SHOP.groups[0], table="silver.nothing_v1"),)
    world.views = FeatureViews([replace(SHOP, groups=(wrong,)), USER])
    done = {one.entity: one for one in world.run(ACME, at(2))}
    assert (done["shop"].status, done["user"].status) == ("failed", "complete")
    assert "nothing_v1" in str(done["shop"].error)
    # What it began and did not end, is done when it can be.
    world.views = VIEWS
    world.now = at(3)
    assert {one.status for one in world.run(ACME, at(3))} == {"complete"}
    world.must_serve(ACME, at(3))


def test_a_table_that_throttles_fails_the_view_and_the_next_run_makes_good(world: World) -> None:
    world.rows[ACME] = sales(random.Random(6), 300, 60, 10)
    count, lock = iter(range(20)), threading.Lock()

    def throttle() -> None:
        with lock:
            if next(count, None) is None:
                raise world.dynamodb.exceptions.ProvisionedThroughputExceededException(
                    {"Error": {"Code": "ProvisionedThroughputExceededException"}}, "PutItem"
                )

    world.before_put = throttle
    assert {one.status for one in world.run(ACME, at(10), "r")} == {"failed"}
    world.before_put = lambda: None
    assert {one.status for one in world.run(ACME, at(10), "r")} == {"complete"}
    world.must_serve(ACME, at(10))


def test_tenants_do_not_meet(world: World) -> None:
    world.rows[ACME] = [(1, "Nile", at(1), 5.0, True, "red")]
    world.run(ACME, at(2))
    world.run(GLOBEX, at(2))
    (row,) = world.served(GLOBEX, [{"user_id": 1, "shop": "Nile"}])
    assert {status for _, status in row} == {"missing"}
    world.must_serve(GLOBEX, at(2))
    world.must_serve(ACME, at(2))
