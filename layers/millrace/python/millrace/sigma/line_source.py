"""Logs whose lines Sigma rules ask as they ask events: the audit, and the gateway's access log. Pure.

A line is made an event of a contract that stands in code. No such event is ever stored: lines stay where they are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from millrace.alerts.alert import Alert
from millrace.contracts.contract import Contract
from millrace.core import clock
from millrace.eventstore.row import StoredEvent
from millrace.patterns import simulate
from millrace.patterns.definition import Pattern
from millrace.sigma.detect import KIND, QUIET
from millrace.sigma.rules import SEVERITIES, Compiled, Rules


@dataclass(frozen=True, slots=True, eq=False)
class LineSource:
    """A log; each is itself.

    Attributes:
        service: what a rule names as its `service`, beside `product: millrace`.
        called: the log in a sentence.
        contract: of its lines as events.
        subject: what an alert of a line is about, unless the rule says it.
        told: how a line is called in an alert.
        longest: the longest time within which a correlation may join lines; None: as patterns may.
        names: what rules may call its fields, beside their columns.
    """

    service: str
    called: str
    contract: Contract
    subject: Callable[[StoredEvent], str]
    told: Callable[[StoredEvent], str]
    longest: timedelta | None = None
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LineRules:
    """What the lines of a source are asked: rules of one line each, and correlations, as patterns."""

    source: LineSource
    rules: Rules
    patterns: Sequence[Pattern]

    @classmethod
    def of(
        cls, source: LineSource, rules: Sequence[Mapping[str, Any]], patterns: Sequence[Mapping[str, Any]]
    ) -> "LineRules":
        """Compiled rules and correlations that are about lines of this source."""
        return cls(source, Rules({"rules": rules}, _Only(source)), tuple(map(Pattern.from_json, patterns)))

    @property
    def reach(self) -> timedelta:
        """How far before a line others may lie that belong to it."""
        return max((one.within for one in self.patterns), default=timedelta())

    def contract(self, _: str) -> Contract:
        """Of every line."""
        return self.source.contract

    def matches(self, events: Sequence[StoredEvent]) -> list[Alert]:
        """The alerts of rules of one line each."""
        return [
            _alert(self.source, one, event) for event in events for one in self.rules.matching(event.envelope)
        ]

    def joined(self, events: Sequence[StoredEvent]) -> Iterator[Alert]:
        """The alerts of correlations over lines in the order of time, whether or not another alert stands for one."""
        if not events:
            return
        end = clock.parse(events[-1].envelope["timestamp"])
        for pattern in self.patterns:
            yield from simulate.found(pattern, events, self.contract, end)


@dataclass(frozen=True, slots=True)
class _Only:
    """The only type whose events are lines."""

    source: LineSource

    def majors(self, _: str) -> Mapping[int, Contract]:
        """Its only major."""
        return {self.source.contract.major: self.source.contract}


def line_contract(
    event_type: str, description: str, properties: Mapping[str, Any], required: Sequence[str]
) -> Contract:
    """The contract of lines as events, whose payload has these properties. Nothing in them is of a person."""
    names = [
        f"{name}/{inner}"
        for name, schema in properties.items()
        for inner in schema.get("properties", {"": None})
    ]
    return Contract(
        event_type=event_type,
        version="1.0.0",
        category="system-events",
        # As if it were: patterns are of what is stored.
        store="table",
        indexes=frozenset(),
        entity={},
        route=False,
        subject=None,
        user_id_pointer=None,
        partition_key=None,
        additional_properties="allow",
        lateness_seconds=0,
        retention_days=1,
        data_schema={
            "type": "object",
            "properties": {
                "payload": {"type": "object", "properties": {**properties}, "required": [*required]},
                "metadata": {"type": "object", "properties": {}},
            },
        },
        rules=(),
        enrich={},
        dictionary="",
        description=description,
        classification={f"/data/payload/{name.removesuffix('/')}": "internal" for name in names},
    )


def line_event(
    contract: Contract,
    service: str,
    event_id: str,
    at: str,
    org: str,
    request: str,
    payload: Mapping[str, Any],
) -> StoredEvent:
    """A line as an event: it happened, and was received, when it was written.

    Args:
        contract: of `line_contract`.
        service: of its source.
        event_id: the same whenever the line is read.
        at: its moment, as `clock.utc_text` writes it.
        org: the tenant.
        request: that it tells of.
        payload: its fields.
    """
    return StoredEvent(
        {
            "eventId": event_id,
            "eventType": contract.event_type,
            "eventSource": service,
            "timestamp": at,
            "version": contract.version,
            "data": {"payload": payload, "metadata": {}},
            "platform": {
                "orgId": org,
                "receivedAt": at,
                "requestId": request,
                "category": contract.category,
                "contract": contract.ref,
                "day": at[:10],
            },
        },
        b"",
        0,
        "",
    )


def rounds(alerts: Sequence[Alert]) -> Iterator[list[Alert]]:
    """The same alerts in turns, of a rule and a subject one in each: the next is opened only when the one before is told."""
    left = [*alerts]
    while left:
        turn: dict[tuple[str, str, str], Alert] = {}
        rest: list[Alert] = []
        for one in left:
            place = one.org, one.rule, one.subject
            if place not in turn:
                turn[place] = one
            elif one.quiet is None or one.at > turn[place].at + one.quiet:
                rest.append(one)
        yield [*turn.values()]
        left = rest


def _alert(source: LineSource, one: Compiled, event: StoredEvent) -> Alert:
    value = None if one.subject is None else one.subject.read(event.envelope)
    named = one.subject is not None and value is not None
    return Alert(
        org=event.org,
        kind=KIND,
        rule=one.rule.name,
        subject=f"{one.subject.name}:{value}" if named and one.subject else source.subject(event),
        about=(event.event_id,),
        severity=SEVERITIES[one.rule.level],
        title=one.rule.title,
        owner=one.rule.owner,
        at=clock.parse(event.envelope["timestamp"]),
        message=f"{source.told(event)}, matches the Sigma rule {one.rule.rule_id}.",
        quiet=QUIET,
    )
