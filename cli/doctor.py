"""The checks of `millrace doctor` besides the canary's journey: stores, queues, dead letters, tiles, the last run."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from cli import account, assumptions, counting, lag
from cli.errors import RefusedError
from cli.output import counted
from cli.runs import OUTPUTS, failure_sentences
from cli.target import Target, stacks
from millrace.canary.assemble import journey
from millrace.canary.events import canary_events
from millrace.canary.journey import Call, PathCheck, Status
from millrace.core.errors import MillraceError
from millrace.core.objects import Objects
from millrace.core.prefixes import DEAD_LETTERS, FAILED_BATCHES
from millrace.core.table import Table
from millrace.eventstore import consumers

# At most so many objects are counted.
COUNTED = 1000
# The hourly run comes at five past; after this long without one it is late.
RUN_HOURS = 2
# As long as the alarm of the archive waits.
LATE_MINUTES = 15
# The newest execution that has ended is searched among so many.
LISTED = 20
# Errors of one check, which must not prevent the others.
EXPECTED_ERRORS = (ClientError, BotoCoreError, MillraceError, RefusedError, KeyError)

Finding = tuple[Status, str]


class Doctor:
    """Checks one deployed platform. Each check is bounded, and one that fails does not prevent the others."""

    def __init__(self, target: Target, seconds: float) -> None:
        """`seconds`: how long events may take to arrive."""
        self._target = target
        self._journey = journey(
            Table(target.client("dynamodb"), target.output("MetadataTable")),
            target.client("events"),
            api_url=target.api_url,
            event_bus=target.output("EventBus"),
            seconds=seconds,
            timer=time.monotonic,
            sleep=time.sleep,
            name="millrace doctor",
        )

    def checks(self, progress: Callable[[str], None]) -> Iterator[PathCheck]:
        """Yields each check when it is complete; `progress` receives the name of the next."""
        progress("an event down every path")
        at = datetime.now(UTC)
        yield from self._journey.travel(
            canary_events(f"doctor-{at:%Y%m%dT%H%M%SZ}", at, lambda: str(uuid4())), at
        )
        for path, look in (
            ("capture", self._capture),
            ("dead-letters", self._dead_letters),
            ("failed-batches", self._failed_batches),
            ("failed-invocations", self._failed_invocations),
            ("catalog", self._catalog),
            ("tiles", self._tiles),
            ("timers", self._timers),
            ("silver", self._silver),
            ("lag", self._lag),
            *self._of_aws(),
        ):
            progress(path)
            yield _timed(path, look)

    def _of_aws(self) -> Iterator[tuple[str, Callable[[], Finding]]]:
        """What no emulator can show: the account, who is told of alarms, and Glue's optimizers."""
        if self._target.env == "local":
            return
        from stacks.environment import environment_named

        settings = environment_named(self._target.env)
        yield from account.Account(self._target.client, settings).checks().items()
        if settings.alarms:
            topic = self._target.output("AlarmTopic")
            yield "alarm-contacts", lambda: account.subscriptions(self._target.client, topic)
        if settings.lakehouse.optimizers:
            yield "optimizers", self._optimizers
        yield "athena", lambda: assumptions.athena_reads(self._target.client, settings.name)
        machine = self._target.output(OUTPUTS["hourly_etl"])
        yield "retries", lambda: assumptions.retries_are_numbered(self._target.client, machine)

    def _optimizers(self) -> Finding:
        """Whether Glue's optimizers of every table work; maintenance takes over the tables of those that do not."""
        from millrace.iceberg import glue_tables, tables
        from millrace.iceberg.optimizers import OptimizerRuns

        glue = self._target.client("glue")
        catalog = tables.catalog(self._target.env, self._target.output("LakeBucket"))
        runs = OptimizerRuns(glue, catalog, self._target.client("sts").get_caller_identity()["Account"])
        failed = []
        for name in sorted(glue_tables.locations(glue, self._target.env)):
            opened = tables.open_table(catalog, name)
            if opened is not None and (kinds := runs.failed(opened)):
                failed.append(f"{', '.join(kinds)} of {name}")
        return ("fail", "; ".join(failed)) if failed else ("ok", "")

    def _lag(self) -> Finding:
        """What waits between acceptance and silver. It fails where nobody knows, or what waits should have come long ago."""
        now = datetime.now(UTC)
        behind = lag.read(self._target, now)
        sentences = behind.sentences(now)
        late = behind.late(now, archive=timedelta(minutes=LATE_MINUTES), silver=timedelta(hours=RUN_HOURS))
        # Locally a run comes when someone asks for it.
        late -= {"silver"} if self._target.env == "local" else set()
        return ("fail" if late else "ok"), "; ".join(sentences) or "everything that was accepted is in silver"

    @property
    def _call(self) -> Call:
        return self._journey.call

    @property
    def _lake(self) -> Objects:
        return Objects(self._target.client("s3"), self._target.output("LakeBucket"))

    def _capture(self) -> Finding:
        table = self._target.output("EventsTable")
        answer = self._target.client("dynamodb").describe_kinesis_streaming_destination(TableName=table)
        states = [one["DestinationStatus"] for one in answer.get("KinesisDataStreamDestinations", [])]
        if "ACTIVE" in states:
            return "ok", ""
        return (
            "fail",
            f"{table} is not captured by a stream ({', '.join(states) or 'no destination'}); deploy again",
        )

    def _dead_letters(self) -> Finding:
        keys, more = self._below(DEAD_LETTERS)
        by_consumer = Counter(key.removeprefix(DEAD_LETTERS).partition("/")[0] for key in keys)
        if not by_consumer:
            return "ok", ""
        counts = ", ".join(f"{count} of {name}" for name, count in sorted(by_consumer.items()))
        commands = [
            f"millrace redrive {one.name} --dead-letters"
            for one in consumers.CONSUMERS
            if one.name in by_consumer
        ]
        return "fail", "; ".join((f"{counts}{' or more' if more else ''}", *commands))

    def _failed_batches(self) -> Finding:
        keys, more = self._below(FAILED_BATCHES)
        if not keys:
            return "ok", ""
        count = f"{len(keys)} or more objects" if more else counted(len(keys), "object")
        return "fail", f"{count} below {FAILED_BATCHES}; millrace redrive FUNCTION"

    def _below(self, prefix: str) -> tuple[list[str], bool]:
        """The first keys below a prefix of the lake, and whether there are more."""
        keys = [listed.key for listed in self._lake.list_objects(prefix, most=COUNTED + 1)]
        return keys[:COUNTED], len(keys) > COUNTED

    def _failed_invocations(self) -> Finding:
        sqs, waiting = self._target.client("sqs"), []
        for url in self._queues():
            answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
            if number := int(answer["Attributes"]["ApproximateNumberOfMessages"]):
                waiting.append(f"{number} in {url.rsplit('/', 1)[-1]}")
        return ("fail", ", ".join(waiting)) if waiting else ("ok", "")

    def _queues(self) -> Iterator[str]:
        """Queues of failed work: asynchronous invocations, the feeder, subscribers."""
        pages = self._target.client("cloudformation").get_paginator("list_stack_resources")
        for stack in stacks(self._target):
            for page in pages.paginate(StackName=stack["name"]):
                for resource in page["StackResourceSummaries"]:
                    name = resource["LogicalResourceId"]
                    if resource["ResourceType"] == "AWS::SQS::Queue" and (
                        "FailedInvocations" in name or "DeadLetters" in name
                    ):
                        yield str(resource["PhysicalResourceId"])

    def _catalog(self) -> Finding:
        status, document = self._call("GET", "/v1/datasets?limit=1", None)
        if status == 200 and isinstance(document, dict) and document.get("items"):
            return "ok", ""
        return "fail", f"GET /v1/datasets answered {status}"

    def _tiles(self) -> Finding:
        found = counting.read(self._target, datetime.now(UTC))
        return ("fail" if found.tiles_late else "ok"), found.tiles

    def _timers(self) -> Finding:
        found = counting.read(self._target, datetime.now(UTC))
        return ("fail" if found.overdue > counting.TIMERS_LATE else "ok"), found.timers

    def _silver(self) -> Finding:
        """The result of the pipeline run that ended last, and its age."""
        from millrace.runs.store import RunStore

        machine = self._target.output(OUTPUTS["hourly_etl"])
        # The newest by start come first.
        listed = self._target.client("stepfunctions").list_executions(
            stateMachineArn=machine, maxResults=LISTED
        )
        ended_runs = [one for one in listed["executions"] if "stopDate" in one]
        if not ended_runs:
            return "skipped", "no run of the pipeline yet; millrace etl starts one"
        ended = max(ended_runs, key=lambda one: one["stopDate"])
        summary = RunStore(self._lake).summary(ended["name"])
        status = summary.status if summary else str(ended["status"]).lower()
        if status != "done":
            failures = failure_sentences(summary.failures if summary else (), shown=3)
            return "fail", f"{ended['name']} ended {status}: {'; '.join(failures) or 'it left no summary'}"
        age = datetime.now(UTC) - ended["stopDate"]
        if self._target.env != "local" and age > timedelta(hours=RUN_HOURS):
            return "fail", f"the last run ended {age.total_seconds() / 3600:.1f} hours ago"
        return "ok", f"the last run, {ended['name']}, ended {lag.duration(age)} ago"


def _timed(path: str, look: Callable[[], Finding]) -> PathCheck:
    started = time.monotonic()
    try:
        status, detail = look()
    except EXPECTED_ERRORS as error:
        status, detail = "fail", f"{type(error).__name__}: {error}"
    return PathCheck(path, status, round((time.monotonic() - started) * 1000), detail)
