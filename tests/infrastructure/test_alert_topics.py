"""Topics of alerts: which of the events that the platform publishes reach which of them, and who may publish there."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from aws_cdk.assertions import Template

from millrace.alerts.alert import RAISED, SEVERITIES, TYPES
from millrace.core.table import Table
from millrace.routing.route import SOURCE, BusPublisher
from stacks.application import new_app
from stacks.constructs.alert_topics import AlertTopics
from stacks.environment import ENVIRONMENTS
from stacks.settings_parts import AlertRoute
from tests.support.alerting import ALERT, Alerting
from tests.support.mappings.patterns import FilterCriteria
from tests.support.templates import Templates, as_list

RULE, TOPIC, POLICY = "AWS::Events::Rule", "AWS::SNS::Topic", "AWS::SNS::TopicPolicy"
OWNERS = ("payments", "commerce")
Resources = dict[str, dict[str, Any]]
# Type, severity, owner, whether it is muted.
Told = tuple[str, str, str, bool]


class Bus:
    """Takes entries, as EventBridge does."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.entries += Entries
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in Entries]}


@pytest.fixture(scope="module")
def published(bundle: Path) -> list[dict[str, Any]]:
    """Raised alerts of each severity and owner, of which some have ended, as events of the bus."""
    world, bus = Alerting(), Bus()
    for number, severity in enumerate(SEVERITIES):
        for owner in OWNERS:
            subject = f"order:{owner}{number}"
            world.alerts.raise_all([replace(ALERT, severity=severity, owner=owner, subject=subject)])
            world.alerts.end(ALERT.org, ALERT.kind, ALERT.rule, subject, reason="late")
    publisher = BusPublisher(bus, Table(world.dynamodb, "Metadata"), world.codec, lambda _: True, "bus")
    publisher.publish(world.deliveries())
    return [
        {"source": one["Source"], "detail-type": one["DetailType"], "detail": orjson.loads(one["Detail"])}
        for one in bus.entries
    ]


def reached(resources: Resources, published: Sequence[dict[str, Any]]) -> dict[str, set[Told]]:
    """Topic → what a rule gives to it."""
    found: dict[str, set[Told]] = {}
    for topic, pattern in _rules(resources):
        criteria = FilterCriteria([pattern], frozenset({"source", "detail-type", "detail"}))
        told = [one for one in published if criteria.pass_on(orjson.dumps(one).decode())]
        found.setdefault(topic, set()).update(map(_told, told))
    return found


def _rules(resources: Resources) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, rule in resources.items():
        if rule["Type"] == RULE and name.startswith("Alerts"):
            (target,) = rule["Properties"]["Targets"]
            yield target["Arn"]["Ref"], rule["Properties"]["EventPattern"]


def _told(one: dict[str, Any]) -> Told:
    payload = one["detail"]["data"]["payload"]
    return one["detail-type"], payload["severity"], payload["owner"], payload["muted"]


def test_an_alert_reaches_the_topics_of_its_severity(
    every: Templates, published: list[dict[str, Any]]
) -> None:
    assert {one["detail-type"] for one in published} < TYPES
    everything = set(map(_told, published))
    assert len(everything) == 2 * len(SEVERITIES) * len(OWNERS)
    resources = every.stacks["consumers"]["Resources"]
    found = reached(resources, published)
    for route in ENVIRONMENTS[every.environment].alert_routes:
        (topic,) = (name for name in found if name.startswith(f"Alerts{route.name}"))
        assert resources[topic]["Type"] == TOPIC
        assert found.pop(topic) == {one for one in everything if one[1] in route.severities}
    assert not found


def test_what_is_muted_and_what_others_publish_reaches_nobody(
    every: Templates, published: list[dict[str, Any]]
) -> None:
    resources = every.stacks["consumers"]["Resources"]
    (first, *_) = (one for one in published if _told(one)[1] == "critical")
    assert any(reached(resources, [first]).values())
    payload = {**first["detail"]["data"]["payload"], "muted": True}
    for change in (
        {"detail": {**first["detail"], "data": {"payload": payload}}},
        {"detail-type": "order.created"},
        {"detail-type": "alert.acknowledged"},
        {"source": "shop.events"},
    ):
        assert not any(reached(resources, [{**first, **change}]).values()), change


def test_the_rules_publish_in_a_role_that_may_publish_there_and_nowhere_else(every: Templates) -> None:
    resources = every.stacks["consumers"]["Resources"]
    topics = {topic for topic, _ in _rules(resources)}
    rules = [one for name, one in resources.items() if one["Type"] == RULE and name.startswith("Alerts")]
    (role,) = {one["Properties"]["Targets"][0]["RoleArn"]["Fn::GetAtt"][0] for one in rules}
    (trust,) = resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "events.amazonaws.com"}
    statements = [
        statement
        for one in resources.values()
        if one["Type"] == "AWS::IAM::Policy" and {"Ref": role} in one["Properties"]["Roles"]
        for statement in one["Properties"]["PolicyDocument"]["Statement"]
    ]
    (publish,) = (one for one in statements if "sns:Publish" in as_list(one["Action"]))
    assert {one["Ref"] for one in as_list(publish["Resource"])} == topics
    (key,) = (one for one in statements if one is not publish)
    assert set(as_list(key["Action"])) == {"kms:Decrypt", "kms:GenerateDataKey"}
    assert "sns" in str(key["Condition"]["StringEquals"]["kms:ViaService"])
    for topic in topics:
        assert "DataKey" in str(resources[topic]["Properties"]["KmsMasterKeyId"])
        (policy,) = (one for one in resources.values() if _is_policy_of(one, topic))
        # Whoever subscribes or publishes needs rights of their own: the topic's policy only refuses what is not encrypted.
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Deny"
            assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def _is_policy_of(resource: dict[str, Any], topic: str) -> bool:
    return resource["Type"] == POLICY and {"Ref": topic} in resource["Properties"]["Topics"]


def test_a_route_may_be_of_owners(published: list[dict[str, Any]]) -> None:
    routes = (
        AlertRoute(name="Payments", severities=("warning", "critical"), owners=("payments",)),
        AlertRoute(name="All", severities=("info", "warning", "critical")),
    )
    stack = Stack(new_app(), "stack")
    storage = SimpleNamespace(data_key=kms.Key(stack, "DataKey"), bus=events.EventBus(stack, "Bus"))
    fleet: Any = SimpleNamespace(
        storage=storage, settings=ENVIRONMENTS["dev"], failures=sqs.Queue(stack, "Failures")
    )
    # As much of a fleet as it asks.
    AlertTopics(stack, "Alerts", fleet=fleet, source=SOURCE, routes=routes)
    found = reached(Template.from_stack(stack).to_json()["Resources"], published)
    payments, everybodys = (
        next(told for topic, told in found.items() if topic.startswith(f"Alerts{one.name}")) for one in routes
    )
    assert everybodys == set(map(_told, published))
    assert payments == {one for one in everybodys if one[2] == "payments" and one[1] != "info"}
    assert any(one[0] == RAISED for one in payments)
