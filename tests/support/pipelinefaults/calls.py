"""The AWS calls of the states of a run: recorded, and chosen ones made to go wrong."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

from botocore import loaders, session
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from tests.support.faultpoints.calls import THROTTLE, Fault, Point
from tests.support.state_machine import Call, Killed
from tests.support.state_values import TaskError

INVOKE = "lambda.Invoke"
# A kill before a call is a kill after the one before it; for an invoke they are two.
FAULTS = (Fault.BEFORE, Fault.AFTER, Fault.THROTTLED, Fault.KILLED_AFTER)


class Calls:
    """Records the calls of a run's states; with `arm`, some of them go wrong once.

    After a kill nothing more of that run reaches AWS: what is still unwound, and threads that are left, are dead too.
    """

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.struck: set[Point] = set()
        self._armed: dict[Point, Fault] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._state: str | None = None
        # By state: a state that starts a nested execution waits for the states of that.
        self._faults: dict[str, Fault | None] = {}
        self._dead = False
        self._lock = threading.Lock()

    def arm(self, faults: Mapping[Point, Fault] | None = None) -> None:
        """Starts a new recording, in which those points go wrong."""
        self.points, self.struck, self._armed = [], set(), dict(faults or {})
        self._counts.clear()
        self.revive()

    def revive(self) -> None:
        """Another process takes over from one that was killed."""
        self._dead, self._state = False, None

    @contextmanager
    def installed(self) -> Iterator["Calls"]:
        """Watches every client of boto3, those that exist already too."""
        real = BaseClient._make_api_call

        def watched(client: Any, operation: str, params: Any) -> Any:
            return self._call(real, client, operation, params)

        # Each invocation makes clients of its own; what boto3 knows of the services is read once.
        loader = cache(loaders.create_loader)
        with (
            patch.object(BaseClient, "_make_api_call", watched),
            patch.object(session, "create_loader", loader),
        ):
            yield self

    def invoke(self, call: Call) -> None:
        """The hook of the state machine: the invoke itself may go wrong, and calls made from now on are the state's."""
        if call.when == "after":
            self._state = None
            self._after(self._faults[call.state])
            return
        self._faults[call.state] = fault = self._reached(call.state, INVOKE)
        match fault:
            case Fault.BEFORE:
                raise TaskError("Lambda.ServiceException", "as ordered")
            case Fault.THROTTLED:
                raise TaskError("Lambda.TooManyRequestsException", "as ordered")
            case Fault.KILLED_BEFORE:
                self._kill()
        self._state = call.state

    def failed(self) -> None:
        """The function of the state ended by an exception."""
        self._state = None

    def _call(self, real: Any, client: Any, operation: str, params: Any) -> Any:
        if self._dead:
            raise Killed
        if self._state is None:
            return real(client, operation, params)
        service = client.meta.service_model.service_name
        fault = self._reached(self._state, f"{service}.{operation}")
        match fault:
            case Fault.BEFORE:
                raise _error("InternalServerError", operation)
            case Fault.THROTTLED:
                raise _error(THROTTLE.get(service, "ThrottlingException"), operation)
            case Fault.KILLED_BEFORE:
                self._kill()
        answer = real(client, operation, params)
        match fault:
            case Fault.AFTER:
                raise _error("InternalServerError", operation)
            case Fault.KILLED_AFTER:
                self._kill()
        return answer

    def _after(self, fault: Fault | None) -> None:
        match fault:
            case Fault.AFTER:
                raise TaskError("Lambda.Unknown", "as ordered")
            case Fault.KILLED_AFTER:
                self._kill()

    def _reached(self, state: str, call: str) -> Fault | None:
        with self._lock:
            point = Point(state, call, self._counts[(state, call)])
            self._counts[(state, call)] += 1
            self.points.append(point)
            fault = self._armed.get(point)
            if fault is not None:
                self.struck.add(point)
        return fault

    def _kill(self) -> None:
        self._dead = True
        raise Killed


def _error(code: str, operation: str) -> ClientError:
    said = {"Error": {"Code": code, "Message": "as ordered"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
    return ClientError(said, operation)
