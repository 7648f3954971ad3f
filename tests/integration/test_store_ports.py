"""`Table` and `Objects` answer the same over the stores in memory, moto and the emulator."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import boto3
import pytest
from moto import mock_aws

from millrace.core.errors import ItemTooLargeError, NotFoundError, PermanentError
from millrace.core.objects import Objects
from millrace.core.table import KEYS_PER_CALL, Item, Table
from millrace.eventstore.tables import TABLES
from tests.support.stores import MemoryStores

DAY = "org_acme#manifest#2026-11-20#0"
OTHER_DAY = "org_acme#manifest#2026-11-21#0"
OF_DAY = "entityTypeKey = :day"


class Stores(NamedTuple):
    """Clients of DynamoDB and S3 on empty tables and an empty bucket."""

    dynamodb: Any
    s3: Any
    bucket: str


@pytest.fixture(params=["memory", "moto", "emulator"])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    """Each in turn."""
    match request.param:
        case "memory":
            both = MemoryStores()
            yield Stores(both, both, "lake")
        case "emulator":
            lake = request.getfixturevalue("lake")
            yield Stores(lake.dynamodb, lake.s3, lake.bucket)
        case _:
            with mock_aws():
                for model in TABLES:
                    model.create_table(billing_mode="PAY_PER_REQUEST")
                s3 = boto3.client("s3")
                s3.create_bucket(Bucket="lake")
                yield Stores(boto3.client("dynamodb"), s3, "lake")


@pytest.fixture
def metadata(stores: Stores) -> Table:
    return Table(stores.dynamodb, "Metadata")


@pytest.fixture
def bucket(stores: Stores) -> Objects:
    return Objects(stores.s3, stores.bucket)


def key(name: str, partition: str = DAY) -> Item:
    return {"entityTypeKey": {"S": partition}, "entityId": {"S": name}}


def item(name: str, partition: str = DAY, **more: str) -> Item:
    return {**key(name, partition), **{one: {"S": text} for one, text in more.items()}}


def names(items: Any) -> list[str]:
    return [one["entityId"]["S"] for one in items]


def day(partition: str = DAY) -> Item:
    return {":day": {"S": partition}}


def test_a_batch_deletes_some_and_writes_others(stores: Stores, metadata: Table) -> None:
    for name in ("a", "b", "c"):
        assert metadata.put(item(name))
    gone = [{"DeleteRequest": {"Key": key(name)}} for name in ("a", "never")]
    left: Any = [*gone, {"PutRequest": {"Item": item("b", rows="2")}}, {"PutRequest": {"Item": item("d")}}]
    while left:
        answer = stores.dynamodb.batch_write_item(RequestItems={"Metadata": left})
        left = answer["UnprocessedItems"].get("Metadata")
    assert [*metadata.query(OF_DAY, day())] == [item("b", rows="2"), item("c"), item("d")]


# One item.


def test_an_item_is_read_by_its_key_and_none_where_there_is_none(metadata: Table) -> None:
    stored = {
        **item("a", token="t"),
        "ids": {"B": bytes(range(256))},
        "rows": {"N": "3"},
        "codes": {"SS": ["x"]},
    }
    assert metadata.put(stored)
    assert metadata.get(key("a")) == metadata.get(key("a"), consistent=True) == stored
    assert metadata.get(key("b")) is None


def test_an_insert_answers_what_stands_there(stores: Stores) -> None:
    events = Table(stores.dynamodb, "Events")
    first: Item = {"eventId": {"S": "a#1"}, "fingerprint": {"B": b"one"}, "sortKey": {"S": "2026"}}
    assert events.insert(first, "eventId") is None
    assert events.insert({**first, "fingerprint": {"B": b"two"}}, "eventId") == first
    assert events.insert({**first, "eventId": {"S": "a#2"}}, "eventId") is None
    assert events.get({"eventId": {"S": "a#1"}}) == first


def test_a_put_replaces_and_a_condition_says_whether_it_may(metadata: Table) -> None:
    newer = "attribute_not_exists(#at) OR #at <= :at"

    def put(at: str) -> bool:
        return metadata.put(item("a", at=at), condition=newer, names={"#at": "at"}, values={":at": {"S": at}})

    assert put("2026-11-20")
    assert put("2026-11-21")
    assert not put("2026-11-19")
    assert metadata.get(key("a")) == item("a", at="2026-11-21")
    assert metadata.put(item("a", other="1"))
    assert metadata.get(key("a")) == item("a", other="1")
    assert not metadata.put(item("a"), condition="attribute_not_exists(entityId)")


def test_an_update_changes_what_it_names(metadata: Table) -> None:
    state = {"#state": "state"}
    keep = "SET #day = :day, #state = if_not_exists(#state, :pending)"
    values = {":day": {"S": "2026-11-20"}, ":pending": {"S": "pending"}}
    assert metadata.update(key("a"), keep, names={"#day": "day", **state}, values=values)
    assert metadata.get(key("a")) == item("a", day="2026-11-20", state="pending")

    def set_aside() -> bool:
        return metadata.update(
            key("a"),
            "SET #state = :to, changedBy = :by",
            condition="attribute_not_exists(#state) OR #state = :from",
            names=state,
            values={":from": {"S": "pending"}, ":to": {"S": "set_aside"}, ":by": {"S": "me"}},
        )

    assert set_aside()
    assert not set_aside()
    assert metadata.update(
        key("a"), keep, names={"#day": "day", **state}, values={**values, ":day": {"S": "later"}}
    )
    assert metadata.get(key("a")) == item("a", day="later", state="set_aside", changedBy="me")
    assert metadata.update(
        key("a"), "SET #state = :open REMOVE changedBy, nothing", names=state, values={":open": {"S": "open"}}
    )
    assert metadata.get(key("a")) == item("a", day="later", state="open")


def test_what_is_in_a_map_is_named_by_a_path(metadata: Table) -> None:
    metadata.put({**key("a"), "said": {"M": {}}})

    def say(purpose: str, value: str) -> bool:
        return metadata.update(
            key("a"),
            "SET said.#purpose = :new",
            condition="attribute_exists(said) AND NOT (said.#purpose.granted = :value)",
            names={"#purpose": purpose},
            values={":new": {"M": {"granted": {"S": value}}}, ":value": {"S": value}},
        )

    assert [say("ads", "yes"), say("ads", "yes"), say("ads", "no"), say("mail", "no")] == [
        True,
        False,
        True,
        True,
    ]
    kept = {"M": {name: {"M": {"granted": {"S": "no"}}} for name in ("ads", "mail")}}
    assert metadata.get(key("a")) == {**key("a"), "said": kept}
    metadata.put(key("b"))
    with pytest.raises(PermanentError):
        metadata.update(
            key("b"), "SET said.#purpose = :new", names={"#purpose": "ads"}, values={":new": {"S": "x"}}
        )


def test_conditions_on_numbers_and_on_what_is_not_there(metadata: Table) -> None:
    free = "#status = :open AND (attribute_not_exists(claimedUntil) OR claimedUntil < :now)"

    def claim(now: int) -> bool:
        return metadata.update(
            key("a"),
            "SET claimedUntil = :until",
            condition=free,
            names={"#status": "status"},
            values={":open": {"S": "open"}, ":now": {"N": str(now)}, ":until": {"N": str(now + 10)}},
        )

    assert not claim(1), "an item that is not there has no status"
    metadata.put(item("a", status="open"))
    assert claim(99)
    assert not claim(100)
    # As a text 1000 would stand before 109.
    assert claim(1000)
    assert not metadata.update(
        key("b"), "SET a = :a", condition="attribute_exists(entityId)", values={":a": {"S": "a"}}
    )
    assert metadata.get(key("b")) is None


def test_a_delete_under_a_condition_and_without(metadata: Table) -> None:
    metadata.put(item("a", token="new"))

    def clear(token: str) -> bool:
        return metadata.delete(
            key("a"), condition="#token = :token", names={"#token": "token"}, values={":token": {"S": token}}
        )

    assert not clear("old")
    assert clear("new")
    assert not clear("new"), "nothing is there any more"
    assert metadata.delete(key("a"))


def test_sets_grow_and_the_whole_item_comes_back(stores: Stores) -> None:
    features = Table(stores.dynamodb, "FeatureStore")
    place = {"featureKey": {"S": "org_acme#fraud#596"}, "sortKey": {"S": "LATEST"}}

    def add(expression: str, names: dict[str, str], expires: int, **sets: list[bytes]) -> Item:
        values = {":e": {"N": str(expires)}, **{f":{one}": {"BS": held} for one, held in sets.items()}}
        found = features.update_and_get(place, f"SET expiresAt = :e {expression}", names=names, values=values)
        # A set has no order.
        return {
            one: {kind: set(v) if kind == "BS" else v for kind, v in held.items()}
            for one, held in found.items()
        }

    made = add("ADD #a :a", {"#a": "m1"}, 7, a=[b"x", b"y"])
    assert made == {**place, "expiresAt": {"N": "7"}, "m1": {"BS": {b"x", b"y"}}}
    both = {"#a": "m1", "#b": "m2"}
    grown = add("ADD #a :a,#b :b", both, 8, a=[b"y", b"\x00\xff"], b=[b"z"])
    assert grown == {
        **place, "expiresAt": {"N": "8"}, "m1": {"BS": {b"x", b"y", b"\x00\xff"}}, "m2": {"BS": {b"z"}},
    }  # fmt: skip
    assert add("REMOVE #a,#b", both, 9) == {**place, "expiresAt": {"N": "9"}}
    assert add("", {}, 10) == {**place, "expiresAt": {"N": "10"}}


def test_an_item_that_is_too_large_is_said_to_be(stores: Stores, request: pytest.FixtureRequest) -> None:
    if "emulator" in request.node.name:
        pytest.skip("the emulator takes items of any size")
    features = Table(stores.dynamodb, "FeatureStore")
    place = {"featureKey": {"S": "a"}, "sortKey": {"S": "LATEST"}}
    with pytest.raises(ItemTooLargeError, match="put it"):
        features.put({**place, "body": {"B": bytes(401 * 1024)}}, doing="put it")
    values = {":b": {"B": bytes(401 * 1024)}}
    with pytest.raises(ItemTooLargeError):
        features.update_and_get(place, "SET body = :b", values=values)
    assert (features.get(place) or place) == place, "moto makes the item all the same, with its keys alone"


# Many items.


def test_a_query_gives_a_partition_in_order(metadata: Table) -> None:
    metadata.write_all([item(name) for name in ("c", "a", "e", "b", "d")] + [item("x", OTHER_DAY)])
    assert names(metadata.query(OF_DAY, day(), consistent=True)) == ["a", "b", "c", "d", "e"]
    assert names(metadata.query(OF_DAY, day(), newest_first=True)) == ["e", "d", "c", "b", "a"]
    assert names(metadata.query(OF_DAY, day("nobody"))) == []
    since = {**day(), ":since": {"S": "c"}}
    assert names(metadata.query(f"{OF_DAY} AND entityId >= :since", since)) == ["c", "d", "e"]
    ends = {**day(), ":low": {"S": "b"}, ":high": {"S": "d"}}
    assert names(metadata.query(f"{OF_DAY} AND entityId BETWEEN :low AND :high", ends)) == ["b", "c", "d"]
    assert names(metadata.query(f"{OF_DAY} AND begins_with(entityId, :c)", {**day(), ":c": {"S": "c"}})) == [
        "c"
    ]
    assert names(metadata.query(f"{OF_DAY} AND entityId = :c", {**day(), ":c": {"S": "c"}})) == ["c"]


def test_a_query_has_bounds_and_begins_behind_a_key(metadata: Table) -> None:
    metadata.write_all([item(f"{number:02}") for number in range(7)])
    assert names(metadata.query(OF_DAY, day(), most=3)) == ["00", "01", "02"]
    assert names(metadata.query(OF_DAY, day(), most=3, newest_first=True)) == ["06", "05", "04"]
    assert names(metadata.query(OF_DAY, day(), most=70)) == [f"{number:02}" for number in range(7)]
    assert names(metadata.query(OF_DAY, day(), after=key("04"))) == ["05", "06"]
    assert names(metadata.query(OF_DAY, day(), after=key("02"), newest_first=True)) == ["01", "00"]


def test_pages_go_on_where_one_ended(metadata: Table) -> None:
    metadata.write_all([item(f"{number:02}") for number in range(7)])
    pages = list(metadata.pages(OF_DAY, day(), page_size=3))
    assert [names(page.items) for page in pages][:3] == [["00", "01", "02"], ["03", "04", "05"], ["06"]]
    assert pages[-1].last is None
    assert pages[0].last is not None
    rest = metadata.pages(OF_DAY, day(), page_size=3, after=pages[0].last)
    assert names(one for page in rest for one in page.items) == ["03", "04", "05", "06"]


def test_a_filter_and_a_projection(metadata: Table) -> None:
    first = {**item("a", status="open", object="k1"), "codes": {"SS": ["late", "odd"]}}
    last = {**item("c", status="open", object="k2"), "codes": {"SS": ["late"]}}
    metadata.write_all([first, item("b", status="closed"), last])
    codes = {**day(), ":open": {"S": "open"}, ":code": {"S": "odd"}}
    odd = metadata.query(
        OF_DAY, codes, filter_by="#status = :open AND contains(codes, :code)", names={"#status": "status"}
    )
    assert names(odd) == ["a"]
    some = metadata.query(OF_DAY, day(), projection="entityId, #object", names={"#object": "object"})
    assert list(some) == [
        {"entityId": {"S": "a"}, "object": {"S": "k1"}},
        {"entityId": {"S": "b"}},
        {"entityId": {"S": "c"}, "object": {"S": "k2"}},
    ]


def test_an_index_holds_the_keys_of_the_rows_that_have_its_own(stores: Stores) -> None:
    events = Table(stores.dynamodb, "Events")
    rows = [
        {
            "eventId": {"S": f"e{n}"},
            "typeKey": {"S": "acme#order"},
            "sortKey": {"S": f"{9 - n}"},
            "body": {"B": b"b"},
        }
        for n in range(5)
    ]
    events.write_all([*rows, {"eventId": {"S": "other"}, "sortKey": {"S": "5"}}])
    values = {":type": {"S": "acme#order"}, ":low": {"S": "6"}, ":high": {"S": "8"}}
    asked = ("typeKey = :type AND sortKey BETWEEN :low AND :high", values)
    found = list(events.query(*asked, index="eventType-timestamp-index", newest_first=True))
    assert [one["eventId"]["S"] for one in found] == ["e1", "e2", "e3"]
    assert all(one.keys() == {"eventId", "typeKey", "sortKey"} for one in found)
    only = events.query(*asked, index="eventType-timestamp-index", projection="sortKey", most=2)
    assert list(only) == [{"sortKey": {"S": "6"}}, {"sortKey": {"S": "7"}}]


def test_any_number_of_keys_is_read(metadata: Table) -> None:
    stored = [item(f"{number:03}", token="t", day="d") for number in range(KEYS_PER_CALL + 30)]
    metadata.write_all(stored)
    wanted = [key(f"{number:03}") for number in range(KEYS_PER_CALL + 40)]
    found = metadata.batch_get(wanted, consistent=True)
    assert sorted(found, key=lambda one: one["entityId"]["S"]) == stored
    some = metadata.batch_get(wanted[:2], projection="entityId, #token", names={"#token": "token"})
    assert sorted(names(some)) == ["000", "001"]
    assert list(metadata.batch_get(wanted[:1], projection="#token", names={"#token": "token"})) == [
        {"token": {"S": "t"}}
    ]
    assert list(metadata.batch_get([])) == list(metadata.batch_get([key("nobody")])) == []


def test_any_number_of_items_is_written_and_replaces(metadata: Table) -> None:
    metadata.write_all([])
    metadata.write_all([item(f"{number:02}", at="1") for number in range(60)])
    metadata.write_all([item("07", token="2")])
    found = list(metadata.scan(consistent=True))
    assert sorted(names(found)) == [f"{number:02}" for number in range(60)]
    assert next(one for one in found if one["entityId"]["S"] == "07") == item("07", token="2")


def test_a_transaction_writes_all_or_none(metadata: Table) -> None:
    fresh = "attribute_not_exists(entityId)"

    def register(*some: str) -> bool:
        return metadata.transact({"Put": {"Item": item(name), "ConditionExpression": fresh}} for name in some)

    assert register("a", "b")
    assert not register("c", "b")
    assert metadata.get(key("c")) is None
    change = {
        "Key": key("a"),
        "UpdateExpression": "SET #state = :to",
        "ConditionExpression": "attribute_not_exists(#state)",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {":to": {"S": "aside"}},
    }
    assert metadata.transact(
        [{"Update": change}, {"Put": {"Item": item("d")}}, {"Delete": {"Key": key("b")}}]
    )
    assert not metadata.transact([{"Update": change}, {"Put": {"Item": item("e")}}])
    assert list(metadata.query(OF_DAY, day())) == [item("a", state="aside"), item("d")]


def test_a_request_that_is_wrong_is_wrong_for_good(metadata: Table) -> None:
    with pytest.raises(PermanentError, match="read rows: ValidationException"):
        list(metadata.batch_get([key("a"), key("a")], doing="read rows"))


# Objects.


def test_an_object_is_read_whole_or_is_not_there(bucket: Objects) -> None:
    bucket.put("a/b.json", b"\x00one", content_type="application/json")
    assert bucket.get("a/b.json") == bucket.find("a/b.json") == b"\x00one"
    bucket.put("a/b.json", b"")
    assert bucket.find("a/b.json") == b""
    assert bucket.find("a/c.json") is None
    assert bucket.open("a/c.json") is None
    with pytest.raises(NotFoundError, match="read a card: NoSuchKey"):
        bucket.get("a/c.json", doing="read a card")


def test_an_object_is_opened_before_it_is_read(bucket: Objects) -> None:
    bucket.put("dead.ndjson", b"one\ntwo\n\nthree")
    opened = bucket.open("dead.ndjson")
    assert opened is not None
    assert opened.size == 14
    assert list(opened.lines()) == [b"one", b"two", b"", b"three"]


def test_a_key_is_taken_once(bucket: Objects) -> None:
    assert bucket.put_new("card.json", b"one", content_type="application/json")
    assert not bucket.put_new("card.json", b"two")
    assert bucket.get("card.json") == b"one"


def test_objects_are_listed_in_order_of_their_keys(stores: Stores) -> None:
    class Short:
        """A store of short pages."""

        def list_objects_v2(self, **request: Any) -> Any:
            return stores.s3.list_objects_v2(**{"MaxKeys": 2, **request})

    bucket = Objects(stores.s3, stores.bucket)
    for name in ("raw/b", "raw/a", "raw/d", "raw/c", "raw/e", "rather", "s"):
        bucket.put(name, name.encode() * 2)
    for one in (bucket, Objects(Short(), stores.bucket)):
        found = list(one.list_objects("raw/"))
        assert [listed.key for listed in found] == ["raw/a", "raw/b", "raw/c", "raw/d", "raw/e"]
        assert {listed.size for listed in found} == {10}
        assert all(listed.modified.tzinfo is not None for listed in found)
        assert [listed.key for listed in one.list_objects("raw/", after="raw/bb")] == [
            "raw/c",
            "raw/d",
            "raw/e",
        ]
        assert len(list(one.list_objects())) == 7
        assert list(one.list_objects("nothing/")) == []
    assert [listed.key for listed in bucket.list_objects("raw/", most=3)] == ["raw/a", "raw/b", "raw/c"]
    assert len(list(bucket.list_objects("raw/", most=30))) == 5


def test_folders_are_listed_in_order(stores: Stores) -> None:
    class Short:
        """A store of short pages."""

        def list_objects_v2(self, **request: Any) -> Any:
            return stores.s3.list_objects_v2(**{"MaxKeys": 1, **request})

    bucket = Objects(stores.s3, stores.bucket)
    for name in ("raw/org=b/1", "raw/org=a/1", "raw/org=a/2", "raw/file", "other/x"):
        bucket.put(name, b"")
    assert list(bucket.list_folders("raw/")) == ["raw/org=a/", "raw/org=b/"]
    assert list(bucket.list_folders()) == ["other/", "raw/"]
    assert list(Objects(Short(), stores.bucket).list_folders("raw/")) == ["raw/org=a/", "raw/org=b/"]


def test_objects_are_deleted(bucket: Objects) -> None:
    for number in range(5):
        bucket.put(f"{number}", b"")
    bucket.delete("0")
    bucket.delete("0")
    bucket.delete_all(["1", "2", "gone"])
    bucket.delete_all([])
    assert [listed.key for listed in bucket.list_objects()] == ["3", "4"]


def test_a_copy_takes_the_metadata_along(bucket: Objects) -> None:
    bucket.put("a", b"body", metadata={"millrace-redrive": "1"})
    assert bucket.metadata("a") == {"millrace-redrive": "1"}
    bucket.copy("a", "b")
    assert (bucket.get("b"), bucket.metadata("b")) == (b"body", {"millrace-redrive": "1"})
    bucket.put("a", b"body")
    assert bucket.metadata("a") == {}
    with pytest.raises(NotFoundError):
        bucket.metadata("c")
    with pytest.raises(NotFoundError):
        bucket.copy("c", "d")
