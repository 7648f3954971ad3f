"""EventBridge as a way in: the tenant is the rule's, and what the platform publishes never comes back."""

import pytest
from pydantic import ValidationError

from stacks.environment import ENVIRONMENTS, BusBinding
from tests.support.templates import Templates


def test_each_binding_is_a_rule_that_writes_its_tenant(every: Templates) -> None:
    rules = [rule["Properties"] for rule in every.resources("AWS::Events::Rule", "ingestion").values()]
    bindings = ENVIRONMENTS[every.environment].bus_bindings
    assert sorted(rule["EventPattern"]["source"][0] for rule in rules) == sorted(b.source for b in bindings)
    for rule in rules:
        (target,) = rule["Targets"]
        binding = next(b for b in bindings if [b.source] == rule["EventPattern"]["source"])
        template = target["InputTransformer"]["InputTemplate"]
        assert f'"org":"{binding.org}"' in template
        assert "BusFeederQueue" in str(target["Arn"])
        assert ("DeadLetterConfig" in target) is (every.environment != "local")


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


@pytest.mark.parametrize("org", [None, "", "UPPER", "a b", "org#x"])
def test_a_binding_without_a_tenant_is_no_binding(org: str | None) -> None:
    given = {"name": "A", "source": "shop", **({} if org is None else {"org": org})}
    with pytest.raises(ValidationError, match="org"):
        BusBinding.model_validate(given)


def test_what_the_platform_publishes_cannot_be_bound() -> None:
    with pytest.raises(ValidationError, match="round for ever"):
        BusBinding(name="A", org="org_acme", bus="platform", source="millrace.events")
