"""Edge: a deploy has brought other contracts, so the events that waited for one are sent through intake again.

CloudFormation's call only queues the first task and is answered at once; the queue's calls do the work.
"""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.replay_waiting.settings import Settings
from millrace.access.credentials import orgs
from millrace.core import clock
from millrace.core.aws import Lazy, client
from millrace.core.custom_resource import ANSWER_SECONDS, acknowledge
from millrace.core.log import logger
from millrace.intake.assemble import intake, quarantine
from millrace.intake.replay import Replayer
from millrace.intake.waiting import Task, of_tenants, replay_some
from millrace.intake.waiting_queue import TaskQueue

NAME = "replay_waiting"


def handler(event: dict[str, Any], context: Any) -> None:
    """Queues a replay for CloudFormation, or does one task of the queue."""
    if "RequestType" in event:
        acknowledge(event, lambda: _begin(event), logger(NAME).error)
        return
    for record in event["Records"]:
        _do(record, context)


def _begin(event: dict[str, Any]) -> None:
    _queue().put([Task(str(event["RequestId"]), clock.now())])


def _do(record: dict[str, Any], context: Any) -> None:
    """What raises brings the task back; the queue ends that after some deliveries."""
    task = Task.of_text(record["body"])
    if task.org is None:
        bound = filter(None, _settings().bound_orgs.split(","))
        tasks = of_tenants(task, [*bound, *orgs(client("dynamodb"), _settings().metadata_table)])
    else:
        left = replay_some(
            _replayer(),
            task,
            delivery=int(record.get("attributes", {}).get("ApproximateReceiveCount", 1)),
            seconds_left=lambda: context.get_remaining_time_in_millis() / 1000 - ANSWER_SECONDS,
            log=_log().warning,
        )
        tasks = [left] if left is not None else []
    _queue().put(tasks)
    _log().info("task", extra={"org": task.org, "code": task.code, "queued": len(tasks)})


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


@cache
def _queue() -> TaskQueue:
    return TaskQueue(Lazy("sqs"), _settings().waiting_queue_url)


@cache
def _replayer() -> Replayer:
    return Replayer(intake(_settings(), _log().warning), quarantine(_settings()))
