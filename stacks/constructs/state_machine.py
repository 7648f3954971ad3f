"""A state machine from its file, with its log, its traces and a role that allows what the file does and no more."""

import json
from collections.abc import Mapping, Sequence

from aws_cdk import Aws, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.asl import definition
from stacks.constructs.alarms import alarm_on
from stacks.constructs.fleet import Fleet
from stacks.constructs.log_groups import log_group
from stacks.constructs.platform_function import PlatformFunction
from stacks.constructs.platform_role import PlatformRole

# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy
_LOG_DELIVERY = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)
# https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html
_TRACES = (
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
)
# The rules by which Step Functions learns of the end of a child, and of a training job.
# https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html#sync-async-iam-policies
_CHILD_RULE = "StepFunctionsGetEventsForStepFunctionsExecutionRule"
# https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html#sagemaker-iam-createtrainingjob
_TRAINING_RULE = "StepFunctionsGetEventsForSageMakerTrainingJobsRule"
_RULE_ACTIONS = ("events:DescribeRule", "events:PutRule", "events:PutTargets")


class PlatformStateMachine(Construct):
    """The machine of `state_machines/<name>.asl.json`."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        fleet: Fleet,
        functions: Sequence[PlatformFunction],
        machines: "Sequence[PlatformStateMachine]" = (),
        values: Mapping[str, str] | None = None,
    ) -> None:
        """Makes the machine.

        Args:
            scope: the stack.
            name: the file's, and the construct's id.
            fleet: the stack's.
            functions: what the machine calls; the placeholder of `plan_run` is `PlanRun`.
            machines: what it starts and waits for; the placeholder of `hourly_etl` is `HourlyEtlMachine`.
            values: the other placeholders.
        """
        super().__init__(scope, name)
        # A role of its own: the one that would be generated gets its rights by wildcard, all in one policy.
        self._role = PlatformRole(self, "states")
        arns = {camel(one.node.id): one.function.function_arn for one in functions} | {
            f"{camel(one.node.id)}Machine": one.arn for one in machines
        }
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            definition_body=sfn.DefinitionBody.from_string(
                json.dumps(definition(name), ensure_ascii=False, separators=(",", ":"))
            ),
            definition_substitutions={**arns, **(values or {})},
            role=self._role.without_policy_updates(),
            logs=sfn.LogOptions(
                destination=log_group(self, "Logs", settings=fleet.settings, delivered=f"states/{name}"),
                level=sfn.LogLevel.ALL,
                # Names and numbers only: no event passes through a machine.
                include_execution_data=True,
            ),
            tracing_enabled=True,
        )
        # An execution must not begin before it may do what it is for.
        self.machine.node.add_dependency(self._role)
        self._role.allow("lambda:InvokeFunction", on=[one.function.function_arn for one in functions])
        self._role.allow_wildcard(
            "LogDelivery",
            *_LOG_DELIVERY,
            on="*",
            reason="Deliveries of logs are not resources that a policy can name.",
        )
        self._role.allow_wildcard(
            "Traces",
            *_TRACES,
            on="*",
            reason="X-Ray's segments and sampling rules are not resources that a policy can name.",
        )
        if machines:
            self._role.allow("states:StartExecution", on=[child.arn for child in machines])
            self._role.allow(*_RULE_ACTIONS, on=[_arn("events", f"rule/{_CHILD_RULE}")])
        for child in machines:
            self._allow_waiting(child)
        if fleet.alarms is not None:
            alarm_on(
                self,
                "Failed",
                metric=self.machine.metric_failed(period=Duration.minutes(5)),
                threshold=1,
                description=f"An execution of {name} failed; its cause names what was not committed, and why.",
                runbook="run-failed",
                topic=fleet.alarms,
            )

    @property
    def arn(self) -> str:
        """The machine's ARN."""
        return self.machine.state_machine_arn

    def allow_training(self, role: iam.IRole, jobs: str) -> None:
        """Lets the machine run training jobs whose names begin so, in that role, and nothing else of SageMaker.

        Args:
            role: of the jobs.
            jobs: what their names begin with.
        """
        self._role.allow_wildcard(
            "Train",
            "sagemaker:AddTags",
            "sagemaker:CreateTrainingJob",
            "sagemaker:DescribeTrainingJob",
            "sagemaker:ListTags",
            "sagemaker:StopTrainingJob",
            on=_arn("sagemaker", f"training-job/{jobs}*"),
            reason="A training job is named by its run and tenant.",
        )
        self._role.allow(*_RULE_ACTIONS, on=[_arn("events", f"rule/{_TRAINING_RULE}")])
        self._role.allow(
            "iam:PassRole",
            on=[role.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        )

    def _allow_waiting(self, child: "PlatformStateMachine") -> None:
        self._role.allow_wildcard(
            f"Await{camel(child.node.id)}",
            "states:DescribeExecution",
            "states:StopExecution",
            on=_arn("states", f"execution:{child.machine.state_machine_name}:*"),
            reason="The executions of a machine that this one starts; their names are made while it runs.",
        )


def _arn(service: str, resource: str) -> str:
    return f"arn:{Aws.PARTITION}:{service}:{Aws.REGION}:{Aws.ACCOUNT_ID}:{resource}"


def camel(stem: str) -> str:
    """A stem as placeholders and outputs write it: `plan_run` → `PlanRun`."""
    return "".join(part.capitalize() for part in stem.split("_"))
