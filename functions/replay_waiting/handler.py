"""Edge: replays the events that wait for a contract, after a deploy that changed contracts.

CloudFormation's call only queues the first task and is answered at once; the queue's calls do the work.
"""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger

from functions.replay_waiting.settings import Settings
from millrace.access.tenants import orgs
from millrace.core import clock
from millrace.core.aws import Lazy, client
from millrace.core.custom_resource import ANSWER_SECONDS, acknowledge
from millrace.core.edge import Event, Handler, edge, seconds_left
from millrace.core.log import logger
from millrace.core.table import Table
from millrace.intake.assemble import intake, quarantine
from millrace.intake.replay import Replayer
from millrace.intake.waiting import Task, of_tenants, replay_some
from millrace.intake.waiting_queue import TaskQueue

NAME = "replay_waiting"


def acknowledged(event: Event, call: Callable[[], None]) -> None:
    """CloudFormation is answered with success even if the call raises; for the queue, the task is delivered again."""
    if "RequestType" in event:
        acknowledge(event, call, logger(NAME).error)
    else:
        call()


@edge(NAME, Settings, around=acknowledged)
def handler(settings: Settings, log: Logger) -> Handler:
    """Queues a replay for CloudFormation, or does the queue's tasks; the queue gives a task up after some deliveries."""
    queue = TaskQueue(Lazy("sqs"), settings.waiting_queue_url)
    replays = Replayer(intake(settings, log.warning), quarantine(settings))

    def replay(event: Event, context: Any) -> None:
        if "RequestType" in event:
            queue.put([Task(str(event["RequestId"]), clock.now())])
            return
        for record in event["Records"]:
            task = Task.of_text(record["body"])
            tasks = tenants(task) if task.org is None else some(task, record, context)
            queue.put(tasks)
            log.info("task", extra={"org": task.org, "code": task.code, "queued": len(tasks)})

    def tenants(task: Task) -> list[Task]:
        bound = filter(None, settings.bound_orgs.split(","))
        return of_tenants(task, [*bound, *orgs(Table(client("dynamodb"), settings.metadata_table))])

    def some(task: Task, record: dict[str, Any], context: Any) -> list[Task]:
        left = replay_some(
            replays,
            task,
            delivery=int(record.get("attributes", {}).get("ApproximateReceiveCount", 1)),
            seconds_left=seconds_left(context, ANSWER_SECONDS),
            log=log.warning,
        )
        return [] if left is None else [left]

    return replay
