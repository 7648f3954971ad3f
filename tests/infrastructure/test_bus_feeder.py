"""EventBridge as a way in: the tenant is the rule's, and only sources of the environment have one."""

import pytest

from millrace.feeders import binding
from tests.support.templates import Templates

pytestmark = pytest.mark.usefixtures("bundle")


def test_each_source_of_a_bus_is_a_rule_that_writes_its_tenant(every: Templates) -> None:
    rules = [
        rule["Properties"]
        for rule in every.resources("AWS::Events::Rule", "ingestion").values()
        if rule["Properties"]["EventPattern"]["source"] != ["aws.s3"]
    ]
    bindings = [one for one in binding.load(every.environment) if one.bus is not None]
    by_source = {one.bus.source: one for one in bindings if one.bus is not None}
    assert sorted(rule["EventPattern"]["source"][0] for rule in rules) == sorted(by_source)
    for rule in rules:
        (target,) = rule["Targets"]
        (source,) = rule["EventPattern"]["source"]
        template = target["InputTransformer"]["InputTemplate"]
        assert f'"org":"{by_source[source].org}"' in template
        assert f'"binding":"{by_source[source].name}"' in template
        assert "BusFeederQueue" in str(target["Arn"])
        assert ("DeadLetterConfig" in target) is (every.environment != "local")


def test_a_source_is_deployed_where_it_says_and_nowhere_else() -> None:
    local = {one.name for one in binding.load("local")}
    assert {"canary", "platform-bus", "demo-webhooks"} <= local
    for environment in ("dev", "staging", "prod"):
        assert "platform-bus" not in {one.name for one in binding.load(environment)}


def test_tenants_of_sources_are_told_to_what_lists_tenants(every: Templates) -> None:
    wanted = binding.orgs(binding.load(every.environment))
    assert "millrace-canary" in wanted
    for stem in ("replay_waiting", "reconcile_events"):
        if stem in every.functions():
            variables = every.functions()[stem]["Properties"]["Environment"]["Variables"]
            assert variables["BOUND_ORGS"] == wanted


def test_refused_is_done_and_unavailable_is_retried(every: Templates) -> None:
    mapping = every.one("AWS::Lambda::EventSourceMapping", "BusFeederMapping", "ingestion")
    assert mapping["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    queues = every.resources("AWS::SQS::Queue", "ingestion")
    main = next(q["Properties"] for name, q in queues.items() if name.startswith("BusFeederQueue"))
    assert main["RedrivePolicy"]["maxReceiveCount"] == 20
    timeout = every.functions()["receive_bus_events"]["Properties"]["Timeout"]
    assert main["VisibilityTimeout"] >= 6 * timeout


def test_capture_is_open_before_events_are_taken_in(every: Templates) -> None:
    (opened,) = every.resources("Custom::OpenCapture")
    mapping = every.one("AWS::Lambda::EventSourceMapping", "BusFeederMapping", "ingestion")
    assert opened in mapping["DependsOn"]
