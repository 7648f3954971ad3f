"""What is checked of an AWS account before a deploy; the answers are in the forms of AWS's own models."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from cli import account
from cli.account import Account
from stacks.environment import ENVIRONMENTS

Answers = Callable[..., Any]
CREDENTIALS: dict[str, Any] = {
    "region_name": "eu-west-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
}


def answering(service: str, *answers: tuple[str, dict[str, Any] | str]) -> Callable[[str], Any]:
    """A client that gives these answers, in order; a text is an error's code."""
    client = boto3.client(service, **CREDENTIALS)
    stubber = Stubber(client)
    for operation, answer in answers:
        if isinstance(answer, str):
            stubber.add_client_error(operation, answer)
        else:
            stubber.add_response(operation, answer)
    stubber.activate()

    def of(name: str) -> Any:
        assert name == service
        return client

    return of


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        ({"Parameter": {"Value": "30"}}, "ok", "version 30"),
        (
            {"Parameter": {"Value": "5"}},
            "fail",
            "of version 5, at least 6 is needed; run: .venv/bin/python -m cli.local.cdk boot",
        ),
        ("ParameterNotFound", "fail", "not bootstrapped for the CDK; run:"),
    ],
)
def test_an_account_is_bootstrapped(answer: Any, status: str, text: str) -> None:
    found = Account(answering("ssm", ("get_parameter", answer)), ENVIRONMENTS["dev"]).bootstrap()
    assert found[0] == status
    assert text in found[1]


@pytest.mark.parametrize(("limit", "status"), [(10, "fail"), (1000, "ok")])
def test_a_new_account_runs_too_few_functions_at_once(limit: int, status: str) -> None:
    answer = {"AccountLimit": {"ConcurrentExecutions": limit}}
    found = Account(answering("lambda", ("get_account_settings", answer)), ENVIRONMENTS["prod"]).concurrency()
    assert found[0] == status
    assert ("--quota-code L-B99A9384" in found[1]) == (status == "fail")


@pytest.mark.parametrize(
    ("value", "status", "text"),
    [
        (
            0.0,
            "fail",
            "is 0, 2 is needed; ask for more: aws service-quotas request-service-quota-increase --service-code sagemaker",
        ),
        (4.0, "ok", "4, at least 2 needed"),
    ],
)
def test_a_new_account_has_no_training_instances(value: float, status: str, text: str) -> None:
    quotas = [
        {"QuotaName": "ml.m5.xlarge for training job usage", "QuotaCode": "L-0", "Value": 9.0},
        {"QuotaName": "ml.m5.xlarge for spot training job usage", "QuotaCode": "L-1", "Value": value},
    ]
    client = answering("service-quotas", ("list_service_quotas", {"Quotas": quotas}))
    found = Account(client, ENVIRONMENTS["dev"]).training_quota()
    assert found[0] == status
    assert text in found[1]


def subscribed(*arns: str) -> dict[str, Any]:
    return {
        "Subscriptions": [
            {"Endpoint": f"{number}@example.com", "SubscriptionArn": arn} for number, arn in enumerate(arns)
        ]
    }


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (subscribed(), "fail", "nobody is told of alarms"),
        (subscribed("arn:aws:sns:a", "PendingConfirmation"), "fail", "1@example.com did not confirm"),
        (subscribed("arn:aws:sns:a"), "ok", "0@example.com"),
    ],
)
def test_somebody_is_told_of_alarms(answer: dict[str, Any], status: str, text: str) -> None:
    found = account.subscriptions(
        answering("sns", ("list_subscriptions_by_topic", answer)), "arn:aws:sns:topic"
    )
    assert found[0] == status
    assert text in found[1]


def template(*indexes: str, exports: tuple[str, ...] = ()) -> dict[str, Any]:
    table = {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {"GlobalSecondaryIndexes": [{"IndexName": name} for name in indexes]},
    }
    outputs = {f"Output{name}": {"Value": name, "Export": {"Name": name}} for name in exports}
    return {"Resources": {"Events": table}, "Outputs": outputs}


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (("a",), ("a",), False),
        (("a",), ("a", "b"), False),
        (("a",), ("a", "b", "c"), True),
        (("a",), ("b",), True),
        (("a", "b"), (), True),
        (("a",), (), False),
    ],
)
def test_a_deploy_changes_one_index_of_a_table(
    before: tuple[str, ...], after: tuple[str, ...], refused: bool
) -> None:
    assert bool(list(account.too_many_indexes(template(*before), template(*after)))) == refused


def test_a_new_table_has_as_many_indexes_as_it_likes() -> None:
    assert not list(account.too_many_indexes({"Resources": {}}, template("a", "b", "c")))


def sharded(number: int | None) -> dict[str, Any]:
    """A storage stack with so many shards; None: of before there was a number."""
    return {
        "Resources": {},
        "Outputs": {} if number is None else {"TypeShards": {"Value": str(number)}},
    }


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (None, 1, False),
        (None, 4, False),
        (2, 4, False),
        (4, 4, False),
        (4, 2, True),
        (4, 1, True),
        (4, None, True),
    ],
)
def test_the_shards_of_a_type_only_grow(
    tmp_path: Path, before: int | None, after: int | None, refused: bool
) -> None:
    (tmp_path / "millrace-prod-storage.template.json").write_text(json.dumps(sharded(after)))
    answer = {"TemplateBody": json.dumps(sharded(before))}
    status, text = account.changes(answering("cloudformation", ("get_template", answer)), tmp_path)
    assert status == ("fail" if refused else "ok")
    assert (f"type_shards is {before} in what is deployed" in text) == refused


def test_an_output_that_is_imported_stays(tmp_path: Path) -> None:
    (tmp_path / "millrace-dev-storage.template.json").write_text(json.dumps(template("a", exports=("kept",))))
    deployed = template("a", exports=("kept", "used", "unused"))
    found = account.changes(
        answering(
            "cloudformation",
            ("get_template", {"TemplateBody": json.dumps(deployed)}),
            ("list_imports", "ValidationError"),
            ("list_imports", {"Imports": ["millrace-dev-consumers"]}),
        ),
        tmp_path,
    )
    assert found[0] == "fail"
    assert "the output used is gone, and millrace-dev-consumers still imports it; deploy twice" in found[1]
    assert "unused" not in found[1]


def test_the_first_deploy_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "millrace-dev-storage.template.json").write_text(json.dumps(template("a", "b")))
    client = answering("cloudformation", ("get_template", "ValidationError"))
    assert account.changes(client, tmp_path) == ("ok", "")
