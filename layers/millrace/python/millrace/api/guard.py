"""What stands before every call of a known caller: its rates, and a line of the audit where it may not make the call."""

from collections.abc import Callable

from millrace.api.denials import Denials
from millrace.core.aws import client
from millrace.core.http import Problem, Request
from millrace.core.settings import FunctionSettings
from millrace.core.table import Table
from millrace.core.uses import METADATA, uses
from millrace.rates.buckets import Buckets, LocalBuckets
from millrace.rates.rates import Rates
from millrace.rates.tenant_limits import Limits, TenantLimits
from millrace.rates.valkey_buckets import connected

EVENTS = "POST /v1/events"


class RatedSettings(FunctionSettings):
    """How much a tenant and a credential may ask of one warm copy a second, unless the tenant's own limits say otherwise.

    With `rate_limit_url`, the address of a Valkey server, it is what they may ask of all copies together.
    """

    metadata_table: str = uses(METADATA, "get")
    events_per_second: float = 2000
    key_events_per_second: float = 2000
    requests_per_second: float = 500
    key_requests_per_second: float = 250
    rate_limit_url: str = ""


class GuardedSettings(RatedSettings):
    """Of every function behind the authorizer: it is written down whom it denied what."""

    metadata_table: str = uses(METADATA, "put", "query")


class Guard:
    """Looks at calls before they are answered."""

    def __init__(self, rates: Rates, denials: Denials) -> None:
        self.rates, self._denials = rates, denials

    def admit(self, request: Request, route: str) -> dict[str, str]:
        """Counts a call; returns headers of its answer.

        Raises:
            Problem: 429, its tenant or its credential asks for too much.
        """
        # Events are counted one by one, once they are read.
        if request.caller is None or route == EVENTS:
            return {}
        return self.rates.take_request(request.caller, route)

    def denied(self, request: Request, problem: Problem) -> None:
        """Is told of a call that its caller may not make."""
        if request.caller is not None:
            self._denials(request, problem)


def rates(settings: RatedSettings, log: Callable[[str], None]) -> Rates:
    """The rates of these settings."""
    defaults = Limits(
        settings.events_per_second,
        settings.key_events_per_second,
        settings.requests_per_second,
        settings.key_requests_per_second,
    )
    buckets: Buckets = LocalBuckets()
    if settings.rate_limit_url:
        buckets = connected(settings.rate_limit_url, log, buckets)
    return Rates(buckets, TenantLimits(Table(client("dynamodb"), settings.metadata_table), defaults).of)


def guard(settings: GuardedSettings, log: Callable[[str], None]) -> Guard:
    """The guard of these settings."""
    return Guard(rates(settings, log), Denials(Table(client("dynamodb"), settings.metadata_table)))
