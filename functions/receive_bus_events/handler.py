"""Edge: events that EventBridge brought into the feeder's queue."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from functions.receive_bus_events.settings import Settings
from millrace.core import clock
from millrace.core.edge import Event, Handler, edge
from millrace.core.errors import RetryableError
from millrace.eventstore.append import AppendResult
from millrace.intake import refusals
from millrace.intake.assemble import intake
from millrace.intake.bus import read_message


@edge("receive_bus_events", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Accepts a batch; only the messages that could not be stored are delivered again."""
    events = intake(settings, log.warning)

    def receive(record: dict[str, Any]) -> None:
        """A refused event is done, for it is in quarantine; an unavailable store sends the message back to the queue."""
        # When it was sent, not when it is delivered: a second delivery is the same request, also in quarantine.
        sent = record.get("attributes", {}).get("SentTimestamp")
        received_at = clock.from_epoch_millis(int(sent)) if sent else clock.now()
        candidate, origin = read_message(record["body"], record["messageId"], received_at)
        (result,) = events.accept([candidate], origin)
        refusals.emit_metrics([result], settings.environment)
        if result.outcome is AppendResult.UNAVAILABLE:
            raise RetryableError("a store did not answer")

    def receive_batch(event: Event, _: object) -> dict[str, Any]:
        processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
        answer = process_partial_response(event, receive, processor, context=None)
        failed = len(answer["batchItemFailures"])
        log.info("batch", extra={"messages": len(event["Records"]), "failed": failed})
        return dict(answer)

    return receive_batch
