"""P4: everything intake does besides boto3 costs at most 0.15 of the CPU of the boto3 calls it makes.

Ours is the handler, answer and log line included, over clients whose calls do nothing. The peer is the same puts
through boto3 with the network stubbed, one after the other in one thread, where boto3 is cheapest.
"""

from typing import Any

from bench import edge, sent
from bench.figure import Figure, ratio
from bench.stubs import Network
from millrace.core import aws


class _Collecting(edge.Nothing):
    def __init__(self) -> None:
        self.puts: list[dict[str, Any]] = []

    def put_item(self, **call: Any) -> dict[str, Any]:
        self.puts.append(call)
        return {}


def measure() -> list[Figure]:
    """Both for a request of 100 and of 500 events."""
    figures = []
    for size in (100, 500):
        request = edge.call(sent.body(sent.events(size)))
        puts = _puts(request)
        aws.client.cache_clear()
        dynamodb = Network().attach(aws.client("dynamodb"))

        def boto3_calls(puts: list[dict[str, Any]] = puts, dynamodb: Any = dynamodb) -> None:
            for put in puts:
                dynamodb.put_item(**put)

        with edge.post_events(None) as handler:
            measured = ratio(lambda: handler(request, None), boto3_calls)  # noqa: B023  called at once
        figures.append(Figure("P4", f"intake besides boto3 / its boto3 calls, {size} events", measured, 0.15))
    return figures


def _puts(request: dict[str, Any]) -> list[dict[str, Any]]:
    collecting = _Collecting()
    with edge.post_events(None, collecting) as handler:
        answer = handler(request, None)
    if answer["statusCode"] != 202:
        raise AssertionError(answer["body"][:500])
    return collecting.puts
