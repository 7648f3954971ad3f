"""A source of changes over a real server and stores in memory, for tests: an intake that remembers, kills at each step."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson

from millrace.cdc.database import Session
from millrace.cdc.postgres import connect
from millrace.cdc.reader import LEASE_SECONDS, Reader, Report, Source
from millrace.cdc.states import States
from millrace.core.table import Table
from millrace.eventstore.append import AppendResult
from millrace.intake.enrich import Origin
from millrace.intake.parse import Candidate
from tests.support.postgres import Database
from tests.support.stores import MemoryDynamoDB

ORG = "org_acme"
METADATA = "Metadata"


class Killed(BaseException):
    """The process has ended here: no `except` of the platform's own may see it."""


@dataclass
class _Result:
    outcome: AppendResult


@dataclass
class Remembering:
    """Intake's answers by id, and what it was given; `refuses` says which events are refused."""

    refuses: Callable[[dict[str, Any]], bool] = lambda _: False
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: set[tuple[str, int, datetime]] = field(default_factory=set)
    calls: int = 0
    unavailable: int = 0

    def accept(self, candidates: Sequence[Candidate], origin: Origin) -> list[_Result]:
        """As intake does."""
        self.calls += 1
        results = []
        for number, candidate in enumerate(candidates):
            event = candidate.event
            known = self.events.get(event["eventId"])
            if self.refuses(event):
                outcome = AppendResult.REJECTED
                self.refused.add((origin.request_id, candidate.index, origin.received_at))
            elif self.unavailable and number == len(candidates) // 2:
                self.unavailable -= 1
                outcome = AppendResult.UNAVAILABLE
            elif known is None:
                self.events[event["eventId"]] = event
                outcome = AppendResult.ACCEPTED
            else:
                outcome = AppendResult.DUPLICATE if known == event else AppendResult.CONFLICT
            results.append(_Result(outcome))
        return results

    def payloads(self) -> list[dict[str, Any]]:
        """Of all events, in the order in which they came."""
        return [event["data"]["payload"] for event in self.events.values()]

    def operations(self) -> Counter[str]:
        """How many of each."""
        return Counter(payload["operation"] for payload in self.payloads())


class Steps:
    """Ends the process at the n-th step: before or after a write of the state, a statement, or a call of intake."""

    def __init__(self, at: int) -> None:
        self.at, self.seen = at, 0

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """The work with a step before and one behind it."""

        def call(*arguments: Any, **named: Any) -> Any:
            self._step()
            answer = work(*arguments, **named)
            self._step()
            return answer

        return call

    def _step(self) -> None:
        self.seen += 1
        # A process that has ended does nothing more, neither in a `finally`.
        if self.at and self.seen >= self.at:
            raise Killed


class ChangeSource:
    """A source `shop` of publication `millrace`; `run` reads it as an invocation does."""

    def __init__(self, database: Database, *, chunk: int = 3) -> None:
        self.database = database
        self.source = Source(ORG, "shop", f"millrace_{database.name}", "millrace", chunk)
        self.dynamodb = MemoryDynamoDB()
        self.states = States(Table(self.dynamodb, METADATA))
        self.intake = Remembering()
        self.now = datetime.now(UTC)
        self.has_contract: Callable[[str], bool] = lambda _: True
        self._owners = count(1)

    def connect(self) -> Session:
        """A session of the superuser."""
        return connect(
            host=str(self.database.server.folder),
            port=5432,
            database=self.database.name,
            user="postgres",
            passwords=(),
            encrypted=False,
        )

    def run(self, *, steps: Steps | None = None, seconds: Callable[[], float] = lambda: 600.0) -> Report:
        """One run; with steps it may end by `Killed`, and then its session is cut off."""
        sessions: list[Session] = []
        steps = steps or Steps(0)

        def opened() -> Session:
            session = self.connect()
            sessions.append(session)
            return _Stepping(session, steps)

        reader = Reader(
            self.source,
            opened,
            _stepping_states(self.states, steps),
            _SteppingIntake(self.intake, steps),
            self.has_contract,
            lambda: self.now,
        )
        try:
            return reader.run(f"run-{next(self._owners)}", seconds)
        finally:
            for session in sessions:
                session.close()

    def later(self) -> None:
        """When the lease of a killed run is over."""
        self.now += timedelta(seconds=LEASE_SECONDS + 1)

    def state_of(self, table: str) -> dict[Any, dict[str, Any]]:
        """The rows of a table by their column `id`, as its events say: the highest place holds."""
        rows: dict[Any, dict[str, Any]] = {}
        kind = f"public.{table}.changed"
        payloads = [e["data"]["payload"] for e in self.intake.events.values() if e["eventType"] == kind]
        for one in sorted(payloads, key=lambda one: (one["lsn"], one["index"])):
            before, after = one.get("before"), one.get("after")
            if one["operation"] == "truncate":
                rows = {}
                continue
            old = rows.pop((before or after)["id"], {})
            if after is not None:
                kept = {name: old[name] for name in one.get("unchanged", ()) if name in old}
                rows[after["id"]] = {**kept, **after}
        return rows


class _Stepping:
    def __init__(self, session: Session, steps: Steps) -> None:
        self.run, self.close = steps.around(session.run), session.close


class _SteppingIntake:
    def __init__(self, intake: Remembering, steps: Steps) -> None:
        self.accept = steps.around(intake.accept)


def _stepping_states(states: States, steps: Steps) -> States:
    if not steps.at:
        return states
    metadata = states._metadata

    class _Table(Table):
        def update(self, *arguments: Any, **named: Any) -> bool:
            return bool(steps.around(metadata.update)(*arguments, **named))

        def get(self, *arguments: Any, **named: Any) -> Any:
            return steps.around(metadata.get)(*arguments, **named)

    return States(_Table(metadata._dynamodb, metadata.name))


def texts(rows: Sequence[Any]) -> str:
    """Rows as JSON, to be compared."""
    return orjson.dumps(list(rows)).decode()
