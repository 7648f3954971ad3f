"""Alarms and dashboards: where someone is woken there is one for each trouble, elsewhere nothing is paid for."""

import re
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Template
from typer.core import TyperGroup
from typer.main import get_command

from cli.commands import Commands
from cli.main import app
from millrace.eventstore import tables
from millrace.eventstore.consumers import Source, reading
from stacks.application import new_app
from stacks.constructs import database_reading
from stacks.constructs.tables import indexes
from stacks.constructs.way_in_alarms import event_types
from stacks.environment import ENVIRONMENTS, to_deploy
from stacks.storage import StorageStack
from tests.support.templates import Templates, templates

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"
WOKEN = [name for name, settings in ENVIRONMENTS.items() if settings.alarms]
CONSUMERS = {*reading(Source.LOG), *reading(Source.TABLE_STREAM)}


def alarms(name: str) -> list[dict[str, Any]]:
    return [found["Properties"] for found in templates(name).resources("AWS::CloudWatch::Alarm").values()]


def named(name: str, metric: str) -> list[dict[str, Any]]:
    return [alarm for alarm in alarms(name) if alarm.get("MetricName") == metric]


def dimensions(alarm: dict[str, Any]) -> dict[str, Any]:
    return {one["Name"]: one["Value"] for one in alarm["Dimensions"]}


def test_dev_and_local_pay_for_none(local: Templates, dev: Templates) -> None:
    for found in (local, dev):
        for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::Logs::MetricFilter"):
            assert found.resources(kind) == {}


@pytest.mark.parametrize("name", WOKEN)
def test_each_consumer_is_watched_for_dead_letters_and_lag(name: str) -> None:
    filters = [found["Properties"] for found in templates(name).resources("AWS::Logs::MetricFilter").values()]
    assert {one["FilterPattern"] for one in filters} == {"{ $.dead > 0 }"}
    counted = {transform["MetricName"] for one in filters for transform in one["MetricTransformations"]}
    assert counted == {f"{stem}-dead-letters" for stem in CONSUMERS}
    for metric in counted:
        (alarm,) = named(name, metric)
        assert (alarm["Threshold"], alarm["Namespace"]) == (1, f"Millrace/{name}")
    assert len(named(name, "IteratorAge")) == len(CONSUMERS)


@pytest.mark.parametrize("name", WOKEN)
def test_answers_throttles_and_refusals_are_watched(name: str) -> None:
    assert [alarm["Namespace"] for alarm in named(name, "5xx")] == ["AWS/ApiGateway"]
    assert len(named(name, "WriteProvisionedThroughputExceeded")) == 1
    for kind in ("ReadThrottleEvents", "WriteThrottleEvents"):
        of_tables = [one for one in named(name, kind) if "GlobalSecondaryIndexName" not in dimensions(one)]
        assert len(of_tables) == 4
    of_indexes = [one for one in named(name, "WriteThrottleEvents") if len(dimensions(one)) == 2]
    (table,) = {str(dimensions(one)["TableName"]) for one in of_indexes}
    assert "Events" in table
    assert "UserEvents" not in table
    assert {dimensions(one)["GlobalSecondaryIndexName"] for one in of_indexes} == {
        index.Meta.index_name for index in indexes(tables.Events)
    }
    assert all("runbook.md#index-throttles" in one["AlarmDescription"] for one in of_indexes)
    refused = [dimensions(alarm) for alarm in named(name, "EventsRefused")]
    assert sorted(one["eventType"] for one in refused) == event_types()
    assert {(one["environment"], one["service"]) for one in refused} == {(name, "intake")}


@pytest.mark.parametrize("name", WOKEN)
def test_a_log_that_fills_and_rows_that_wait_for_it_are_watched(name: str) -> None:
    shards = ENVIRONMENTS[name].stream.shards or 0
    # Three readers share the 2 MB a second of a shard; in prod two, because fraud has a line of its own.
    bytes_a_second = {"staging": 2 / 3 * 1_048_576, "prod": 1_048_576}[name]
    wanted = {
        "FailedToReplicateRecordCount": 1,
        "ThrottledPutRecordCount": 1,
        "AgeOfOldestUnreplicatedRecord": 900_000,
        # Three quarters of what its shards take in five minutes.
        "IncomingBytes": pytest.approx(shards * bytes_a_second * 225),
        "IncomingRecords": shards * 1000 * 225,
    }
    for metric, threshold in wanted.items():
        (alarm,) = named(name, metric)
        assert (alarm["Threshold"], alarm["Period"]) == (threshold, 300)
        assert alarm["Statistic"] == ("Maximum" if "Age" in metric else "Sum")
        assert set(dimensions(alarm)) == (
            {"StreamName"} if "Incoming" in metric else {"TableName", "DelegatedOperation"}
        )


@pytest.mark.parametrize("name", WOKEN)
def test_a_silent_canary_is_an_alarm(name: str) -> None:
    (alarm,) = named(name, "CanaryPathsFailed")
    assert (alarm["TreatMissingData"], alarm["Threshold"], alarm["EvaluationPeriods"]) == ("breaching", 1, 2)
    assert dimensions(alarm) == {"environment": name, "service": "send_canary"}
    silent = [one for one in alarms(name) if one["TreatMissingData"] == "breaching"]
    assert sorted(one["MetricName"] for one in silent) == [
        "CanaryPathsFailed",
        "Invocations",
        "TileLag",
        "WatchLag",
    ]
    # What a function writes only now and then, or not at all, says nothing of whether it is called.
    (not_called,) = named(name, "Invocations")
    assert "sweeptimers" in str(dimensions(not_called)["FunctionName"])
    assert (not_called["ComparisonOperator"], not_called["Threshold"]) == ("LessThanThreshold", 1)


@pytest.mark.parametrize("name", WOKEN)
def test_every_alarm_wakes_someone_and_is_plain(name: str) -> None:
    sections = set(re.findall(r"^## (.+)$", RUNBOOK.read_text(), flags=re.MULTILINE))
    for alarm in alarms(name):
        assert alarm["AlarmActions"]
        assert alarm["OKActions"]
        assert alarm["AlarmDescription"].rpartition("docs/runbook.md#")[2] in sections
        assert "Metrics" not in alarm, "metric math is not everywhere"


def test_each_contact_subscribes_to_the_alarms() -> None:
    contacts = "oncall@example.com,https://hooks.example.com/1"
    stack = StorageStack(new_app(), "storage", settings=to_deploy("staging", alarm_contacts=contacts))
    template = Template.from_stack(stack).to_json()["Resources"].values()
    subscribed = [one["Properties"] for one in template if one["Type"] == "AWS::SNS::Subscription"]
    assert {(one["Protocol"], one["Endpoint"]) for one in subscribed} == {
        ("email", "oncall@example.com"),
        ("https", "https://hooks.example.com/1"),
    }
    assert all("Alarms" in one["TopicArn"]["Ref"] for one in subscribed)


def test_the_canary_goes_on_a_schedule_but_locally(every: Templates) -> None:
    schedules = [
        found["Properties"]["ScheduleExpression"]
        for name, found in every.resources("AWS::Scheduler::Schedule").items()
        if name.startswith("Canary")
    ]
    assert schedules == ([] if every.environment == "local" else [ENVIRONMENTS[every.environment].canary])


def test_stores_are_compared_hourly_behind_the_run_and_daily_but_locally(every: Templates) -> None:
    schedules = {
        found["Properties"]["Target"]["Input"]: found["Properties"]["ScheduleExpression"]
        for name, found in every.resources("AWS::Scheduler::Schedule").items()
        if name.startswith("Reconciliation")
    }
    wanted = {'{"pass": "hourly"}': "cron(50 * * * ? *)", '{"pass": "daily"}': "cron(40 5 * * ? *)"}
    assert schedules == ({} if every.environment == "local" else wanted)


@pytest.mark.parametrize("name", WOKEN)
def test_events_that_stay_missing_wake_someone(name: str) -> None:
    for metric in ("EventsOpen", "TenantDaysLeft"):
        (alarm,) = named(name, metric)
        assert dimensions(alarm) == {"environment": name, "service": "reconcile_events"}
        assert (alarm["Namespace"], alarm["Threshold"]) == ("Millrace", 1)


@pytest.mark.parametrize("name", WOKEN)
def test_two_dashboards(name: str) -> None:
    boards = {
        found["Properties"]["DashboardName"]: str(found["Properties"]["DashboardBody"])
        for found in templates(name).resources("AWS::CloudWatch::Dashboard").values()
    }
    assert set(boards) == {f"millrace-{name}-platform-overview", f"millrace-{name}-data-pipeline"}
    assert "CanaryPathsFailed" in boards[f"millrace-{name}-platform-overview"]
    assert "IteratorAge" in boards[f"millrace-{name}-data-pipeline"]


def test_the_runbook_has_no_section_that_no_alarm_leads_to() -> None:
    sections = set(re.findall(r"^## (.+)$", RUNBOOK.read_text(), flags=re.MULTILINE))
    led_to = {alarm["AlarmDescription"].rpartition("#")[2] for alarm in alarms("prod")}
    # Of databases as sources, of which none is shipped (tests/infrastructure/test_database_reading.py).
    assert sections == led_to | {database_reading.RUNBOOK}


def test_commands_of_descriptions_and_runbook_are_there() -> None:
    """Whoever is woken types what they read."""
    snippets = re.findall(r"`(millrace [^`]+)`", RUNBOOK.read_text())
    for alarm in alarms("prod"):
        snippets += re.findall(r"millrace [^,.]+", alarm["AlarmDescription"].partition(" What to do:")[0])
    assert len(snippets) > 10
    for snippet in snippets:
        words = snippet.split()[1:]
        command = get_command(app)
        while isinstance(command, TyperGroup):
            word = words.pop(0)
            command = command.load(word) if isinstance(command, Commands) else command.commands[word]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, snippet
