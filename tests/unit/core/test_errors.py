"""Which branch an AWS error belongs to: the branch decides between another try and a dead letter."""

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from millrace.core.consumer import Consumer
from millrace.core.errors import (
    ConditionFailedError,
    NotFoundError,
    PermanentError,
    RetryableError,
    ThrottledError,
    error_code,
    from_client_error,
)

LOST = [
    ReadTimeoutError(endpoint_url="https://s3"),
    ConnectTimeoutError(endpoint_url="https://s3"),
    ConnectionClosedError(endpoint_url="https://s3"),
    EndpointConnectionError(endpoint_url="https://s3"),
]


@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
def test_an_answer_that_never_came_is_worth_another_try(error: BotoCoreError) -> None:
    mapped = from_client_error(error, "put object")
    assert type(mapped) is RetryableError
    assert str(mapped) == f"put object: {type(error).__name__}"
    # What a timeout carries as its response is None, not nothing.
    assert error_code(getattr(error, "response", {})) == ""


@pytest.mark.parametrize(
    ("code", "branch"),
    [
        ("SlowDown", ThrottledError),
        ("InternalError", RetryableError),
        ("ValidationException", PermanentError),
        ("NoSuchKey", NotFoundError),
        ("ConditionalCheckFailedException", ConditionFailedError),
        ("PreconditionFailed", ConditionFailedError),
    ],
)
def test_a_code_says_the_branch(code: str, branch: type[Exception]) -> None:
    assert type(from_client_error(ClientError({"Error": {"Code": code}}, "PutItem"), "put")) is branch


@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
def test_a_batch_whose_store_did_not_answer_comes_back_and_is_no_dead_letter(error: BotoCoreError) -> None:
    class Nowhere:
        def put(self, *_: object) -> None:
            raise AssertionError("no record of this batch is poison")

    def handle(_: object) -> None:
        raise error

    row = {"eventName": "INSERT", "dynamodb": {"SequenceNumber": "1", "NewImage": {"eventId": {"S": "a"}}}}
    with pytest.raises(RetryableError):
        Consumer(handle, Nowhere()).consume({"Records": [row, row]})
