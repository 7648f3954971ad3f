"""The mappings from streams to consumers, and the subscriber behind the bus."""

import json
from typing import Any

import pytest

from millrace.eventstore.consumers import MOST_READERS_OF_TABLE_STREAM, Source, named, reading
from stacks.environment import ENVIRONMENTS
from tests.support.templates import Templates

MAPPING = "AWS::Lambda::EventSourceMapping"
FROM_LOG = tuple(reading(Source.LOG))
FROM_TABLE = tuple(reading(Source.TABLE_STREAM))


def _mapping(templates: Templates, stem: str) -> dict[str, Any]:
    properties: dict[str, Any] = templates.one(MAPPING, stem.replace("_", ""), "consumers")["Properties"]
    return properties


def test_the_table_s_stream_has_no_more_readers_than_it_allows() -> None:
    assert len(FROM_TABLE) <= MOST_READERS_OF_TABLE_STREAM


def test_each_consumer_has_one_mapping(every: Templates) -> None:
    assert len(every.resources(MAPPING, "consumers")) == len(FROM_LOG + FROM_TABLE)


@pytest.mark.parametrize("stem", FROM_LOG + FROM_TABLE)
def test_batches_come_back_whole_until_they_are_too_old(every: Templates, stem: str) -> None:
    properties = _mapping(every, stem)
    assert properties["StartingPosition"] == "TRIM_HORIZON"
    assert properties["BatchSize"] == (2000 if stem == "archive_events" else 500)
    assert properties["MaximumRetryAttempts"] == -1
    assert properties["BisectBatchOnFunctionError"] is True
    assert properties["ParallelizationFactor"] == 1
    # A partial answer is for a function whose consumers fail each by itself.
    assert ("FunctionResponseTypes" in properties) is (len(named(stem)) > 1)
    if stem in FROM_TABLE:
        hours = 20
        assert "EventsTable" in str(properties["EventSourceArn"])
        assert "StreamArn" in str(properties["EventSourceArn"])
    else:
        hours = ENVIRONMENTS[every.environment].stream.retention_hours - 6
        fan_out = stem == "score_transactions" and ENVIRONMENTS[every.environment].fraud_fan_out
        assert ("FanOut" if fan_out else "EventLog") in str(properties["EventSourceArn"])
    assert properties["MaximumRecordAgeInSeconds"] == hours * 3600


def test_the_projection_sees_inserts_only(every: Templates) -> None:
    (pattern,) = _mapping(every, "project_events")["FilterCriteria"]["Filters"]
    assert json.loads(pattern["Pattern"]) == {"eventName": ["INSERT"]}
    filtered = [stem for stem in FROM_LOG if "FilterCriteria" in _mapping(every, stem)]
    assert filtered == ["score_transactions"]


def test_fraud_sees_new_transactions_only(every: Templates) -> None:
    (pattern,) = _mapping(every, "score_transactions")["FilterCriteria"]["Filters"]
    assert json.loads(pattern["Pattern"]) == {
        "data": {
            "eventName": ["INSERT"],
            "dynamodb": {"NewImage": {"eventType": {"S": ["transaction.created"]}}},
        }
    }


def test_fraud_has_a_line_of_its_own_in_prod_only(every: Templates) -> None:
    made = every.resources("AWS::Kinesis::StreamConsumer", "consumers")
    assert len(made) == (1 if every.environment == "prod" else 0)
    for consumer in made.values():
        assert "EventLog" in str(consumer["Properties"]["StreamARN"])


def test_critical_and_high_reach_the_topic(every: Templates) -> None:
    rule = every.one("AWS::Events::Rule", "FraudAlerts", "consumers")["Properties"]
    assert rule["EventPattern"] == {
        "source": ["millrace.events"],
        "detail-type": ["fraud.decision.made"],
        "detail": {
            "data": {"payload": {"riskClass": ["CRITICAL", "HIGH"]}},
            # What a client posts under this type is derived from nothing, and alerts nobody.
            "platform": {"derivedFrom": [{"exists": True}]},
        },
    }
    (target,) = rule["Targets"]
    assert "FraudAlertsTopic" in str(target["Arn"])
    assert ("DeadLetterConfig" in target) is (every.environment != "local")
    topic = every.one("AWS::SNS::Topic", "FraudAlerts", "consumers")["Properties"]
    assert "DataKey" in str(topic["KmsMasterKeyId"])


@pytest.mark.parametrize("stem", FROM_LOG + FROM_TABLE)
def test_only_what_writes_by_the_batch_gathers(every: Templates, stem: str) -> None:
    window = _mapping(every, stem).get("MaximumBatchingWindowInSeconds", 0)
    windows = {"archive_events": 5, "analyze_events": 3}
    assert window == (0 if every.environment == "local" else windows.get(stem, 0))


@pytest.mark.parametrize("stem", FROM_LOG + FROM_TABLE)
def test_what_is_too_old_goes_to_the_lake_except_in_local(every: Templates, stem: str) -> None:
    properties = _mapping(every, stem)
    if every.environment == "local":
        assert "DestinationConfig" not in properties
    else:
        assert "LakeBucket" in str(properties["DestinationConfig"]["OnFailure"]["Destination"])


def test_a_mapping_is_made_after_the_rights_of_its_function(every: Templates) -> None:
    for stem in FROM_LOG + FROM_TABLE:
        flat = stem.replace("_", "")
        policies = {name for name in every.resources("AWS::IAM::Policy") if name.startswith(flat)}
        assert policies <= set(every.functions()[stem]["DependsOn"])


def test_the_subscriber_gets_what_route_publishes(every: Templates) -> None:
    properties = every.one("AWS::Events::Rule", "Subscriber", "consumers")["Properties"]
    assert properties["EventPattern"] == {"source": ["millrace.events"]}
    (target,) = properties["Targets"]
    assert "SubscriberQueue" in str(target["Arn"])
    # The local bus has no dead letters of its own; everywhere else a target without them would lose events.
    assert ("DeadLetterConfig" in target) is (every.environment != "local")


def test_the_subscribers_queue_gives_up_into_its_dead_letters(every: Templates) -> None:
    queues = every.resources("AWS::SQS::Queue")
    main = next(q for name, q in queues.items() if name.startswith("SubscriberQueue"))["Properties"]
    redrive = main["RedrivePolicy"]
    assert redrive["maxReceiveCount"] == 5
    assert redrive["deadLetterTargetArn"]["Fn::GetAtt"][0].startswith("SubscriberDeadLetters")
    for queue in queues.values():
        assert queue["Properties"]["SqsManagedSseEnabled"] is True
        assert queue["Properties"]["MessageRetentionPeriod"] == 1209600
