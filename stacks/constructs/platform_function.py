"""The one construct that makes a Lambda function."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import Duration, IgnoreMode, Size
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from constructs import Construct

from millrace.core.settings import FunctionSettings
from millrace.core.uses import Resource
from stacks.constructs.alarms import alarm_on
from stacks.constructs.fleet import Fleet
from stacks.constructs.grants import Deployed, deployed, grant
from stacks.constructs.log_groups import log_group
from stacks.constructs.platform_role import PlatformRole
from stacks.constructs.waivers import waive
from stacks.network import OUTSIDE
from stacks.settings_parts import DatabaseNetwork

ROOT = Path(__file__).resolve().parent.parent.parent
# Lambda gives a function of this much memory one whole processor.
ONE_PROCESSOR_MB = 1769
# The layers of a function that seals or unseals protected values.
PROTECTING = ("runtime", "privacy")
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
INTERFACE_ACTIONS = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
# The rest of a function's /tmp is Python's and whatever else writes there.
TEMP_RESERVE_MB = 512


class PlatformFunction(Construct):
    """A function with its log group, role, environment, on-failure target and alarms.

    The folder `functions/<stem>/` holds its code. `settings.py` there declares its settings and what it uses of the
    platform: its environment variables and its rights are made from that model. What a construct adds to the rights is what
    Lambda itself does in the function's name, such as reading a queue, or what only this environment has.
    """

    def __init__(
        self,
        scope: Construct,
        stem: str,
        *,
        fleet: Fleet,
        description: str,
        memory_mb: int,
        timeout: Duration,
        layers: tuple[str, ...] = ("runtime",),
        variables: Mapping[str, str] | None = None,
        resources: Mapping[Resource, Deployed] | None = None,
        storage_mb: int | None = None,
        place: DatabaseNetwork | None = None,
    ) -> None:
        """Makes the function.

        Args:
            scope: the stack.
            stem: the folder under `functions/`; also the construct's id.
            fleet: what it shares with the stack's other functions.
            description: one sentence for whoever sees the function in the console.
            memory_mb: memory in MB; CPU comes in proportion.
            timeout: how long one invocation may take.
            layers: the third-party layers it imports from.
            variables: settings that name no resource, by field.
            resources: what it uses that is not in the storage stack.
            storage_mb: of `/tmp`, in MB, where Lambda's 512 are too few.
            place: subnets that it lies in, instead of those of the other functions.
        """
        super().__init__(scope, stem)
        settings, model = fleet.settings, settings_model(stem)
        known = {**deployed(fleet.storage), **(resources or {})}
        declared = model.declared_uses()
        logs_of_function = log_group(self, "Logs", settings=settings)
        # A role of its own: the managed policy that a generated one gets may write to every log group.
        self.role = PlatformRole(self, "lambda")
        values = {
            "environment": settings.name,
            "log_level": settings.log_level,
            **{field: known[uses[0].resource].value for field, uses in declared.items()},
            **_declared_numbers(model, memory_mb, storage_mb, settings.type_shards),
            **({"rate_limit_url": settings.rate_limit_url} if "rate_limit_url" in model.names() else {}),
            **(variables or {}),
        }
        self.function = lambda_.Function(
            self,
            "Function",
            code=_code(stem),
            handler=f"functions.{stem}.handler.handler",
            runtime=lambda_.Runtime(settings.runtime, lambda_.RuntimeFamily.PYTHON),
            architecture=lambda_.Architecture.custom(settings.architecture),
            layers=fleet.layers.named(*layers),
            role=self.role,
            log_group=logs_of_function,
            description=description,
            memory_size=memory_mb,
            timeout=timeout,
            ephemeral_storage_size=None if storage_mb is None else Size.mebibytes(storage_mb),
            environment=model.of(values).environment_variables(),
            **(_placed(stem, fleet) if place is None else _placed_in(self, place)),
            reserved_concurrent_executions=settings.reserved_concurrency.get(stem),
            on_failure=destinations.SqsDestination(fleet.failures),
            retry_attempts=2,
            max_event_age=Duration.hours(6),
        )
        if place is not None or (fleet.network is not None and stem not in OUTSIDE):
            _allow_interfaces(self.role)
        self.role.allow("logs:CreateLogStream", "logs:PutLogEvents", on=[logs_of_function.log_group_arn])
        uses = [*model.also_uses, *(use for several in declared.values() for use in several)]
        grant(self.role, uses, storage=fleet.storage, resources=known)
        waive(self.function, "L1", _runtime_reason(settings.name))
        self._alarm(fleet)

    def _alarm(self, fleet: Fleet) -> None:
        if fleet.alarms is None:
            return
        minutes = Duration.minutes(5)
        alarm_on(
            self,
            "Errors",
            metric=self.function.metric_errors(period=minutes),
            threshold=1,
            description=f"{self.node.id} raised.",
            runbook="errors",
            topic=fleet.alarms,
        )
        alarm_on(
            self,
            "Throttles",
            metric=self.function.metric_throttles(period=minutes),
            threshold=1,
            description=f"{self.node.id} was throttled: the AWS account or the function has too little concurrency.",
            runbook="throttles",
            topic=fleet.alarms,
        )


def settings_model(stem: str) -> type[FunctionSettings]:
    """The `Settings` of `functions/<stem>/settings.py`.

    Raises:
        ModuleNotFoundError: there is no such file.
        TypeError: the file has no such model.
    """
    model = getattr(importlib.import_module(f"functions.{stem}.settings"), "Settings", None)
    if not (isinstance(model, type) and issubclass(model, FunctionSettings)):
        raise TypeError(f"functions/{stem}/settings.py has no class Settings(FunctionSettings)")
    return model


def _code(stem: str) -> lambda_.Code:
    """The function's own folder, at the path that its imports name; the rest of the repository is not in it."""
    kept = ("functions", "functions/__init__.py", f"functions/{stem}", f"functions/{stem}/*.py")
    exclude = ["**", *(f"!/{path}" for path in kept)]
    return lambda_.Code.from_asset(str(ROOT), exclude=exclude, ignore_mode=IgnoreMode.GIT)


def _placed(stem: str, fleet: Fleet) -> dict[str, Any]:
    """Where the function is, in a network or in none."""
    if fleet.network is None or stem in OUTSIDE:
        return {}
    return {
        "vpc": fleet.network.vpc,
        "vpc_subnets": ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
        "security_groups": [fleet.network.functions],
    }


def _placed_in(scope: Construct, place: DatabaseNetwork) -> dict[str, Any]:
    """In subnets that are not ours."""
    vpc = ec2.Vpc.from_vpc_attributes(
        scope,
        "Vpc",
        vpc_id=place.vpc,
        # Which zones they are in says nothing here, only how many subnets there are.
        availability_zones=list(place.subnets),
        private_subnet_ids=list(place.subnets),
    )
    return {
        "vpc": vpc,
        "vpc_subnets": ec2.SubnetSelection(subnets=vpc.private_subnets),
        "security_groups": [
            ec2.SecurityGroup.from_security_group_id(scope, group, group, mutable=False)
            for group in place.security_groups
        ],
    }


def _allow_interfaces(role: PlatformRole) -> None:
    """What Lambda itself does in the role's name to place the function; the function's own code may do none of it."""
    role.allow_wildcard(
        "Interfaces",
        *INTERFACE_ACTIONS,
        on="*",
        reason="Lambda makes network interfaces for a function before they have names, and these actions take no other resource.",
        # A call of the function's code names the function. https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
        conditions={"Null": {"lambda:SourceFunctionArn": "true"}},
    )


def _declared_numbers(
    model: type[FunctionSettings], memory_mb: int, storage_mb: int | None, type_shards: int
) -> dict[str, str]:
    """The numbers that a function has a setting for: its own memory and /tmp, and over how many keys a type is spread."""
    numbers = {
        "memory_mb": memory_mb,
        "temp_mb": (storage_mb or TEMP_RESERVE_MB) - TEMP_RESERVE_MB,
        "type_shards": type_shards,
    }
    return {name: str(number) for name, number in numbers.items() if name in model.names()}


def _runtime_reason(environment: str) -> str:
    if environment == "local":
        return "The local platform runs functions on the interpreter that it runs on itself."
    return "The code and the wheels of its layers are tested on Python 3.13; newer runtimes follow when they are."
