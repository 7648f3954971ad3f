"""Sends canary events and waits, within bounds, until each of them is everywhere it should be."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from millrace.canary.events import EVENT_TYPE, CanaryEvents
from millrace.core import clock
from millrace.core.errors import MillraceError
from millrace.eventstore import consumers

Status = Literal["ok", "fail", "skipped"]
Call = Callable[[str, str, Any], tuple[int, Any]]
"""Method, path with its query, body → status of the answer and its document. Status 0: there was no answer.

The body is a document, or one that is to be sent compressed (`Gzip`).
"""

PAUSE_SECONDS = 0.5
EXPECTED = ("accepted", "accepted", "accepted", "rejected")
ACCEPTED = (200, 202, 207)
# The aggregate in which canaries are counted: all events by type.
WINDOWS = "/v1/analytics/events_by_type"


@dataclass(frozen=True, slots=True)
class Gzip:
    """A body that is sent compressed; the gateway has to pass it to the function as base64."""

    body: Any


def steps() -> dict[str, dict[str, str]]:
    """Canary event → path that it proves → step of its trace by which it does: acceptance and each consumer."""
    proven = {"canary": {"table": "accepted"}, "transaction": dict[str, str]()}
    for consumer in consumers.checked():
        proven[consumer.check_event][consumer.check] = consumer.step
    return proven


def paths() -> tuple[str, ...]:
    """Every path that is waited for once the events are sent."""
    return (
        *(path for proven in steps().values() for path in proven),
        "gzip",
        "log-only",
        "quarantine",
        "reads",
        "bus",
    )


@dataclass(frozen=True, slots=True)
class PathCheck:
    """The result of a path. `ms`: from sending to the first sight of the event; None where it was not seen."""

    path: str
    status: Status
    ms: int | None = None
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """`{"path", "status", "ms"}`, with a detail where there is something to say."""
        document: dict[str, Any] = {"path": self.path, "status": self.status, "ms": self.ms}
        return {**document, "detail": self.detail} if self.detail else document


@dataclass(slots=True)
class Journey:
    """The check of one set of canary events.

    Attributes:
        call: the HTTP API, with a key of the canaries' tenant.
        archived: whether the manifest names an event id of a UTC day that was received at a moment.
        publish: puts an event on the bus; None where no binding brings it in.
        seconds: how long to wait for all of it together.
        timer: seconds that only go forward.
        sleep: pauses for seconds.
    """

    call: Call
    archived: Callable[[str, str, datetime], bool]
    publish: Callable[[dict[str, Any]], None] | None
    seconds: float
    timer: Callable[[], float]
    sleep: Callable[[float], object]
    _started: float = 0.0
    _counted_before: int | None = None
    _seen: dict[str, PathCheck] = field(default_factory=dict)

    def travel(self, sent: CanaryEvents, at: datetime) -> list[PathCheck]:
        """A check for `http` and for each path; raises nothing, whatever state the platform is in."""
        self._counted_before = self._counted(sent)
        self._started, self._seen = self.timer(), {}
        status, document = self.call("POST", "/v1/events", sent.posted)
        results = document.get("results", []) if isinstance(document, dict) else []
        statuses = tuple(result.get("status") for result in results)
        if status not in ACCEPTED or statuses != EXPECTED:
            answer = ", ".join(str(one) for one in statuses) or _said(document)
            first = PathCheck("http", "fail", self._ms(), f"{status}: {answer}")
            return [first, *(PathCheck(path, "skipped", detail="nothing was sent") for path in paths())]
        self._arrived("http")
        self._post_again_compressed(sent.canary)
        if self.publish is None:
            self._seen["bus"] = PathCheck("bus", "skipped", detail="no binding brings it in")
        else:
            self._publish(sent.over_bus)
        self._await(sent, at, str(results[3].get("quarantineId")))
        return [
            self._seen.get(path) or PathCheck(path, "fail", detail=self._late())
            for path in ("http", *paths())
        ]

    def _post_again_compressed(self, event: dict[str, Any]) -> None:
        status, document = self.call("POST", "/v1/events", Gzip([event]))
        results = document.get("results", []) if isinstance(document, dict) else []
        if [result.get("status") for result in results] == ["duplicate"]:
            self._arrived("gzip")
        else:
            detail = f"the same event compressed is not a duplicate; {status}: {_said(document)}"
            self._seen["gzip"] = PathCheck("gzip", "fail", detail=detail)

    def _publish(self, event: dict[str, Any]) -> None:
        try:
            if self.publish is not None:
                self.publish(event)
        except MillraceError as error:
            self._seen["bus"] = PathCheck("bus", "fail", detail=str(error))

    def _await(self, sent: CanaryEvents, at: datetime, quarantine_id: str) -> None:
        while True:
            self._look(sent, at, quarantine_id)
            if len(self._seen) == 1 + len(paths()) or self.timer() - self._started >= self.seconds:
                return
            self.sleep(PAUSE_SECONDS)

    def _look(self, sent: CanaryEvents, at: datetime, quarantine_id: str) -> None:
        """One round over what has not been seen yet."""
        for name, proven in steps().items():
            if any(path not in self._seen for path in proven):
                done = self._steps(getattr(sent, name)["eventId"])
                for path, step in proven.items():
                    # What is counted has to be in its window as well.
                    if step in done and (path != consumers.COUNTER.check or self._is_in_window(sent)):
                        self._arrived(path)
        if "log-only" not in self._seen:
            day = clock.day_text(at)
            if self._is_archived(sent.logged["eventId"], day, at):
                self._arrived("log-only")
        self._ask("quarantine", f"/v1/quarantine/{quarantine_id}", "eventId", sent.broken["eventId"])
        self._ask("bus", f"/v1/events/{sent.over_bus['eventId']}", "eventId", sent.over_bus["eventId"])
        if "reads" not in self._seen:
            since = sent.canary["timestamp"]
            status, document = self.call(
                "GET", f"/v1/events?eventType={EVENT_TYPE}&from={since}&limit=50", None
            )
            listed = document.get("items", []) if status == 200 and isinstance(document, dict) else []
            if any(item.get("eventId") == sent.canary["eventId"] for item in listed):
                self._arrived("reads")

    def _is_in_window(self, sent: CanaryEvents) -> bool:
        before, now = self._counted_before, self._counted(sent)
        return before is not None and now is not None and now > before

    def _counted(self, sent: CanaryEvents) -> int | None:
        """Canaries in the window of this one; None where it cannot be read."""
        second = clock.parse(sent.canary["timestamp"]).replace(microsecond=0)
        since, until = clock.utc_text(second), clock.utc_text(second + timedelta(seconds=1))
        address = f"{WINDOWS}?by.type={EVENT_TYPE}&window=5m&from={since}&to={until}"
        status, document = self.call("GET", address, None)
        if status != 200 or not isinstance(document, dict):
            return None
        return sum(int(item["events"]) for item in document["items"])

    def _ask(self, path: str, address: str, name: str, value: str) -> None:
        if path in self._seen:
            return
        status, document = self.call("GET", address, None)
        if status == 200 and isinstance(document, dict) and document.get(name) == value:
            self._arrived(path)

    def _is_archived(self, event_id: str, day: str, at: datetime) -> bool:
        try:
            return self.archived(event_id, day, at)
        except MillraceError:
            return False

    def _steps(self, event_id: str) -> set[str]:
        status, document = self.call("GET", f"/v1/events/{event_id}/trace", None)
        if status != 200 or not isinstance(document, dict):
            return set()
        return {step["step"] for step in document["steps"]}

    def _arrived(self, path: str) -> None:
        self._seen.setdefault(path, PathCheck(path, "ok", self._ms()))

    def _ms(self) -> int:
        return round((self.timer() - self._started) * 1000)

    def _late(self) -> str:
        return f"not seen within {self.seconds:g} s"


def _said(document: Any) -> str:
    """What an answer says, for people: the sentence of a problem, or the statuses of its results."""
    if isinstance(document, dict):
        if results := document.get("results"):
            return ", ".join(str(one.get("status")) for one in results)
        if sentence := document.get("detail") or document.get("title") or document.get("message"):
            return str(sentence)[:200]
        return "an answer without a reason"
    return str(document or "no answer")[:200]
