"""A state machine from its file, with its log, its traces and a role that may do what the file says and no more."""

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
from stacks.constructs.waivers import waive

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
# The rules by which Step Functions hears of the end of a child, and of a training job.
# https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html#sync-async-iam-policies
_CHILD_RULE = "StepFunctionsGetEventsForStepFunctionsExecutionRule"
# https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html#sagemaker-iam-createtrainingjob
_TRAINING_RULE = "StepFunctionsGetEventsForSageMakerTrainingJobsRule"


class PlatformStateMachine(Construct):
    """The machine of `state_machines/<name>.asl.json`."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        fleet: Fleet,
        functions: Mapping[str, PlatformFunction],
        machines: "Mapping[str, PlatformStateMachine] | None" = None,
        values: Mapping[str, str] | None = None,
    ) -> None:
        """Makes the machine.

        Args:
            scope: the stack.
            name: the file's, and the construct's id.
            fleet: the stack's.
            functions: what the machine calls, by placeholder.
            machines: what it starts and waits for, by placeholder.
            values: the other placeholders.
        """
        super().__init__(scope, name)
        # A role of its own: the one that would be generated gets its rights by wildcard, all in one policy.
        self._role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        arns = {
            placeholder: function.function.function_arn for placeholder, function in functions.items()
        } | {placeholder: child.arn for placeholder, child in (machines or {}).items()}
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            definition_body=sfn.DefinitionBody.from_string(
                json.dumps(definition(name), ensure_ascii=False, separators=(",", ":"))
            ),
            definition_substitutions={**arns, **(values or {})},
            role=self._role.without_policy_updates(),
            logs=sfn.LogOptions(
                destination=log_group(self, "Logs", settings=fleet.settings),
                level=sfn.LogLevel.ALL,
                # Names and numbers only: no event passes through a machine.
                include_execution_data=True,
            ),
            tracing_enabled=True,
        )
        self._allow(
            "Invoke", ["lambda:InvokeFunction"], [one.function.function_arn for one in functions.values()]
        )
        self._allow_everywhere(
            "LogDelivery", _LOG_DELIVERY, "Deliveries of logs are no resources that a policy can name."
        )
        self._allow_everywhere(
            "Traces", _TRACES, "X-Ray's segments and sampling rules are no resources that a policy can name."
        )
        for child in (machines or {}).values():
            self._allow_child(child)
        if fleet.alarms is not None:
            alarm_on(
                self,
                "Failed",
                metric=self.machine.metric_failed(period=Duration.minutes(5)),
                threshold=1,
                description=f"An execution of {name} failed; its cause says what did not land, and why.",
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
        place = f"{Aws.REGION}:{Aws.ACCOUNT_ID}"
        policy = self._allow(
            "Train",
            [
                "sagemaker:AddTags",
                "sagemaker:CreateTrainingJob",
                "sagemaker:DescribeTrainingJob",
                "sagemaker:StopTrainingJob",
            ],
            [f"arn:{Aws.PARTITION}:sagemaker:{place}:training-job/{jobs}*"],
        )
        waive(
            policy,
            "IAM5",
            "A training job is named by its run and tenant.",
            finding=f"Resource::arn:<AWS::Partition>:sagemaker:<AWS::Region>:<AWS::AccountId>:training-job/{jobs}*",
        )
        rule = f"arn:{Aws.PARTITION}:events:{place}:rule/{_TRAINING_RULE}"
        self._allow("HearJobs", ["events:DescribeRule", "events:PutRule", "events:PutTargets"], [rule])
        passed = iam.PolicyStatement(
            actions=["iam:PassRole"],
            resources=[role.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        )
        self._attach("PassRole", passed)

    def _allow_child(self, child: "PlatformStateMachine") -> None:
        rule = f"arn:{Aws.PARTITION}:events:{Aws.REGION}:{Aws.ACCOUNT_ID}:rule/{_CHILD_RULE}"
        self._allow("Start", ["states:StartExecution"], [child.arn])
        self._allow("Hear", ["events:DescribeRule", "events:PutRule", "events:PutTargets"], [rule])
        name = child.machine.state_machine_name
        executions = f"arn:{Aws.PARTITION}:states:{Aws.REGION}:{Aws.ACCOUNT_ID}:execution:{name}:*"
        policy = self._allow("Await", ["states:DescribeExecution", "states:StopExecution"], [executions])
        waive(
            policy,
            "IAM5",
            "The executions of the one machine that this one starts; their names carry the interval.",
            finding=f"Resource::arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:{_shown(child)}:*",
        )

    def _allow_everywhere(self, construct_id: str, actions: Sequence[str], reason: str) -> None:
        waive(self._allow(construct_id, actions, ["*"]), "IAM5", reason, finding="Resource::*")

    def _allow(self, construct_id: str, actions: Sequence[str], resources: Sequence[str]) -> iam.Policy:
        return self._attach(
            construct_id, iam.PolicyStatement(actions=list(actions), resources=list(resources))
        )

    def _attach(self, construct_id: str, statement: iam.PolicyStatement) -> iam.Policy:
        policy = iam.Policy(self, construct_id, statements=[statement])
        policy.attach_to_role(self._role)
        # An execution must not begin before it may do what it is for.
        self.machine.node.add_dependency(policy)
        return policy


def _shown(child: PlatformStateMachine) -> str:
    # As cdk-nag writes a name that is known at deployment only.
    resource = child.machine.node.default_child
    if not isinstance(resource, sfn.CfnStateMachine):
        raise TypeError("a StateMachine is made of one CfnStateMachine")
    logical_id = resource.stack.get_logical_id(resource)
    return f"<{logical_id}.Name>"
