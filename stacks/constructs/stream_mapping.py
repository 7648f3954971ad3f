"""The mapping from a stream to a function, with the failure settings that every consumer here relies on."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from millrace.core.prefixes import FAILED_BATCHES
from stacks.constructs.alarms import alarm_on
from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import PlatformFunction
from stacks.omissions import Omission

BATCH_SIZE = 500
LAG_ALARM = Duration.minutes(15)


class StreamMapping(Construct):
    """Batches in order, from the oldest record on, retried until they pass or are too old.

    The consumer itself sets poison aside, so a batch that fails is one whose dependency fails: it comes back without a
    limit of attempts up to the age limit. It comes back in halves: what is too much at once for the function's time or
    memory is killed without an error, and would be retried unchanged for hours. A split uses up no attempt, and a
    consumer that is idempotent by event does not notice it. A function that hosts one consumer gives no partial answer; of several, one
    may fail that the others do not wait for, so the answer names the earliest record that is not finished.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        fleet: Fleet,
        function: PlatformFunction,
        source_arn: str,
        maximum_age: Duration,
        filters: Sequence[Mapping[str, Any]] | None = None,
        window: Duration | None = None,
        batch_size: int = BATCH_SIZE,
        partial_answers: bool = False,
    ) -> None:
        """Makes the mapping.

        Args:
            scope: the stack.
            construct_id: its name there.
            fleet: the stack's; its settings name what the environment leaves out.
            function: the consumer; it has the right to read the source.
            source_arn: a data stream or a table's stream.
            maximum_age: of a record; older ones go to the lake with their whole batch, below the prefix that Lambda chooses.
            filters: which records are delivered at all.
            window: how long a batch may wait for more records; without, it goes as it is read.
            batch_size: records in a batch, at most.
            partial_answers: whether the function's answer names the record from which the batch is to be retried.
        """
        super().__init__(scope, construct_id)
        lake = fleet.storage.lake
        keeps_failures = not fleet.settings.omits(Omission.STREAM_FAILURE_DESTINATIONS)
        if keeps_failures:
            function.role.allow("s3:ListBucket", on=[lake.bucket_arn])
            function.role.allow_objects(
                "s3:PutObject",
                bucket=lake,
                prefix=FAILED_BATCHES,
                reason="Lambda names the objects of failed batches by mapping, shard and moment, in this function's role.",
            )
        mapping = lambda_.EventSourceMapping(
            self,
            "Mapping",
            target=function.function,
            event_source_arn=source_arn,
            batch_size=batch_size,
            starting_position=lambda_.StartingPosition.TRIM_HORIZON,
            bisect_batch_on_error=True,
            report_batch_item_failures=partial_answers,
            parallelization_factor=1,
            max_record_age=maximum_age,
            filters=filters,
            max_batching_window=window,
        )
        resource = mapping.node.default_child
        if not isinstance(resource, lambda_.CfnEventSourceMapping):
            raise TypeError("an EventSourceMapping is made of one CfnEventSourceMapping")
        resource.maximum_retry_attempts = -1
        if keeps_failures:
            # Not S3OnFailureDestination: it would let the function read, write and delete in the whole bucket.
            resource.destination_config = lambda_.CfnEventSourceMapping.DestinationConfigProperty(
                on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(destination=lake.bucket_arn)
            )
        if fleet.alarms is not None:
            alarm_on(
                self,
                "Behind",
                metric=function.function.metric(
                    "IteratorAge", statistic="Maximum", period=Duration.minutes(5)
                ),
                threshold=LAG_ALARM.to_milliseconds(),
                description=f"{function.node.id} is behind its stream; batches that stay too long leave it unread.",
                runbook="behind",
                topic=fleet.alarms,
                periods=2,
            )
