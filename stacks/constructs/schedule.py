"""A schedule that calls a function: EventBridge Scheduler, with a role of its own."""

from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import PlatformFunction
from stacks.constructs.platform_role import PlatformRole
from stacks.omissions import Omission

# A run that could not be started within the hour is the next one's.
MAXIMUM_AGE_SECONDS = 3600
RETRIES = 10


class Schedule(Construct):
    """Calls a function at its times, UTC, with a fixed input."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        fleet: Fleet,
        expression: str,
        description: str,
        function: PlatformFunction,
        payload: str,
    ) -> None:
        """Makes the schedule.

        Args:
            scope: the stack.
            construct_id: its name there.
            fleet: the stack's; its queue for failures takes calls that were refused to the end.
            expression: Scheduler's, such as `cron(5 * * * ? *)`.
            description: what it is for.
            function: what it calls.
            payload: with what, as JSON.
        """
        super().__init__(scope, construct_id)
        role = PlatformRole(self, "scheduler")
        role.allow("lambda:InvokeFunction", on=[function.function.function_arn])
        dead_letters = None
        if not fleet.settings.omits(Omission.TARGET_DEAD_LETTERS):
            role.allow("sqs:SendMessage", on=[fleet.failures.queue_arn])
            dead_letters = scheduler.CfnSchedule.DeadLetterConfigProperty(arn=fleet.failures.queue_arn)
        scheduler.CfnSchedule(
            self,
            "Schedule",
            description=description,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            schedule_expression=expression,
            schedule_expression_timezone="UTC",
            state="ENABLED",
            target=scheduler.CfnSchedule.TargetProperty(
                arn=function.function.function_arn,
                role_arn=role.role_arn,
                input=payload,
                dead_letter_config=dead_letters,
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=MAXIMUM_AGE_SECONDS, maximum_retry_attempts=RETRIES
                ),
            ),
        )
