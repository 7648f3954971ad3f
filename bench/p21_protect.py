"""P21: protecting people costs at most 1.6 times a request without, and only people that are not known cost calls.

A request of orders, with an address (four protected fields each) and without (the user's id only), of people whom the warm function
knows, its puts through boto3 with the network stubbed; the peer is the same request where nothing is classified and nobody
is named. Calls are counted at the network.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from bench import edge, sent
from bench.figure import Figure, ratio
from bench.stubs import Network
from millrace.core.edge import Handler
from millrace.intake.protect import Named, Protection
from tests.support import events as made

READ, WRITE = "dynamodb.BatchGetItem", "dynamodb.TransactWriteItems"
_UNSEEN = 250


def measure() -> list[Figure]:
    """The ratio for requests of 100 and of 500 orders, and the calls for people."""
    return [
        *(_cost(made.shipped_order, "protected fields", size) for size in (100, 500)),
        _cost(made.order, "users", 100),
        *_calls(),
    ]


def _cost(order: Callable[..., dict[str, Any]], what: str, size: int) -> Figure:
    rng = random.Random(size)  # noqa: S311  ids of a measurement
    orders = [order(eventId=made.new_id(rng), user=f"usr_{number}") for number in range(size)]
    request = edge.call(sent.body(orders))
    with _warm() as protecting, _warm(_Nothing) as without:
        measured = ratio(lambda: protecting(request, None), lambda: without(request, None))
    return Figure("P21", f"a request with {what} / without, {size} orders", measured, 1.6)


def _calls() -> Iterator[Figure]:
    network = Network()
    orders = [made.shipped_order(user=f"usr_{number}") for number in range(_UNSEEN)]
    again = [made.shipped_order(user=f"usr_{number}") for number in range(_UNSEEN)]
    with edge.post_events(network) as handler:
        handler(edge.call(sent.body([made.shipped_order(user="first")]), "cold"), None)
        for request, name, reads, writes in (
            (orders, "new", -(-_UNSEEN // 100), _UNSEEN),
            (again, "known", 0, 0),
        ):
            network.calls.clear()
            answer = handler(edge.call(sent.body(request), name), None)
            if answer["statusCode"] != 202:
                raise AssertionError(answer["body"][:500])
            yield Figure(
                "P21", f"reads of {_UNSEEN} {name} people beyond ⌈n/100⌉", network.calls[READ] - reads, 0
            )
            yield Figure(
                "P21", f"writes of {_UNSEEN} {name} people beyond one each", network.calls[WRITE] - writes, 0
            )


class _Nothing(Protection):
    """As if nothing were classified and nobody named."""

    def named(self, *_: object) -> Named:
        return Named(None, ())


@contextmanager
def _warm(protection: type[Protection] = Protection) -> Iterator[Handler]:
    with edge.post_events(Network()) as handler:
        # The handler wires itself at its first call.
        with patch("millrace.intake.accept.Protection", protection):
            handler(edge.call(sent.body([made.shipped_order()]), "cold"), None)
        yield handler
