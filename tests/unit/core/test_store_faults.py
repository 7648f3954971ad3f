"""What the ports make of a store that fails: batches go on where they were left, errors are the platform's own."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from millrace.core.aws import calling
from millrace.core.errors import ConditionFailedError, PermanentError, RetryableError, ThrottledError
from millrace.core.objects import Objects
from millrace.core.table import Item, Table
from tests.support.stores import MemoryDynamoDB, MemoryS3

AWAY = EndpointConnectionError(endpoint_url="https://dynamodb")


@pytest.fixture
def dynamodb() -> MemoryDynamoDB:
    return MemoryDynamoDB()


@pytest.fixture
def metadata(dynamodb: MemoryDynamoDB) -> Table:
    return Table(dynamodb, "Metadata", attempts=3, first_pause_seconds=0)


def item(number: int) -> Item:
    return {"entityTypeKey": {"S": "day"}, "entityId": {"S": f"{number:03}"}}


def test_keys_that_are_left_are_asked_for_again_and_no_others() -> None:
    requests: list[Any] = []

    class Watched(MemoryDynamoDB):
        def batch_get_item(self, **call: Any) -> Any:
            requests.append(call["RequestItems"]["Metadata"])
            return super().batch_get_item(**call)

    dynamodb = Watched()
    metadata = Table(dynamodb, "Metadata", first_pause_seconds=0)
    stored = [item(number) for number in range(130)]
    metadata.write_all(stored)
    dynamodb.leaving.extend([60, 1])
    found = list(metadata.batch_get(stored, consistent=True, projection="entityTypeKey, entityId"))
    assert sorted(found, key=lambda one: one["entityId"]["S"]) == stored
    assert [len(one["Keys"]) for one in requests] == [100, 60, 1, 30]
    assert all(one["ConsistentRead"] and "ProjectionExpression" in one for one in requests)


def test_keys_that_stay_unprocessed_end_the_read(dynamodb: MemoryDynamoDB, metadata: Table) -> None:
    metadata.write_all([item(1), item(2)])
    dynamodb.leaving.extend([1, 1, 1])
    with pytest.raises(ThrottledError, match="read rows: 1 keys left unprocessed"):
        list(metadata.batch_get([item(1), item(2)], doing="read rows"))
    assert dynamodb.calls["batch_get_item"] == 3


def test_items_that_are_left_are_written_again_or_the_write_fails(
    dynamodb: MemoryDynamoDB, metadata: Table
) -> None:
    dynamodb.leaving.extend([25, 3])
    metadata.write_all([item(number) for number in range(30)])
    assert len(dynamodb.tables["Metadata"]) == 30
    assert dynamodb.calls["batch_write_item"] == 4
    dynamodb.leaving.extend([2, 2, 2])
    with pytest.raises(ThrottledError, match="write items: 2 left unprocessed"):
        metadata.write_all([item(1), item(2)])


def test_the_pauses_between_attempts_grow(dynamodb: MemoryDynamoDB, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr("random.uniform", lambda _, most: most)
    dynamodb.leaving.extend([1] * 4)
    with pytest.raises(ThrottledError):
        Table(dynamodb, "Metadata", attempts=4, first_pause_seconds=0.02).write_all([item(1)])
    assert slept == [0.02, 0.04, 0.08], "nobody waits for nothing at the end"


def test_a_write_of_which_nothing_is_taken_comes_again(dynamodb: MemoryDynamoDB) -> None:
    dynamodb.failing["batch_write_item"], dynamodb.fault = 2, "ProvisionedThroughputExceededException"
    Table(dynamodb, "Metadata", attempts=3, first_pause_seconds=0).write_all([item(1)])
    assert len(dynamodb.tables["Metadata"]) == 1


def calls(metadata: Table) -> dict[str, Any]:
    key, value = item(1), {":a": {"S": "a"}}
    return {
        "get_item": lambda: metadata.get(key, doing="do"),
        "batch_get_item": lambda: list(metadata.batch_get([key], doing="do")),
        "query": lambda: list(metadata.query("entityTypeKey = :a", value, doing="do")),
        "scan": lambda: list(metadata.scan(doing="do")),
        "put_item": lambda: metadata.put(key, doing="do"),
        "update_item": lambda: metadata.update(key, "SET a = :a", values=value, doing="do"),
        "delete_item": lambda: metadata.delete(key, doing="do"),
        "transact_write_items": lambda: metadata.transact([{"Put": {"Item": key}}], doing="do"),
        "batch_write_item": lambda: metadata.write_all([key], doing="do"),
    }


@pytest.mark.parametrize("operation", sorted(calls(Table(None, ""))))
@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        ("ThrottlingException", ThrottledError, "do: ThrottlingException"),
        ("InternalServerError", RetryableError, "do: InternalServerError"),
        ("AccessDeniedException", RetryableError, "do: AccessDeniedException"),
        (AWAY, RetryableError, "do: EndpointConnectionError"),
        ("ValidationException", PermanentError, "do: ValidationException: "),
    ],
)
def test_an_error_of_a_table_is_one_of_ours(
    dynamodb: MemoryDynamoDB, metadata: Table, operation: str, fault: Any, kind: type[Exception], text: str
) -> None:
    # A batch that is throttled is sent again, so every attempt has to fail.
    dynamodb.failing[operation], dynamodb.fault = 5, fault
    with pytest.raises(kind) as raised:
        calls(metadata)[operation]()
    assert type(raised.value) is kind
    assert str(raised.value).startswith(text)
    assert raised.value.__cause__ is not None
    assert (raised.value.code == fault) is isinstance(fault, str)  # type: ignore[attr-defined]


@pytest.mark.parametrize("fault", ["SlowDown", "InternalError", "404", AWAY])
def test_an_error_of_a_bucket_is_one_of_ours(fault: Any) -> None:
    s3 = MemoryS3()
    bucket = Objects(s3, "lake")
    s3.objects["a"] = b"body"
    s3.fault = fault
    for doing in (
        lambda: bucket.get("a"),
        lambda: bucket.put("a", b""),
        lambda: bucket.put_new("b", b""),
        lambda: list(bucket.list_objects()),
        lambda: list(bucket.list_folders()),
        lambda: bucket.metadata("a"),
        lambda: bucket.copy("a", "b"),
        lambda: bucket.delete("a"),
        lambda: bucket.delete_all(["a"]),
    ):
        s3.failing["*"] = 1
        with pytest.raises(RetryableError, match=": "):
            doing()
    assert s3.objects == {"a": b"body"}


def test_a_body_that_breaks_off_is_worth_another_try() -> None:
    class Broken(MemoryS3):
        def get_object(self, **request: Any) -> Any:
            answer = super().get_object(**request)
            answer["Body"]._amount_read = -1
            return answer

    s3 = Broken()
    s3.objects["a"] = b"one\ntwo"
    bucket = Objects(s3, "lake")
    with pytest.raises(RetryableError, match="read a: IncompleteReadError"):
        bucket.get("a")
    opened = bucket.open("a", doing="read lines")
    assert opened is not None
    with pytest.raises(RetryableError, match="read lines: IncompleteReadError"):
        list(opened.lines())


def test_objects_that_stay_are_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = MemoryS3()
    monkeypatch.setattr(s3, "delete_objects", lambda **_: {"Errors": [{"Key": "a", "Code": "InternalError"}]})
    with pytest.raises(RetryableError, match="remove orphans: 1 of 2 stayed"):
        Objects(s3, "lake").delete_all(["a", "b"], doing="remove orphans")


def test_a_write_whose_answer_was_lost_has_taken_effect(dynamodb: MemoryDynamoDB, metadata: Table) -> None:
    dynamodb.failing["put_item"], dynamodb.took_effect = 1, True
    with pytest.raises(ThrottledError):
        metadata.insert(item(1), "entityTypeKey")
    assert metadata.insert(item(1), "entityTypeKey") == item(1)


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        (["None", "ConditionalCheckFailed"], ConditionFailedError),
        (["TransactionConflict", "ConditionalCheckFailed"], RetryableError),
        (["ThrottlingError"], RetryableError),
    ],
)
def test_a_transaction_beside_another_one_is_tried_again(reasons: list[str], kind: type[Exception]) -> None:
    response = {
        "Error": {"Code": "TransactionCanceledException"},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
    }
    with pytest.raises(RetryableError) as raised, calling("register"):
        raise ClientError(response, "TransactWriteItems")
    assert type(raised.value) is kind
