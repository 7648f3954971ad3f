"""The AWS calls of functions in process: recorded, and chosen ones made to go wrong."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import boto3
from botocore.exceptions import ClientError, ReadTimeoutError

from millrace.core import aws
from tests.support.faultpoints.partly import PARTIAL, drop_some, report_dropped
from tests.support.mappings import Crash

THROTTLE = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "kinesis": "ProvisionedThroughputExceededException",
    "s3": "SlowDown",
}
_POINT = "millrace_point"
_DROPPED = "millrace_dropped"


class Fault(StrEnum):
    """What happens to a call. What the SDK does by itself has happened by then, but for `REPEATED`."""

    BEFORE = "fails before taking effect"
    AFTER = "fails after taking effect"
    THROTTLED = "throttled"
    TIMED_OUT = "times out, having taken effect"
    REPEATED = "answer lost, the SDK sends it again"
    PARTLY = "taken in part"
    KILLED_BEFORE = "killed before it"
    KILLED_AFTER = "killed after it"


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """The n-th time, from 0, that a function makes a call."""

    function: str
    call: str
    occurrence: int

    def __str__(self) -> str:
        return f"{self.function} {self.call} #{self.occurrence}"


class Calls:
    """Records the calls of functions that run inside `of`; with `arm`, some of them go wrong once.

    A killed function makes no further call: its clients are dead, threads that it left behind included. `killed` is
    called then, so that whoever runs the functions puts fresh ones in their place.
    """

    def __init__(self, killed: Callable[[], None] = lambda: None) -> None:
        self.killed = killed
        self.points: list[Point] = []
        self.struck: set[Point] = set()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._armed: dict[Point, Fault] = {}
        self._function: str | None = None
        self._generation = 0
        self._lock = threading.Lock()

    def arm(self, faults: Mapping[Point, Fault] | None = None) -> None:
        """Starts a new recording, in which those points go wrong."""
        self.points, self.struck = [], set()
        self._counts.clear()
        self._armed = dict(faults or {})

    @contextmanager
    def installed(self) -> Iterator["Calls"]:
        """Clients that functions make from now on are watched."""
        aws.client.cache_clear()
        with patch.object(aws, "boto3", SimpleNamespace(client=self._client)):
            yield self
        aws.client.cache_clear()

    @contextmanager
    def of(self, function: str) -> Iterator[None]:
        """Calls made inside are that function's."""
        self._function = function
        try:
            yield
        except Crash:
            # Nothing of the killed process goes on, and nothing of it is warm.
            self._generation += 1
            aws.client.cache_clear()
            self.killed()
            raise
        finally:
            self._function = None

    def _client(self, service: str, **given: Any) -> Any:
        client = boto3.client(service, **given)
        generation = self._generation

        def first(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
            self._begin(service, model.name, generation, params, context)

        def before(context: dict[str, Any], model: Any, **_: Any) -> None:
            self._before(service, model.name, context)

        def after(parsed: dict[str, Any], context: dict[str, Any], model: Any, **_: Any) -> None:
            self._after(service, model.name, parsed, context)

        events = client.meta.events
        events.register_first("before-parameter-build", first)
        events.register_first("before-call", before)
        events.register_last("after-call", after)
        events.register_first("needs-retry", self._again)
        return client

    def _begin(
        self, service: str, operation: str, generation: int, params: dict[str, Any], context: dict[str, Any]
    ) -> None:
        if generation < self._generation:
            raise Crash
        if self._function is None:
            return
        call = f"{service}.{operation}"
        with self._lock:
            point = Point(self._function, call, self._counts[(self._function, call)])
            self._counts[(self._function, call)] += 1
            self.points.append(point)
            if point in self._armed:
                context[_POINT] = self._armed[point]
                self.struck.add(point)
        if context.get(_POINT) is Fault.PARTLY:
            context[_DROPPED] = drop_some(operation, params)

    def _before(self, service: str, operation: str, context: dict[str, Any]) -> None:
        match context.get(_POINT):
            case Fault.BEFORE:
                raise _error("InternalServerError", operation)
            case Fault.THROTTLED:
                raise _error(THROTTLE.get(service, "ThrottlingException"), operation)
            case Fault.KILLED_BEFORE:
                raise self._kill()

    def _after(self, service: str, operation: str, parsed: dict[str, Any], context: dict[str, Any]) -> None:
        match context.get(_POINT):
            case Fault.AFTER:
                raise _error("InternalServerError", operation)
            case Fault.TIMED_OUT:
                raise ReadTimeoutError(endpoint_url=f"https://{service}")
            case Fault.KILLED_AFTER:
                raise self._kill()
            case Fault.PARTLY:
                report_dropped(operation, parsed, context[_DROPPED])

    def _again(self, attempts: int, request_dict: dict[str, Any], **_: Any) -> int | None:
        """Seconds until the SDK sends the request again, or None for its own judgement."""
        lost = request_dict["context"].get(_POINT) is Fault.REPEATED and attempts == 1
        return 0 if lost else None

    def _kill(self) -> Crash:
        self._generation += 1
        return Crash()


def applies(point: Point, fault: Fault) -> bool:
    """Whether a call can fail in that way: only some answer for a part of what was asked."""
    return fault is not Fault.PARTLY or point.call.partition(".")[2] in PARTIAL


def _error(code: str, operation: str) -> ClientError:
    said = {"Error": {"Code": code, "Message": "as ordered"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
    return ClientError(said, operation)
