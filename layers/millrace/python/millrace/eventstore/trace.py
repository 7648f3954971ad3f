"""Where an event is: each step with its moment, from the rows that the steps themselves have left."""

from collections.abc import Callable
from typing import Any, Protocol

from millrace import __version__
from millrace.contracts import columns
from millrace.contracts.contract import Contract
from millrace.core import clock
from millrace.core.table import Table
from millrace.eventstore import consumers, receipts, silver
from millrace.eventstore.consumers import ConsumerSpec, ReceiptKind
from millrace.eventstore.reader import EventReader
from millrace.eventstore.row import StoredEvent

Step = dict[str, Any]


class Counted(Protocol):
    """When an event was counted, in which minute of receipt, and the row that says so."""

    @property
    def at(self) -> str: ...

    @property
    def minute(self) -> str: ...

    @property
    def row(self) -> str: ...


class Tracer:
    """Traces events of a tenant through the platform."""

    def __init__(
        self,
        reader: EventReader,
        metadata: Table,
        contract_of: Callable[[str], Contract],
        decision_id: Callable[[StoredEvent], str | None],
        counted: Callable[[StoredEvent], Counted | None] = lambda _: None,
    ) -> None:
        """Makes no call.

        Args:
            reader: of events.
            metadata: the table with receipts.
            contract_of: gives the contract of a reference as events carry it.
            decision_id: gives the id of the fraud decision on an event; None for one that fraud does not score.
            counted: gives the fact by which an event counts in aggregates; None where there is none.
        """
        self._reader, self._metadata = reader, metadata
        self._contract_of, self._decision_id, self._counted = contract_of, decision_id, counted

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
        expected = {"accepted"}
        owned = bool(event.envelope.get("userId") or event.envelope.get("sessionId"))
        for consumer in consumers.CONSUMERS:
            if consumer.step and consumer.expects(contract, owned=owned):
                # Facts are there for some days only, so no trace waits for them.
                if consumer.receipt is not ReceiptKind.FACT:
                    expected.add(consumer.step)
                steps.extend(self._of_consumer(consumer, event))
        # Silver follows the schedule of the pipeline, so no trace waits for it.
        archived = next((one for one in steps if one["step"] == consumers.ARCHIVE.step), None)
        if archived is not None:
            steps.extend(self._in_silver(event, contract, archived["detail"].get("object")))
        done = {step["step"] for step in steps} >= expected
        return {"eventId": event.event_id, "status": "complete" if done else "pending", "steps": steps}

    def _of_consumer(self, consumer: ConsumerSpec, event: StoredEvent) -> list[Step]:
        """The consumer's step, by the receipt that it leaves; none as long as it has left none."""
        match consumer.receipt:
            case ReceiptKind.POINTER:
                return self._projected(consumer.step, event)
            case ReceiptKind.BATCH:
                return self._of_batch(consumer, event)
            case ReceiptKind.DERIVED:
                return self._scored(consumer.step, event)
            case ReceiptKind.FACT:
                return self._counted_step(consumer.step, event)
            case ReceiptKind.NONE:
                return []

    def _counted_step(self, step: str, event: StoredEvent) -> list[Step]:
        fact = self._counted(event)
        if fact is None:
            return []
        return [_step(step, fact.at, __version__, {"minute": fact.minute, "row": fact.row})]

    def _projected(self, step: str, event: StoredEvent) -> list[Step]:
        pointer = self._reader.pointer(event)
        if pointer is None:
            return []
        detail = {"userKey": pointer["userKey"]["S"], "sortKey": pointer["sortKey"]["S"]}
        return [_step(step, pointer["projectedAt"]["S"], __version__, detail)]

    def _scored(self, step: str, event: StoredEvent) -> list[Step]:
        decision_id = self._decision_id(event)
        decision = None if decision_id is None else self._reader.get(event.org, decision_id)
        # Only what the platform itself derived from this event is its decision.
        if decision is None or decision.envelope["platform"].get("derivedFrom") != event.event_id:
            return []
        made = decision.envelope["data"]["payload"]
        detail = {"eventId": decision.event_id, "riskClass": made["riskClass"], "score": made["score"]}
        return [_step(step, made["decidedAt"], made["rulesVersion"], detail)]

    def _in_silver(self, event: StoredEvent, contract: Contract, key: str | None) -> list[Step]:
        if key is None:
            return []
        table = f"silver.{columns.table(contract)}"
        item = silver.find(self._metadata, event.org, event.day, table, key, event.event_id)
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

    def _of_batch(self, consumer: ConsumerSpec, event: StoredEvent) -> list[Step]:
        since = clock.parse(event.envelope["platform"]["receivedAt"])
        item = receipts.find(self._metadata, event.org, consumer.kind, event.day, event.event_id, since)
        if item is None:
            return []
        detail: dict[str, Any] = {"rows": int(item["rows"]["N"])}
        if "object" in item:
            detail["object"] = item["object"]["S"]
        return [_step(consumer.step, item["at"]["S"], item["version"]["S"], detail)]


def _step(name: str, at: str, version: str, detail: dict[str, Any]) -> Step:
    return {"step": name, "at": at, "version": version, "detail": detail}
