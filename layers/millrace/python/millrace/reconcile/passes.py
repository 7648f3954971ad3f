"""A pass over tenants and days: those that were compared longest ago first, as many as time suffices for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from millrace.access.tenants import orgs
from millrace.aggregates import registry as aggregates
from millrace.contracts.registry import Registry
from millrace.core.objects import Objects
from millrace.core.prefixes import PROCESSED, RAW_EVENTS, RECONCILE
from millrace.core.settings import FunctionSettings
from millrace.core.table import Table
from millrace.core.uses import ANALYTICS, CATALOG, EVENTS, LAKE, LOG, METADATA, USER_EVENTS, rights, uses
from millrace.eventstore.append_to_log import LogAppender
from millrace.eventstore.codec import Codec
from millrace.eventstore.consumers import compared
from millrace.eventstore.projection import Projection
from millrace.feeders import binding
from millrace.reconcile import request, sources
from millrace.reconcile.check import HourCheck, SilverIds
from millrace.reconcile.differences import Differences
from millrace.reconcile.raw import RawCache, RawObjects
from millrace.reconcile.repair import Repairs
from millrace.reconcile.report import HourResult, PassReport
from millrace.reconcile.request import Window
from millrace.reconcile.results import ResultStore
from millrace.reconcile.stores import INDEX, SetAside
from millrace.reconcile.tiles import TileCheck

# What must be left of an invocation for one more tenant's day to be begun.
NEEDED_SECONDS = 180.0
TABLE_ATTEMPTS = 6
Unit = tuple[str, Window]


class ReconcileSettings(FunctionSettings):
    """The stores that are compared, and the log that repairs go through.

    `bound_orgs`: tenants that have a binding and perhaps no credential, separated by commas.
    """

    also_uses = rights(CATALOG, read=("silver",))

    events_table: str = uses(EVENTS, "batch_get", query=(INDEX,))
    type_shards: int = 1
    user_events_table: str = uses(USER_EVENTS, "batch_get", "write_all")
    analytics_table: str = uses(ANALYTICS, "batch_get", "update")
    metadata_table: str = uses(METADATA, "batch_get", "query", "delete", "write_all")
    lake_bucket: str = uses(
        LAKE,
        "list",
        read=(RAW_EVENTS, PROCESSED, RECONCILE, *(consumer.dead_letters for consumer in compared())),
        write=(RECONCILE,),
    )
    event_stream_arn: str = uses(LOG, "put")
    bound_orgs: str = ""


class Checking(Protocol):
    """Compares a tenant's hours."""

    def run(self, org: str, window: Window, now: datetime, *, full: bool = False) -> list[HourResult]:
        """The results of the hours; what could be repaired is."""
        ...


def day_check(
    dynamodb: Any,
    s3: Any,
    kinesis: Any,
    registry: Registry,
    silver: SilverIds,
    settings: ReconcileSettings,
    warn: Callable[[str], None],
) -> HourCheck:
    """What compares a tenant's hours of a day, with the ways by which it repairs."""
    events, user_events, metadata, analytics = (
        Table(dynamodb, name, attempts=TABLE_ATTEMPTS)
        for name in (
            settings.events_table,
            settings.user_events_table,
            settings.metadata_table,
            settings.analytics_table,
        )
    )
    lake, results = Objects(s3, settings.lake_bucket), ResultStore(metadata)
    codec = Codec(registry.dictionary)
    repairs = Repairs(
        metadata,
        LogAppender(kinesis, settings.event_stream_arn, warn),
        Projection(user_events, codec, registry.of_ref),
        warn,
    )
    set_aside = SetAside(lake, metadata)
    differences = Differences(registry, set_aside, results, repairs, events=events, user_events=user_events)
    return HourCheck(
        registry,
        RawObjects(lake, registry),
        RawCache(lake),
        silver,
        results,
        differences,
        repairs,
        TileCheck(analytics, aggregates.load()),
        events=events,
        user_events=user_events,
        metadata=metadata,
        type_shards=settings.type_shards,
    )


def reconcile(
    event: Mapping[str, Any],
    now: datetime,
    check: Checking,
    dynamodb: Any,
    settings: ReconcileSettings,
    seconds_left: Callable[[], float],
    warn: Callable[[str], None],
) -> PassReport:
    """The pass that the function's event asks for.

    Raises:
        PermanentError: the event is not a request.
        MillraceError: the tenants or the results of earlier passes could not be read.
    """
    wanted = request.parse(event, now)
    tenants = wanted.orgs or request.tenants(
        orgs(Table(dynamodb, settings.metadata_table)), settings.bound_orgs
    )
    chosen = units(tenants, wanted.windows)
    if wanted.oldest_check_first:
        chosen = oldest_check_first(
            chosen, ResultStore(Table(dynamodb, settings.metadata_table)), wanted.before
        )
    report = run(check, chosen, now, seconds_left, NEEDED_SECONDS, full=wanted.full, warn=warn)
    known = [one for one in binding.load(settings.environment) if one.org in tenants]
    metadata = Table(dynamodb, settings.metadata_table)
    # Of a daily pass the hourly ones have told; and it would read weeks.
    windows = wanted.windows if event.get("pass") != "daily" else ()
    report.sources = sources.seen(known, windows, metadata, now, warn)
    return report


def units(tenants: Iterable[str], windows: Sequence[Window]) -> list[Unit]:
    """Every window of every tenant."""
    return [(org, window) for window in windows for org in sorted(set(tenants))]


def oldest_check_first(wanted: Sequence[Unit], results: ResultStore, before: str = "") -> list[Unit]:
    """In the order in which they were compared last, so that the next pass begins with what this one leaves.

    Args:
        wanted: windows of tenants.
        results: of earlier passes.
        before: only those that were not compared since this moment, as UTC text; empty: all.

    Raises:
        MillraceError: the table did not answer.
    """
    checked = results.checked((org, window.day) for org, window in wanted)
    by_moment = [(checked.get((org, window.day), ""), (org, window)) for org, window in wanted]
    chosen = [one for one in by_moment if not before or one[0] < before]
    return [unit for _, unit in sorted(chosen, key=lambda one: one[0])]


def run(
    check: Checking,
    wanted: Sequence[Unit],
    now: datetime,
    seconds_left: Callable[[], float],
    needed_seconds: float,
    *,
    full: bool = False,
    warn: Callable[[str], None] = lambda _: None,
) -> PassReport:
    """Compares one after the other. One that fails is left for another pass, like those that time does not suffice for.

    Args:
        check: compares a tenant's hours.
        wanted: in the order in which they are to be compared.
        now: when the pass began.
        seconds_left: how long there is still.
        needed_seconds: what must be left for another one to be begun.
        full: read all of raw and look for every pointer, whatever is cached.
        warn: takes a line for each that failed.
    """
    report = PassReport()
    for number, (org, window) in enumerate(wanted):
        if seconds_left() < needed_seconds:
            report.left += len(wanted) - number
            break
        try:
            results = check.run(org, window, now, full=full)
        except Exception as error:  # noqa: BLE001  whatever one tenant's day sets off must not stop those behind it
            report.left += 1
            warn(f"{org} {window.day}: {type(error).__name__}: {error}")
            continue
        report.add(org, window.day, results)
    return report
