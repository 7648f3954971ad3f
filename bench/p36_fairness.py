"""P36: a tenant that floods leaves another's latency within a tenth of what it is without the flood.

Ten copies of post_events, as a new AWS account runs at once, in virtual time: a request goes to any copy that is free, and waits where none is. Each is
answered by the real handler over stores that do nothing, with the rates of the settings, and takes the CPU time that one of its kind takes: the
quiet tenant's, one of the flood that is taken, one that is refused. The flood is ten times what the copies let through. What an account's other
functions take is not in it, nor what a request of one tenant leaves in a processor's caches for the next.
"""

import heapq
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from statistics import median, quantiles
from time import process_time
from typing import Any
from unittest.mock import patch

from bench import edge, sent
from bench.figure import Figure
from millrace.core.edge import Handler
from millrace.rates.buckets import Bucket, LocalBuckets

COPIES, SECONDS = 10, 1.0
# Requests a second and events in each: what the copies let through together are 20,000 events a second.
QUIET, FLOOD = (150, 10), (2000, 100)
# Seconds that a request takes, by tenant and status.
Service = Mapping[tuple[str, int], float]
RATE = {"EVENTS_PER_SECOND": "2000", "KEY_EVENTS_PER_SECOND": "2000"}


def measure() -> list[Figure]:
    """The quiet tenant's latency with the flood over that without."""
    both = [("quiet", *QUIET), ("flood", *FLOOD)]
    # What one request of each kind takes is the median of a run, so that a busy machine does not look like a flood.
    service = {kind: median(spent) for kind, spent in _run(both, {})["spent"].items()}
    service["quiet", 202] = median(_run(both[:1], {})["spent"]["quiet", 202])
    alone, flooded = _run(both[:1], service), _run(both, service)
    refused = flooded["refused"] / max(1, flooded["calls"])
    return [
        Figure(
            "P36",
            "latency of a quiet tenant, median, with a flood / without",
            _ratio(flooded, alone, 50),
            1.1,
        ),
        Figure("P36", "the same, 95th percentile", _ratio(flooded, alone, 95), 1.1),
        Figure("P36", "of the flood refused", refused, 0.5, at_least=True),
    ]


def _ratio(one: dict[str, Any], other: dict[str, Any], percent: int) -> float:
    return float(
        quantiles(one["seconds"], n=100)[percent - 1] / quantiles(other["seconds"], n=100)[percent - 1]
    )


def _run(tenants: list[tuple[str, int, int]], service: Service) -> dict[str, Any]:
    now = [0.0]
    with ExitStack() as stack:
        stack.enter_context(patch.dict(edge.ENVIRON, RATE))
        stack.enter_context(patch("millrace.api.guard.LocalBuckets", lambda: _empty(now)))
        handler = stack.enter_context(edge.post_events(None))
        copies = [handler.restarted() for _ in range(COPIES)]  # type: ignore[attr-defined]
        for copy in copies:
            copy(_request("quiet", QUIET[1]), None)
        return _play(tenants, copies, now, service)


def _empty(now: list[float]) -> LocalBuckets:
    """A copy's buckets, those of the flood emptied: full ones would let it through for ten seconds."""
    buckets = LocalBuckets(lambda: now[0])
    rate = float(RATE["EVENTS_PER_SECOND"])
    held = [Bucket(f"org_flood/events{key}", rate, 10 * rate) for key in ("", "/shop")]
    # Copies start at different moments, so their next tokens come at different ones.
    buckets.take(held, 10 * rate + _CHANCE.uniform(0, FLOOD[1]))
    return buckets


def _play(
    tenants: list[tuple[str, int, int]], copies: list[Handler], now: list[float], service: Service
) -> dict[str, Any]:
    spent: dict[tuple[str, int], list[float]] = defaultdict(list)
    said: dict[str, Any] = {"seconds": [], "calls": 0, "refused": 0, "spent": spent}
    free = [(0.0, number) for number in range(len(copies))]
    for at, tenant, events in _arrivals(tenants):
        ready, number = heapq.heappop(free)
        begins = now[0] = max(at, ready)
        request = _request(tenant, events)
        started = process_time()
        status = copies[number](request, None)["statusCode"]
        spent[tenant, status].append(process_time() - started)
        taken = service.get((tenant, status), 0.0)
        ends = begins + taken
        heapq.heappush(free, (ends, number))
        if tenant == "quiet":
            said["seconds"].append(ends - at)
        else:
            said["calls"] += 1
            said["refused"] += status == 429
    return said


def _arrivals(tenants: list[tuple[str, int, int]]) -> Iterator[tuple[float, str, int]]:
    chance = random.Random(7)  # noqa: S311  no secret
    moments = []
    for tenant, rate, events in tenants:
        at = chance.expovariate(rate)
        while at < SECONDS:
            moments.append((at, tenant, events))
            at += chance.expovariate(rate)
    return iter(sorted(moments))


_NUMBERS = count()
_CHANCE = random.Random(11)  # noqa: S311  no secret
_BODIES: dict[int, bytes] = {}


def _request(tenant: str, events: int) -> dict[str, Any]:
    body = _BODIES.setdefault(events, sent.body(sent.copies(events, 1)))
    request = edge.call(body, f"{tenant}-{next(_NUMBERS)}")
    request["requestContext"]["authorizer"]["lambda"]["org"] = f"org_{tenant}"
    return request
