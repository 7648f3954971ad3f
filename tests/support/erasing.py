"""Requests of people on the platform in process: asked for through the API, carried out by the machine of its file."""

import json
from types import SimpleNamespace
from typing import Any

from tests.support.machines import machine
from tests.support.platform import ACME, Platform, called
from tests.support.state_machine import Execution, Hook

PATIENT = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)


class Requests:
    """Asks, and has the machine carry out what was started."""

    def __init__(self, running: Platform, hook: Hook | None = None) -> None:
        self.running = running
        self._seen = {one["name"] for one in self._executions()}
        self.machine = machine(
            "erase_subject",
            {"EraseSubject": lambda given: running.invoke("erase_subject", given, PATIENT)},
            values={"CacheSeconds": "60"},
            hook=hook,
        )

    def ask(self, route: str, *, org: str = ACME, body: Any = None, **given: Any) -> dict[str, Any]:
        """Calls `change_subjects`: `ask("DELETE /v1/subjects/{id}", id=…)`."""
        return called(self.running, route, "change_subjects", org=org, body=body, **given)

    def carry_out(self) -> list[Execution]:
        """Runs each execution that was started and has not been run, with the input that it was given."""
        done = []
        for one in reversed(self._executions()):
            if one["name"] not in self._seen:
                self._seen.add(one["name"])
                given = self.running.states.describe_execution(executionArn=one["executionArn"])["input"]
                done.append(self.machine.run(one["name"], json.loads(given)))
                self.running.states.stop_execution(executionArn=one["executionArn"])
        return done

    def _executions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.running.states.list_executions(
            stateMachineArn=self.running.erasing
        )["executions"]
        return found

    def erased(self, user: str, *, org: str = ACME) -> dict[str, Any]:
        """Erases a person, and returns what the API then says of it."""
        assert self.ask("DELETE /v1/subjects/{id}", org=org, id=user)["status"] == 202
        (execution,) = self.carry_out()
        assert execution.status == "SUCCEEDED", execution.cause
        body: dict[str, Any] = self.ask("GET /v1/subjects/{id}/erasure", org=org, id=user)["body"]
        return body
