"""Files as a way in: S3 tells of each file of the drop zone, and a machine has it imported by a function."""

from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct, IDependable

from millrace.core.prefixes import IMPORTS
from stacks.constructs.fleet import Fleet
from stacks.constructs.lake_functions import LONGEST
from stacks.constructs.platform_function import ONE_PROCESSOR_MB, PlatformFunction
from stacks.constructs.platform_role import PlatformRole
from stacks.constructs.state_machine import PlatformStateMachine
from stacks.omissions import Omission

MACHINE = "import_file"


class FileImport(Construct):
    """The function, the machine, and the rule that starts it."""

    def __init__(self, scope: Construct, construct_id: str, *, fleet: Fleet, after: IDependable) -> None:
        """Makes them; `after` is what has to be in place before the first event."""
        super().__init__(scope, construct_id)
        self.function = PlatformFunction(
            # The machine has this name in the stack.
            self,
            MACHINE,
            fleet=fleet,
            description="Imports a dropped file, step by step: seals it, and gives its rows to intake.",
            memory_mb=ONE_PROCESSOR_MB,
            timeout=LONGEST,
            layers=("runtime", "lake", "privacy"),
        )
        machine = PlatformStateMachine(scope, MACHINE, fleet=fleet, functions=[self.function])
        role = PlatformRole(self, "events")
        role.allow("states:StartExecution", on=[machine.arn])
        field = events.EventField
        notice = {
            "key": field.from_path("$.detail.object.key"),
            "etag": field.from_path("$.detail.object.etag"),
            "time": field.time,
        }
        rule = events.Rule(
            self,
            "Dropped",
            description="Files of the drop zone",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [fleet.storage.lake.bucket_name]},
                    "object": {"key": [{"prefix": IMPORTS}]},
                },
            ),
            targets=[
                targets.SfnStateMachine(
                    machine.machine,
                    input=events.RuleTargetInput.from_object(notice),
                    role=role.without_policy_updates(),
                    dead_letter_queue=None
                    if fleet.settings.omits(Omission.TARGET_DEAD_LETTERS)
                    else fleet.failures,
                    max_event_age=Duration.hours(24),
                )
            ],
        )
        rule.node.add_dependency(after)
        CfnOutput(scope, "ImportFileMachine", value=machine.arn)
