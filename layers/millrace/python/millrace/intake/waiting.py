"""Events that waited for a contract: replayed by themselves when a deploy has brought others.

A deploy only says that there are other contracts. The work is a chain of tasks for each tenant and code, each a message
of a queue: it replays some, a few bodies at a time, and leaves the next one. So no tenant can hold up a deploy
or another tenant, and a task whose function was killed is delivered again and skips the event that did it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.intake.enrich import Origin
from millrace.intake.replay import Replayer
from millrace.quarantine.entry import KEPT_DAYS
from millrace.quarantine.store import Filter

CODES = ("unknown_type", "unknown_version")
PRINCIPAL = "deploy"
# Bodies held at once: of 256 KB each, parsed, they take some 100 MB.
EVENTS_AT_ONCE = 10
# What one round of a replay may take; a new one is not begun with less time left.
ROUND_SECONDS = 20.0
# A task that comes for the second time takes one event and ends; from this time on it leaves out that one.
LEAVES_OUT_AT = 4


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be replayed of one tenant and code; without a tenant, of all.

    Attributes:
        request_id: of the deploy.
        until: when the deploy was; what is refused later is refused by its contracts.
        org: the tenant.
        code: why the events were refused.
        after: the quarantine id that the task before ended with.
    """

    request_id: str
    until: datetime
    org: str | None = None
    code: str | None = None
    after: str | None = None

    def to_text(self) -> str:
        """As a message."""
        return orjson.dumps(
            {
                "requestId": self.request_id,
                "until": clock.utc_text(self.until),
                "org": self.org,
                "code": self.code,
                "after": self.after,
            }
        ).decode()

    @classmethod
    def of_text(cls, text: str) -> "Task":
        """The task of a message.

        Raises:
            PermanentError: it is none.
        """
        try:
            document: Mapping[str, Any] = orjson.loads(text)
            return cls(
                document["requestId"],
                clock.parse(document["until"]),
                document["org"],
                document["code"],
                document["after"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise PermanentError(f"no task of a replay: {type(error).__name__}: {error}") from error


def of_tenants(task: Task, orgs: Iterable[str]) -> list[Task]:
    """The first tasks of all tenants, code by code, so that no tenant's second comes before another's first."""
    known = sorted(set(orgs))
    return [replace(task, org=org, code=code) for code in CODES for org in known]


def replay_some(
    replayer: Replayer,
    task: Task,
    *,
    delivery: int,
    seconds_left: Callable[[], float],
    log: Callable[[str], None],
) -> Task | None:
    """Replays some of what a task names, newest first; what is left, if anything is.

    Each round leaves an audit row of its tenant. What was replayed before is answered as a duplicate, so a task that was
    cut off may be done again.

    Args:
        replayer: of refused events.
        task: of a tenant.
        delivery: how many times the task has been handed over, this time included.
        seconds_left: of the invocation.
        log: takes a line.

    Raises:
        MillraceError: a store did not answer; the task is to be handed over again.
    """
    if task.org is None or task.code is None:
        raise PermanentError("a task without a tenant replays nothing")
    while True:
        wanted = Filter(task.until - timedelta(days=KEPT_DAYS), task.until, code=task.code, after=task.after)
        if delivery >= LEAVES_OUT_AT:
            return _left_out(replayer, task, wanted, log)
        origin = Origin(
            task.org, PRINCIPAL, f"{task.request_id}#{task.code}#{task.after}", clock.now(), kind="replay"
        )
        most = EVENTS_AT_ONCE if delivery == 1 else 1
        done = replayer.replay(wanted, [], origin, dry_run=False, most=most)
        if done["after"] is None:
            return None
        task = replace(task, after=done["after"])
        if delivery > 1 or seconds_left() < ROUND_SECONDS:
            return task


def _left_out(replayer: Replayer, task: Task, wanted: Filter, log: Callable[[str], None]) -> Task | None:
    """The task behind the event that it fails at, whose body is not read; the event stays in quarantine, open."""
    assert task.org is not None  # noqa: S101  the caller has looked
    refused = next(replayer.quarantine.find(task.org, replace(wanted, status="open")), None)
    if refused is None:
        return None
    name = refused["quarantineId"]
    log(f"{task.org}: {name} is left out: its replay did not end {LEAVES_OUT_AT - 1} times")
    return replace(task, after=name)
