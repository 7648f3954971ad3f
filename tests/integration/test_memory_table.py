"""The DynamoDB in memory, on which fraud is proven, answers as moto does: the same calls on both, the same answers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from millrace.eventstore.append import AppendResult, TableAppender
from millrace.eventstore.tables import TABLES
from millrace.fraud.store import KEYS_PER_CALL, UserSetStore
from millrace.fraud.user import UserSets
from tests.support.memory_table import MemoryDynamoDB

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
USER = ("org_acme", "596")
Row = dict[str, dict[str, Any]]


@pytest.fixture(params=["memory", "moto"])
def dynamodb(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Each in turn, with empty tables."""
    if request.param == "memory":
        yield MemoryDynamoDB()
        return
    with mock_aws():
        for model in TABLES:
            if model.Meta.table_name in ("Events", "FeatureStore"):
                model.create_table(billing_mode="PAY_PER_REQUEST")
        yield boto3.client("dynamodb")


def put(dynamodb: Any, item: Row) -> dict[str, Any]:
    found: dict[str, Any] = dynamodb.put_item(
        TableName="Events",
        Item=item,
        ConditionExpression="attribute_not_exists(eventId)",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    return found


def key(name: str) -> Row:
    return {"featureKey": {"S": name}, "sortKey": {"S": "LATEST"}}


def update(dynamodb: Any, expression: str, returned: str = "ALL_NEW", **values: Any) -> Row:
    """An update of one row; names are their own aliases."""
    names = [name for name in values if name != "e"]
    removed = expression.partition("REMOVE ")[2].replace("#", "").split(",")
    aliases = {f"#{name}": name for name in [*names, *filter(None, removed)]}
    answer = dynamodb.update_item(
        TableName="FeatureStore",
        Key=key("one"),
        UpdateExpression=expression,
        ExpressionAttributeValues={
            ":e": {"N": str(values["e"])},
            **{f":{n}": {"BS": values[n]} for n in names},
        },
        ReturnValues=returned,
        **({"ExpressionAttributeNames": aliases} if aliases else {}),
    )
    return sets(answer.get("Attributes", {}))


def get(dynamodb: Any, names: list[str]) -> dict[str, Any]:
    asked = {"Keys": [key(name) for name in names], "ConsistentRead": True}
    found: dict[str, Any] = dynamodb.batch_get_item(RequestItems={"FeatureStore": asked})
    return found


def sets(row: Row) -> Row:
    """The row with its sets as sets: they have no order."""
    return {
        name: {kind: frozenset(held) if kind == "BS" else held for kind, held in value.items()}
        for name, value in row.items()
    }


def test_the_first_put_of_an_id_stands_and_the_refused_one_is_told_what_stands(dynamodb: Any) -> None:
    first: Row = {"eventId": {"S": "a#1"}, "fingerprint": {"B": b"one"}, "requestId": {"S": "r-1"}}
    assert "Attributes" not in put(dynamodb, first)
    with pytest.raises(ClientError) as refused:
        put(dynamodb, {**first, "fingerprint": {"B": b"two"}})
    response: Any = refused.value.response
    assert response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert response["Item"] == first
    put(dynamodb, {**first, "eventId": {"S": "a#2"}})


def test_the_appender_finds_the_same_outcomes(dynamodb: Any) -> None:
    appender = TableAppender(dynamodb, "Events")

    def row(name: str, fingerprint: bytes, request: str) -> Row:
        return {
            "eventId": {"S": name},
            "fingerprint": {"B": fingerprint},
            "requestId": {"S": request},
            "body": {"B": bytes(range(256))},
        }

    first = [row(f"a#{number}", b"print", "r-1") for number in range(40)]
    assert appender.append(first) == [AppendResult.ACCEPTED] * 40
    again = [row("a#0", b"print", "r-1"), row("a#1", b"print", "r-2"), row("a#2", b"other", "r-2")]
    assert appender.append(again) == [AppendResult.ACCEPTED, AppendResult.DUPLICATE, AppendResult.CONFLICT]


def test_an_update_makes_the_row_and_a_set_takes_an_element_once(dynamodb: Any) -> None:
    made = update(dynamodb, "SET expiresAt = :e ADD #m1 :m1", e=7, m1=[b"a", b"b"])
    assert made == {**key("one"), "expiresAt": {"N": "7"}, "m1": {"BS": frozenset({b"a", b"b"})}}
    for _ in range(2):
        grown = update(
            dynamodb, "SET expiresAt = :e ADD #m1 :m1,#d1 :d1", e=8, m1=[b"b", b"\x00\xff"], d1=[b""]
        )
        assert grown == {
            **key("one"),
            "expiresAt": {"N": "8"},
            "m1": {"BS": frozenset({b"a", b"b", b"\x00\xff"})},
            "d1": {"BS": frozenset({b""})},
        }


def test_what_is_returned_is_what_was_asked_for(dynamodb: Any) -> None:
    update(dynamodb, "SET expiresAt = :e ADD #m1 :m1,#m2 :m2", e=7, m1=[b"a"], m2=[b"c"])
    touched = update(dynamodb, "SET expiresAt = :e ADD #m1 :m1", "UPDATED_NEW", e=8, m1=[b"b"])
    assert touched["expiresAt"] == {"N": "8"}
    assert touched["m1"] == {"BS": frozenset({b"a", b"b"})}
    assert "m2" not in touched
    assert "featureKey" not in touched
    assert update(dynamodb, "SET expiresAt = :e", "NONE", e=9) == {}


def test_attributes_are_removed_and_one_that_is_not_there_is_no_fault(dynamodb: Any) -> None:
    update(dynamodb, "SET expiresAt = :e ADD #m1 :m1,#m2 :m2", e=7, m1=[b"a"], m2=[b"c"])
    left = update(dynamodb, "SET expiresAt = :e ADD #m3 :m3 REMOVE #m1,#m9", e=8, m3=[b"d"])
    assert set(left) == {"featureKey", "sortKey", "expiresAt", "m2", "m3"}
    only = update(dynamodb, "SET expiresAt = :e REMOVE #m2,#m3", e=9)
    assert only == {**key("one"), "expiresAt": {"N": "9"}}
    assert update(dynamodb, "SET expiresAt = :e", e=10) == {**key("one"), "expiresAt": {"N": "10"}}


def test_a_batch_of_keys_gives_the_rows_that_are_there(dynamodb: Any) -> None:
    stored = update(dynamodb, "SET expiresAt = :e ADD #m1 :m1", e=7, m1=[b"a"])
    answer = get(dynamodb, ["none", "one", "nobody"])
    assert [sets(row) for row in answer["Responses"]["FeatureStore"]] == [stored]
    assert answer["UnprocessedKeys"] == {}
    assert get(dynamodb, ["nobody"])["Responses"]["FeatureStore"] == []
    # What an answer holds is the caller's own.
    answer["Responses"]["FeatureStore"][0].clear()
    assert len(get(dynamodb, ["one"])["Responses"]["FeatureStore"][0]) == 4


@pytest.mark.parametrize("names", [["one", "one"], [str(number) for number in range(KEYS_PER_CALL + 1)]])
def test_a_batch_of_too_many_keys_or_of_one_twice_is_refused(dynamodb: Any, names: list[str]) -> None:
    with pytest.raises(ClientError) as refused:
        get(dynamodb, names)
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_the_feature_store_adds_and_reads_the_same(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # moto reads an expression by recursion, and does not get through 200 clauses.
    monkeypatch.setattr("millrace.fraud.store.ATTRIBUTES_PER_UPDATE", 20)
    store = UserSetStore(dynamodb, "FeatureStore")
    assert store.read([USER]).sets == {USER: UserSets()}
    added = {f"m{minute}": [b"%d" % minute] for minute in range(50)}
    after = store.add(USER, {**added, "devices": [b"d"], "d7": [b"x", b"y"]}, ["m1000"], NOW)
    assert len(after.minutes) == 50
    assert after.days == {7: frozenset({b"x", b"y"})}
    assert after.seen == {"devices": frozenset({b"d"})}
    assert store.add(USER, {"m0": [b"0"]}, ["m1", "m2"], NOW).minutes.keys() == after.minutes.keys() - {1, 2}
    assert store.add(USER, {}, [], NOW) == store.read([USER]).sets[USER]
    others = [("org_acme", str(number)) for number in range(2 * KEYS_PER_CALL)]
    found = store.read([*others, USER, ("org_globex", "596")]).sets
    assert {user for user, held in found.items() if held.minutes} == {USER}
