"""The handler of a function that reads a stream: its consumers, each with dead letters of its own in the lake."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger

from millrace.contracts import registry
from millrace.contracts.errors import UnknownType
from millrace.contracts.registry import Registry
from millrace.core.aws import client
from millrace.core.consumer import Consumer, Delivery, LakeDeadLetters
from millrace.core.edge import Event, Handler
from millrace.core.host import Host
from millrace.core.objects import Objects
from millrace.eventstore import consumers
from millrace.eventstore.row import body_size

Handle = Callable[[Sequence[Delivery]], None]
Settled = Callable[[str, str, datetime], object]


def batches(
    handles: Mapping[str, Handle], bucket: str, log: Logger, settled: Settled | None = None
) -> Handler:
    """Answers the batches of one event source mapping.

    A function with one consumer raises if a store does not answer, and the batch is delivered again. One that hosts several
    answers with the record from which on the batch is delivered again.

    Args:
        handles: what is done with a batch, by the consumer's name.
        bucket: the lake's.
        log: of the function.
        settled: of a function with one consumer: takes shard, sequence number and arrival of a batch's last record, once it is
            handled.
    """
    lake, contracts = Objects(client("s3"), bucket), registry.load()
    handles = {name: _described(handle, contracts) for name, handle in handles.items()}
    if len(handles) == 1:
        ((name, handle),) = handles.items()
        consumer = Consumer(handle, LakeDeadLetters(lake, name), log.error, body_size, settled=settled)

        def consume(event: Event, _: object) -> None:
            log.info("batch", extra=asdict(consumer.consume(event)))

        return consume
    host = Host({name: _hosted(name, handle, lake, log) for name, handle in handles.items()}, log.error)

    def consume_all(event: Event, _: object) -> dict[str, Any]:
        hosted = host.consume(event)
        # A line for each consumer: the alarm on dead letters adds up `dead` of each line.
        for name, consumed in hosted.consumed.items():
            log.info("batch", extra={"consumer": name, **asdict(consumed)})
        return hosted.answer

    return consume_all


def _described(handle: Handle, contracts: Registry) -> Handle:
    """`handle` for events whose type has a contract here: without one, nobody could say what is to be done with them."""

    def checked(deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            event_type = delivery.item.get("eventType", {}).get("S")
            if event_type and not contracts.majors(event_type):
                raise UnknownType(f"no contract describes {event_type}")
        handle(deliveries)

    return checked


def _hosted(name: str, handle: Handle, lake: Objects, log: Logger) -> Consumer:
    (spec,) = (one for one in consumers.CONSUMERS if one.name == name)
    return Consumer(handle, LakeDeadLetters(lake, name), log.error, body_size, spec.event_types)
