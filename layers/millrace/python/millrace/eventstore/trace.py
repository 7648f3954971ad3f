"""Where an event is: each step with its moment, from the rows that the steps themselves have left."""

from collections.abc import Callable
from typing import Any

from millrace import __version__
from millrace.contracts import columns
from millrace.contracts.contract import Contract
from millrace.core import clock
from millrace.eventstore import receipts, silver
from millrace.eventstore.reader import EventReader
from millrace.eventstore.row import StoredEvent

Step = dict[str, Any]


class Tracer:
    """Traces events of a tenant through the platform."""

    def __init__(
        self,
        reader: EventReader,
        dynamodb: Any,
        metadata_table: str,
        contract_of: Callable[[str], Contract],
        decision_id: Callable[[StoredEvent], str | None] = lambda _: None,
    ) -> None:
        """`decision_id` gives the id of the fraud decision on an event; None for one that is not judged."""
        self._reader, self._dynamodb, self._table = reader, dynamodb, metadata_table
        self._contract_of, self._decision_id = contract_of, decision_id

    def trace(self, event: StoredEvent) -> dict[str, Any]:
        """`{"eventId", "status", "steps"}`: `complete` when every step that its contract asks for is done.

        Raises:
            MillraceError: a table did not answer.
        """
        platform = event.envelope["platform"]
        contract = self._contract_of(platform["contract"])
        accepted = {
            "requestId": platform["requestId"],
            "contract": platform["contract"],
            "source": event.envelope["eventSource"],
        }
        steps = [_step("accepted", platform["receivedAt"], __version__, accepted)]
        expected = {"accepted", "archived"}
        if event.envelope.get("userId") or event.envelope.get("sessionId"):
            expected.add("projected")
            pointer = self._reader.pointer(event)
            if pointer is not None:
                detail = {"userKey": pointer["userKey"]["S"], "sortKey": pointer["sortKey"]["S"]}
                steps.append(_step("projected", pointer["projectedAt"]["S"], __version__, detail))
        archived = self._of_log(event, "archived", receipts.MANIFEST)
        steps.extend(archived)
        if contract.route:
            expected.add("routed")
            steps.extend(self._of_log(event, "routed", receipts.ROUTED))
        decision = self._decision_id(event)
        if decision is not None:
            expected.add("scored")
            steps.extend(self._scored(event, decision))
        # By the schedule of the pipeline, so nothing waits for it.
        for step in archived:
            steps.extend(self._in_silver(event, contract, step["detail"].get("object")))
        done = {step["step"] for step in steps} >= expected
        return {"eventId": event.event_id, "status": "complete" if done else "pending", "steps": steps}

    def _scored(self, event: StoredEvent, decision_id: str) -> list[Step]:
        found = self._reader.get(event.org, decision_id)
        # Only what the platform itself derived from this event is its decision.
        if found is None or found.envelope["platform"].get("derivedFrom") != event.event_id:
            return []
        made = found.envelope["data"]["payload"]
        detail = {"eventId": found.event_id, "riskClass": made["riskClass"], "score": made["score"]}
        return [_step("scored", made["decidedAt"], made["rulesVersion"], detail)]

    def _in_silver(self, event: StoredEvent, contract: Contract, key: str | None) -> list[Step]:
        if key is None:
            return []
        table = f"silver.{columns.table(contract)}"
        item = silver.find(self._dynamodb, self._table, event.org, event.day, table, key, event.event_id)
        if item is None:
            return []
        detail = {
            "table": table,
            "runId": item["runId"]["S"],
            "contract": item["contract"]["S"],
            # As text: 64 bits are more than a number holds in JavaScript.
            "snapshot": item["snapshot"]["N"] if "snapshot" in item else None,
        }
        return [_step("in_silver", item["at"]["S"], item["version"]["S"], detail)]

    def _of_log(self, event: StoredEvent, step: str, kind: str) -> list[Step]:
        since = clock.parse(event.envelope["platform"]["receivedAt"])
        item = receipts.find(self._dynamodb, self._table, event.org, kind, event.day, event.event_id, since)
        if item is None:
            return []
        detail: dict[str, Any] = {"rows": int(item["rows"]["N"])}
        if "object" in item:
            detail["object"] = item["object"]["S"]
        return [_step(step, item["at"]["S"], item["version"]["S"], detail)]


def _step(name: str, at: str, version: str, detail: dict[str, Any]) -> Step:
    return {"step": name, "at": at, "version": version, "detail": detail}
