"""Alarms, rules, schedules, subscriptions and the HTTP API: services that call what is named as their target."""

import re
from collections.abc import Iterator
from dataclasses import replace

from tests.support.iam.calls import AT, NEEDS_ROLE, As, Use, assumed, send, service, unknown
from tests.support.iam.deployment import ACCOUNT, Deployment, Resource


def alarm(deployment: Deployment, one: Resource) -> Iterator[Use]:
    """CloudWatch publishes each change of state that has an action."""
    for when in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        for target in one.get(when) or ():
            if service(target) == "lambda":
                name = "lambda.alarms.cloudwatch.amazonaws.com"
            elif service(target) == "sns":
                name = "cloudwatch.amazonaws.com"
            else:
                raise unknown(one, f"the action {target}")
            caller = As(name, f"{one.id} is in {when}", source=one.arn, more={"aws:SourceOwner": ACCOUNT})
            yield from send(deployment, caller, one, target)


def rule(deployment: Deployment, one: Resource) -> Iterator[Use]:
    """EventBridge sends to each target, in a role or in its own name; what it gives up goes to the target's dead letters."""
    itself = As("events.amazonaws.com", f"{one.id} sends an event to its target", source=one.arn)
    for target in one.get("Targets") or ():
        role = target.get("RoleArn")
        if role:
            yield assumed(role, itself.name, itself.because, one.arn)
        elif service(target["Arn"]) in NEEDS_ROLE:
            raise unknown(one, f"the target {target['Arn']} without a role")
        caller = As(role, itself.because) if role else itself
        yield from send(deployment, caller, one, target["Arn"])
        # Always in its own name, whether the target has a role or not.
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html#eb-dlq-perms
        if dead := target.get("DeadLetterConfig", {}).get("Arn"):
            yield from send(deployment, replace(itself, because=f"{one.id} gives an event up"), one, dead)


def schedule(deployment: Deployment, one: Resource) -> Iterator[Use]:
    """Scheduler takes on a role for the target and for the dead letters."""
    target = one.properties["Target"]
    group = one.get("GroupName") or "default"
    # The group, never the schedule: https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    source = f"arn:aws:scheduler:{AT}:schedule-group/{group}"
    yield assumed(target["RoleArn"], "scheduler.amazonaws.com", f"{one.id} is due", source)
    caller = As(target["RoleArn"], f"{one.id} is due")
    yield from send(deployment, caller, one, target["Arn"])
    if dead := target.get("DeadLetterConfig", {}).get("Arn"):
        yield from send(deployment, replace(caller, because=f"{one.id} gives a call up"), one, dead)


def log_subscription(deployment: Deployment, one: Resource) -> Iterator[Use]:
    """CloudWatch Logs hands the lines of a group on, in its own name.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html#LambdaFunctionExample
    """
    target, group = one.properties["DestinationArn"], one.properties["LogGroupName"]
    if service(target) != "lambda":
        raise unknown(one, f"the destination {target}")
    source = f"arn:aws:logs:{AT}:log-group:{group}:*"
    caller = As("logs.amazonaws.com", f"{one.id} hands lines on", source=source)
    yield from send(deployment, caller, one, target)


def subscription(deployment: Deployment, one: Resource) -> Iterator[Use]:
    """SNS delivers to queues and functions; people and addresses need no right."""
    protocol, topic = one.properties["Protocol"], one.properties["TopicArn"]
    if protocol in ("email", "email-json", "http", "https", "sms"):
        return
    if protocol not in ("sqs", "lambda"):
        raise unknown(one, f"the protocol {protocol}")
    caller = As("sns.amazonaws.com", f"{one.id} delivers", source=topic)
    yield from send(deployment, caller, one, one.properties["Endpoint"])


def bus(deployment: Deployment, one: Resource) -> Iterator[Use]:
    """EventBridge encrypts a bus with its own key, unless it names one."""
    if deployment.key_of(one.arn):
        raise unknown(one, "a key of its own")
    yield from ()


def integration(deployment: Deployment, one: Resource) -> Iterator[Use]:
    """The HTTP API calls the function behind each route."""
    target = one.properties["IntegrationUri"]
    if one.properties["IntegrationType"] != "AWS_PROXY" or service(target) != "lambda":
        raise unknown(one, f"the integration {target}")
    name = one.arn.rsplit(":", 1)[-1]
    for route in deployment.of("AWS::ApiGatewayV2::Route"):
        if route.properties["Target"] == f"integrations/{name}":
            method, _, path = route.properties["RouteKey"].partition(" ")
            source = f"arn:aws:execute-api:{AT}:{one.properties['ApiId']}/$default/{method}{path}"
            caller = As("apigateway.amazonaws.com", f"{route.id} is called", source)
            yield caller.does("lambda:InvokeFunction", target)


def authorizer(_: Deployment, one: Resource) -> Iterator[Use]:
    """The HTTP API calls the authorizer, unless it checks tokens by itself."""
    if one.get("AuthorizerType") == "JWT":
        return
    uri, name = str(one.get("AuthorizerUri")), one.arn.rsplit(":", 1)[-1]
    function = re.search(r"/functions/(arn:[^/]+)/invocations$", uri)
    if function is None:
        raise unknown(one, f"the authorizer {uri}")
    source = f"arn:aws:execute-api:{AT}:{one.properties['ApiId']}/authorizers/{name}"
    caller = As("apigateway.amazonaws.com", f"{one.id} authorizes a request", source)
    yield caller.does("lambda:InvokeFunction", function[1])
