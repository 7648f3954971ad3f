"""From sources to the online store and back: what is served is what the offline store says at `asOf`, whatever happens between."""

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from moto import mock_aws

from millrace.core import clock
from millrace.eventstore.tables import FeatureStore
from millrace.features.views import FeatureViews
from tests.support.materialized import ACME, EVERY, GLOBEX, SHOP, TABLE, USER, VIEWS, World, at, sales

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
            assert [one.status for one in done] == ["complete", "complete"]
            wholes += [one.whole for one in done]
        for org in (ACME, GLOBEX):
            world.must_serve(org, at(hour))
    assert wholes == [True] * 4 + [False] * 28


def test_only_what_changed_is_written(world: World) -> None:
    world.rows[ACME] = [(user, None, at(1), 5.0, False, None) for user in range(200)]
    assert [one.written for one in world.run(ACME, at(2))] == [0, 200]
    before = world.puts
    # An hour later nothing was sold but to two; and of all others time alone has gone on.
    world.rows[ACME] += [(3, None, at(2.5), 1.0, False, None), (777, None, at(2.5), 1.0, False, None)]
    done = {one.view: one for one in world.run(ACME, at(2.9), until=at(2.9))}
    assert (done["user"].written, done["user"].entities, world.puts - before) == (200 + 1, 201, 201)
    before = world.puts
    done = {one.view: one for one in world.run(ACME, at(3.4))}
    assert (done["user"].written, world.puts - before) == (0, 0)
    world.must_serve(ACME, at(3.4))
    (row,) = world.served(ACME, [{"user_id": 5, "shop": "nobody"}])
    assert row[EVERY.index("user:since")] == (2.4 * 3600, "ok")


def test_rows_are_written_whole_every_week_and_outlive_it(world: World) -> None:
    world.rows[ACME] = [(1, "Nile", at(1), 5.0, True, "red")]
    assert all(one.whole for one in world.run(ACME, at(2)))
    assert not any(one.whole for one in world.run(ACME, at(2 + 7 * 24 - 1)))
    assert all(one.whole for one in world.run(ACME, at(2 + 7 * 24)))
    scan = world.dynamodb.scan(TableName=TABLE)["Items"]
    kept = [int(item["expiresAt"]["N"]) for item in scan if "values" in item]
    assert min(kept) == clock.epoch(at(2 + 7 * 24) + timedelta(days=14))


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
    done = {one.view: one.whole for one in world.run(ACME, at(3))}
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
    done = {one.view: one for one in world.run(ACME, at(2))}
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
