"""The queue of tasks of a replay."""

from collections.abc import Sequence
from typing import Any

from millrace.core.aws import calling
from millrace.core.errors import RetryableError
from millrace.intake.waiting import Task

TASKS_PER_CALL = 10


class TaskQueue:
    """Puts tasks behind those that are waiting."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs, self._url = sqs, url

    def put(self, tasks: Sequence[Task]) -> None:
        """Queues tasks; one that is queued twice is done twice, which changes nothing.

        Raises:
            MillraceError: not all are queued.
        """
        for start in range(0, len(tasks), TASKS_PER_CALL):
            entries = [
                {"Id": str(number), "MessageBody": task.to_text()}
                for number, task in enumerate(tasks[start : start + TASKS_PER_CALL])
            ]
            with calling("queue replay"):
                answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
            if failed := answer.get("Failed"):
                raise RetryableError(f"queue replay: {len(failed)} of {len(entries)} are not queued")
