"""Every consumer of the log, of the Events table's stream and of the bus, in one table. Pure.

The stacks, the trace, reconciliation, redrive, doctor and the cost model read this table: a consumer that has an entry here
and a function in `functions/` is known to all of them. docs/recipes.md has the steps.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from millrace.contracts.contract import Contract
from millrace.core.prefixes import DEAD_LETTERS
from millrace.eventstore import receipts

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.Lambda.html: more readers of one shard of a
# table's stream are throttled. Further consumers of it share a function.
MOST_READERS_OF_TABLE_STREAM = 2


class Source(StrEnum):
    """Where a consumer's events come from."""

    LOG = "log"
    TABLE_STREAM = "table stream"
    QUEUE = "queue"


class ReceiptKind(StrEnum):
    """What a consumer leaves of each event, by which the trace and reconciliation see that it was handled.

    `BATCH`: rows of Metadata with the ids of each batch (`eventstore/receipts.py`). `POINTER`: a row of UserEvents.
    `DERIVED`: an event that names this one as its origin. `FACT`: it is among the facts of its minute of receipt, which are
    gone after some days, so that nothing waits for it.
    """

    NONE = "none"
    BATCH = "batch"
    POINTER = "pointer"
    DERIVED = "derived"
    FACT = "fact"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSpec:
    """A consumer.

    Attributes:
        name: of its dead letters, and in logs.
        function: the folder in `functions/` that hosts it. Several consumers of one source may share a function.
        source: where its events come from.
        event_types: the only types that it reads; the mapping filters by them. Empty: all types.
        wants: whether it handles the events of a contract.
        owned_only: whether it handles only events that have a user or a session.
        receipt: what it leaves of each event.
        kind: of a batch receipt.
        step: its name in a trace; empty: the trace does not show it.
        compared_since: the first UTC day whose events reconciliation looks for in what it left; empty: every day; None:
            it is not compared.
        check: its name in `millrace doctor` and among the canary's metrics; empty: it is not watched by them.
        check_event: which of the canary's events it handles.
        cost: its name in the cost model.
        cost_profile: the recorded traffic that it is costed by.
    """

    name: str
    function: str
    source: Source
    event_types: frozenset[str] = frozenset()
    wants: Callable[[Contract], bool] = lambda _: True
    owned_only: bool = False
    receipt: ReceiptKind = ReceiptKind.NONE
    kind: str = ""
    step: str = ""
    compared_since: str | None = None
    check: str = ""
    check_event: str = "canary"
    cost: str = ""
    cost_profile: str = "default"

    @property
    def dead_letters(self) -> str:
        """The folder of the lake with the records that it has set aside."""
        return f"{DEAD_LETTERS}{self.name}/"

    @property
    def redrivable(self) -> bool:
        """Whether `millrace redrive` can feed it: a queue redrives its messages itself."""
        return self.source is not Source.QUEUE

    def expects(self, contract: Contract, *, owned: bool) -> bool:
        """Whether it handles an event.

        Args:
            contract: of the event.
            owned: whether the event has a user or a session.
        """
        of_type = not self.event_types or contract.event_type in self.event_types
        return of_type and self.wants(contract) and (owned or not self.owned_only)


PROJECTION = ConsumerSpec(
    name="project_events",
    function="project_events",
    source=Source.TABLE_STREAM,
    owned_only=True,
    receipt=ReceiptKind.POINTER,
    step="projected",
    compared_since="",
    check="projection",
    cost="project",
)
ARCHIVE = ConsumerSpec(
    name="archive_events",
    function="archive_events",
    source=Source.LOG,
    receipt=ReceiptKind.BATCH,
    kind=receipts.MANIFEST,
    step="archived",
    compared_since="",
    check="archive",
    cost="archive",
    cost_profile="mix",
)
ROUTER = ConsumerSpec(
    name="route_events",
    function="route_events",
    source=Source.LOG,
    wants=lambda contract: contract.route,
    receipt=ReceiptKind.BATCH,
    kind=receipts.ROUTED,
    step="routed",
    check="route",
    cost="route",
)
SCORER = ConsumerSpec(
    name="score_transactions",
    function="score_transactions",
    source=Source.LOG,
    event_types=frozenset({"transaction.created"}),
    receipt=ReceiptKind.DERIVED,
    step="scored",
    check="fraud",
    check_event="transaction",
    cost="fraud",
    cost_profile="transactions",
)
COUNTER = ConsumerSpec(
    name="count_events",
    function="analyze_events",
    source=Source.TABLE_STREAM,
    receipt=ReceiptKind.FACT,
    step="counted",
    check="count",
    cost="count",
    cost_profile="mix",
)
ALERT_TRACKER = ConsumerSpec(
    name="track_alerts",
    function="analyze_events",
    source=Source.TABLE_STREAM,
    event_types=frozenset({"alert.acknowledged", "alert.ended", "alert.raised"}),
)
PATTERN_DETECTOR = ConsumerSpec(name="detect_patterns", function="analyze_events", source=Source.TABLE_STREAM)
SIGMA_DETECTOR = ConsumerSpec(name="detect_sigma", function="analyze_events", source=Source.TABLE_STREAM)
BUS_INTAKE = ConsumerSpec(name="receive_bus_events", function="receive_bus_events", source=Source.QUEUE)

# In the order of a trace's steps.
CONSUMERS: tuple[ConsumerSpec, ...] = (
    PROJECTION,
    ARCHIVE,
    COUNTER,
    ROUTER,
    SCORER,
    ALERT_TRACKER,
    PATTERN_DETECTOR,
    SIGMA_DETECTOR,
    BUS_INTAKE,
)


def reading(source: Source) -> dict[str, list[ConsumerSpec]]:
    """The functions that read a source, each with the consumers that it hosts."""
    hosts: dict[str, list[ConsumerSpec]] = {}
    for consumer in CONSUMERS:
        if consumer.source is source:
            hosts.setdefault(consumer.function, []).append(consumer)
    return hosts


def named(name: str) -> list[ConsumerSpec]:
    """The consumer of this name, or those that the function of this name hosts."""
    return [one for one in CONSUMERS if name in (one.name, one.function)]


def compared() -> list[ConsumerSpec]:
    """The consumers whose work reconciliation compares, and whose dead letters explain a missing event."""
    return [one for one in CONSUMERS if one.compared_since is not None]


def checked() -> list[ConsumerSpec]:
    """The consumers that `millrace doctor` and the canary watch."""
    return [one for one in CONSUMERS if one.check]


def filter_pattern(hosted: Sequence[ConsumerSpec]) -> dict[str, Any] | None:
    """AWS's filter for a function's event source mapping: new rows of the types that some hosted consumer reads.

    Args:
        hosted: the function's consumers, all of one source.

    Returns:
        None: every record. The log also takes records that are no changes of the table, so it is filtered by type only.
    """
    types = _types(hosted)
    of_log = hosted[0].source is Source.LOG
    if of_log and not types:
        return None
    change: dict[str, Any] = {"eventName": ["INSERT"]}
    if types:
        change["dynamodb"] = {"NewImage": {"eventType": {"S": types}}}
    return {"data": change} if of_log else change


def _types(hosted: Iterable[ConsumerSpec]) -> list[str]:
    """The types that some of them read; none where one of them reads all."""
    by_consumer = [one.event_types for one in hosted]
    return sorted(frozenset().union(*by_consumer)) if all(by_consumer) else []
