"""What services do in their own name or in a role is allowed, and only for resources of the same AWS account.

The calls are derived from the templates: a resource of a kind that is not described yet fails here with a sentence.
"""

from functools import cache

import pytest

from tests.support.iam.calls import Use
from tests.support.iam.deployment import Deployment
from tests.support.iam.policy import Request, Statement, applies, names, statements
from tests.support.iam.relations import uses
from tests.support.templates import templates

ENVIRONMENTS = ("dev", "staging", "prod")
# What derives a relation of each of these must find some, or it looks for the wrong thing.
CALLING = {
    "dev": {"apigateway", "events", "lambda", "logging.s3", "logs", "sagemaker", "scheduler", "states"},
    "staging": {
        "apigateway",
        "cloudwatch",
        "events",
        "lambda",
        "logging.s3",
        "logs",
        "sagemaker",
        "scheduler",
        "states",
    },
    "prod": {
        "apigateway",
        "cloudwatch",
        "events",
        "glue",
        "lambda",
        "logging.s3",
        "logs",
        "sagemaker",
        "scheduler",
        "states",
    },
}
SOURCES = {"aws:sourcearn", "aws:sourceaccount"}


@cache
def derived(environment: str) -> tuple[Deployment, list[Use]]:
    deployment = Deployment(templates(environment))
    return deployment, list(uses(deployment))


def shown(request: Request, because: str) -> str:
    return f"{request.caller.name} may not {request.action} on {request.resource}: {because}"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_call_that_a_service_makes_is_allowed(environment: str) -> None:
    deployment, found = derived(environment)
    denied = {shown(use.request, use.because) for use in found if not deployment.account.allows(use.request)}
    assert sorted(denied) == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_services_that_call_are_these(environment: str) -> None:
    _, found = derived(environment)
    services = {use.request.caller.name for use in found if use.request.caller.is_service}
    assert {name.removesuffix(".amazonaws.com") for name in services} == CALLING[environment]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_service_may_do_it_for_a_stranger(environment: str) -> None:
    """The confused deputy: the same service, called by somebody else's AWS account."""
    deployment, found = derived(environment)
    in_own_name = [use for use in found if use.request.caller.is_service]
    allowed = {
        f"{use.request.caller.name} may {use.request.action} on {use.request.resource} for any AWS account"
        for use in in_own_name
        if use.names_source and deployment.account.allows(use.of_a_stranger)
    }
    assert sorted(allowed) == []
    # A service that does not name its source may only take on a role, which somebody of the account has to pass to it.
    unlimited = {
        f"{use.request.caller.name} names no source when it calls {use.request.action}: {use.because}; let it use a role"
        for use in in_own_name
        if not use.names_source and use.request.action != "sts:AssumeRole"
    }
    assert sorted(unlimited) == []


def grants(deployment: Deployment) -> list[tuple[str, str, Statement]]:
    """Each Allow to a service: the resource, the service, the statement."""
    return [
        (arn, service, statement)
        for arn, document in deployment.account.resources.items()
        for statement in statements(document)
        if statement["Effect"] == "Allow" and isinstance(statement["Principal"], dict)
        for service in _list(statement["Principal"].get("Service", []))
    ]


def _list(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_grant_to_a_service_is_used_and_names_its_source(environment: str) -> None:
    deployment, found = derived(environment)
    made = [use.request for use in found if use.request.caller.is_service]
    naming = {use.request.caller.name for use in found if use.names_source}
    for arn, service, statement in grants(deployment):
        trust = "Resource" not in statement
        assert any(
            request.caller.name == service
            and (request.resource == arn or request.resource.startswith(f"{arn}/"))
            and names(statement, request.caller) == "itself"
            and applies(statement, request, resource_named=not trust)
            for request in made
        ), f"{service} may {statement['Action']} on {arn}, and nothing makes it do so"
        keys = {key.lower() for block in statement.get("Condition", {}).values() for key in block}
        assert keys & SOURCES or service not in naming, f"{service} on {arn}: for which of its resources?"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_logs_that_services_deliver_have_room_in_the_account_s_policy(environment: str) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html."""
    deployment, _ = derived(environment)
    delivered = [
        destination["CloudWatchLogsLogGroup"]["LogGroupArn"]
        for machine in deployment.of("AWS::StepFunctions::StateMachine")
        for destination in machine.get("LoggingConfiguration", "Destinations")
    ]
    delivered += [
        stage.get("AccessLogSettings", "DestinationArn")
        for stage in deployment.of("AWS::ApiGatewayV2::Stage")
    ]
    assert delivered
    assert len(delivered) == len(set(delivered))
    assert all(":log-group:/aws/vendedlogs/" in arn for arn in delivered)
