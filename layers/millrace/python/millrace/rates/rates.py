"""Calls counted against the rates of a tenant and of one of its credentials, and what an answer says of them.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` says what may be asked for in a window, `RateLimit` what is
left of it (`r`) and in how many seconds it is all there again (`t`).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from millrace.core.http import Caller, Problem
from millrace.rates.buckets import Bucket, Buckets, Taken
from millrace.rates.tenant_limits import Limits

# What a bucket holds: so much may come at once after a pause.
BURST_SECONDS = 10
# Of a call what it costs; all others cost 1.
COSTS: Mapping[str, float] = MappingProxyType(
    {
        "GET /v1/analytics/{metric}": 5,
        "GET /v1/audit": 5,
        "GET /v1/events/story": 5,
        "POST /v1/predict/batch": 10,
        "POST /v1/quarantine/discard": 20,
        "POST /v1/quarantine/replay": 20,
        "POST /v1/query": 20,
        "POST /v1/schemas/check": 20,
        "POST /v1/subjects/{id}/export": 20,
    }
)
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is counted.

    Attributes:
        name: the plural that sentences and buckets call it by.
        limits: of a tenant and of a credential, a second.
        burst: seconds whose share a bucket holds: so much may come at once after a pause.
        policies: what headers call the policies of a tenant and of a credential.
    """

    name: str
    limits: Callable[[Limits], tuple[float, float]]
    burst: int = BURST_SECONDS
    policies: tuple[str, str] = ("tenant", "key")


EVENTS = _Unit("events", lambda limits: (limits.events, limits.key_events))
REQUESTS = _Unit("requests", lambda limits: (limits.requests, limits.key_requests))
# Turned back to values: few at a time, whatever else a tenant may ask.
TOKENS_A_SECOND, TOKENS_BURST_SECONDS = 5.0, 60
# Names of their own: calls are counted besides, and a caller has to see which of the two refused.
TOKENS = _Unit(
    "tokens",
    lambda _: (TOKENS_A_SECOND, TOKENS_A_SECOND),
    TOKENS_BURST_SECONDS,
    ("tenant-tokens", "key-tokens"),
)


class Rates:
    """Counts calls."""

    def __init__(self, buckets: Buckets, limits: Callable[[str], Limits]) -> None:
        """`limits`: of a tenant."""
        self._buckets, self._limits = buckets, limits

    def take_events(self, caller: Caller, events: int) -> dict[str, str]:
        """Counts the events of a request, one at least; returns headers of its answer.

        Raises:
            Problem: 429, with the seconds after which it is worth another try in `retry-after`.
        """
        return self._take(EVENTS, caller, max(1, events))

    def take_request(self, caller: Caller, route: str) -> dict[str, str]:
        """Counts a call of a route by what it costs; as `take_events`."""
        return self._take(REQUESTS, caller, COSTS.get(route, 1))

    def take_tokens(self, caller: Caller, tokens: int) -> dict[str, str]:
        """Counts tokens that are turned back to values; as `take_events`."""
        return self._take(TOKENS, caller, tokens)

    def _take(self, unit: _Unit, caller: Caller, cost: float) -> dict[str, str]:
        of_tenant, of_key = unit.limits(self._limits(caller.org))
        prefix = f"{caller.org}/{unit.name}"
        tenant, key = unit.policies
        buckets = {
            tenant: Bucket(prefix, of_tenant, of_tenant * unit.burst),
            key: Bucket(f"{prefix}/{caller.id or caller.principal}", of_key, of_key * unit.burst),
        }
        taken = self._buckets.take(list(buckets.values()), cost)
        headers = _headers(buckets, taken, unit.burst)
        if taken.given:
            return headers
        short = {
            name: wait
            for (name, one), left in zip(buckets.items(), taken.tokens, strict=True)
            if (wait := one.wait(left, cost))
        }
        wait = max(1, math.ceil(max(short.values())))
        who = "tenant" if tenant in short else "credential"
        rate = of_tenant if tenant in short else of_key
        kind: dict[str, Any] = {"type": QUOTA_EXCEEDED, "violated-policies": sorted(short)}
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"more than {rate:g} {unit.name} a second of this {who}: try again in {wait} s",
            headers={"retry-after": str(wait), **headers},
            **kind,
        )


def _headers(buckets: Mapping[str, Bucket], taken: Taken, window: int) -> dict[str, str]:
    policies, left = [], []
    for (name, one), tokens in zip(buckets.items(), taken.tokens, strict=True):
        policies.append(f'"{name}";q={int(one.size)};w={window}')
        full = math.ceil((one.size - tokens) / one.per_second)
        left.append(f'"{name}";r={max(0, int(tokens))};t={full}')
    return {"ratelimit-policy": ", ".join(policies), "ratelimit": ", ".join(left)}
