"""The one construct that makes a Lambda function."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import Aws, Duration, IgnoreMode, Size, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_s3 as s3
from constructs import Construct

from millrace.core.settings import FunctionSettings
from stacks.constructs.alarms import alarm_on
from stacks.constructs.fleet import Fleet
from stacks.constructs.log_groups import log_group
from stacks.constructs.waivers import waive

ROOT = Path(__file__).resolve().parent.parent.parent
# What DynamoDB, Kinesis and S3 may ask of the key in a caller's name.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
_KEY_ACTIONS = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
_KEY_SERVICES = ("dynamodb", "kinesis", "s3")


class PlatformFunction(Construct):
    """A function with its log group, role, environment, on-failure target and alarms.

    The folder `functions/<stem>/` holds its code; `settings.py` there says which settings it has, and its
    environment variables are made from that model and nothing else.
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
        storage_mb: int | None = None,
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
            variables: the function's own settings, by field.
            storage_mb: of `/tmp`, in MB, where Lambda's 512 are too few.
        """
        super().__init__(scope, stem)
        settings = fleet.settings
        logs_of_function = log_group(self, "Logs", settings=settings)
        # A role of its own: the managed policy that a generated one gets may write to every log group.
        self._role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        model = settings_model(stem)
        common = {"environment": settings.name, "log_level": settings.log_level}
        self.function = lambda_.Function(
            self,
            "Function",
            code=_code(stem),
            handler=f"functions.{stem}.handler.handler",
            runtime=lambda_.Runtime(settings.runtime, lambda_.RuntimeFamily.PYTHON),
            architecture=lambda_.Architecture.custom(settings.architecture),
            layers=fleet.layers.named(*layers),
            role=self._role,
            log_group=logs_of_function,
            description=description,
            memory_size=memory_mb,
            timeout=timeout,
            ephemeral_storage_size=None if storage_mb is None else Size.mebibytes(storage_mb),
            environment=model.model_validate({**common, **(variables or {})}).environment_variables(),
            reserved_concurrent_executions=settings.reserved_concurrency.get(stem),
            on_failure=destinations.SqsDestination(fleet.failures),
            retry_attempts=2,
            max_event_age=Duration.hours(6),
        )
        self.allow("logs:CreateLogStream", "logs:PutLogEvents", on=[logs_of_function.log_group_arn])
        waive(self.function, "L1", _runtime_reason(settings.name))
        if fleet.alarms is not None:
            self._alarm(fleet)

    def allow(self, *actions: str, on: list[str]) -> None:
        """Lets the function do named actions on named resources; neither may hold a wildcard."""
        wild = [text for text in (*actions, *on) if "*" in text]
        if wild:
            raise ValueError(
                f"{self.node.id}: {', '.join(wild)} needs a reason: allow_prefix, allow_everywhere"
            )
        self.function.add_to_role_policy(iam.PolicyStatement(actions=list(actions), resources=on))

    def allow_use_of(self, key: kms.IKey) -> None:
        """Lets the function's calls to tables, streams and buckets use their key, and nothing else use it."""
        region = Stack.of(self).region
        services = [f"{service}.{region}.amazonaws.com" for service in _KEY_SERVICES]
        self.function.add_to_role_policy(
            iam.PolicyStatement(
                actions=list(_KEY_ACTIONS),
                resources=[key.key_arn],
                conditions={"StringEquals": {"kms:ViaService": services}},
            )
        )

    def allow_prefix(self, *actions: str, bucket: s3.IBucket, prefix: str, reason: str) -> None:
        """Lets the function do named actions on the objects below a prefix, as a policy of its own.

        The names of objects are not known beforehand, so the resource ends in a wildcard; the reason for that
        stands on the policy. One policy a prefix, so that each has one.
        """
        name = "".join(part.capitalize() for part in prefix.replace("-", "/").replace("_", "/").split("/"))
        verbs = "".join(action.partition(":")[2] for action in actions)
        policy = self._policy(f"{name}{verbs}", actions, bucket.arn_for_objects(f"{prefix}*"))
        waive(policy, "IAM5", reason, finding=f"Resource::{imported(bucket)}/{prefix}*")

    def allow_tables(self, *actions: str, databases: Sequence[str], reason: str) -> None:
        """Lets the function do Glue actions on databases of the catalog and on whatever tables are in them.

        Tables are made by the pipeline from contracts, so their names are not known here: one policy a database, with
        the reason for its wildcard. The catalog and the databases themselves are named.
        """
        catalog = f"arn:{Aws.PARTITION}:glue:{Aws.REGION}:{Aws.ACCOUNT_ID}"
        self.allow(
            *actions, on=[f"{catalog}:catalog", *(f"{catalog}:database/{database}" for database in databases)]
        )
        for database in databases:
            name = "".join(part.capitalize() for part in database.split("_"))
            verb = actions[0].partition(":")[2] if len(actions) == 1 else ""
            policy = self._policy(f"{name}Tables{verb}", actions, f"{catalog}:table/{database}/*")
            finding = f"Resource::arn:<AWS::Partition>:glue:<AWS::Region>:<AWS::AccountId>:table/{database}/*"
            waive(policy, "IAM5", reason, finding=finding)

    def allow_everywhere(self, action: str, *, reason: str) -> None:
        """Lets the function do an action that takes no resource; the reason stands on its policy."""
        policy = self._policy(action.replace(":", ""), (action,), "*")
        waive(policy, "IAM5", reason, finding="Resource::*")

    def _policy(self, construct_id: str, actions: Sequence[str], resource: str) -> iam.Policy:
        statement = iam.PolicyStatement(actions=list(actions), resources=[resource])
        policy = iam.Policy(self, construct_id, statements=[statement])
        policy.attach_to_role(self._role)
        # A mapping must not be made, nor the function called, before it may do what it is for.
        self.function.node.add_dependency(policy)
        return policy

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
            topic=fleet.alarms,
        )
        alarm_on(
            self,
            "Throttles",
            metric=self.function.metric_throttles(period=minutes),
            threshold=1,
            description=f"{self.node.id} was not run: the account or the function has too little concurrency.",
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


def imported(bucket: s3.IBucket) -> str:
    """How cdk-nag names a bucket of another stack: by the export that its ARN comes through."""
    owner = Stack.of(bucket)
    resolved = owner.resolve(owner.export_value(bucket.bucket_arn))
    return str(resolved["Fn::ImportValue"])


def _runtime_reason(environment: str) -> str:
    if environment == "local":
        return "The local platform runs functions on the interpreter that it runs on itself."
    return "The code and the wheels of its layers are tested on Python 3.13; newer runtimes follow when they are."
