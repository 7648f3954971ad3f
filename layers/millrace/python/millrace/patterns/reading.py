"""Which steps of which patterns an event is, and by which key. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from millrace.contracts import conditions, pointers
from millrace.contracts.contract import Contract
from millrace.contracts.fields import Field, Value, fields
from millrace.core import clock
from millrace.core.identity import identity_text
from millrace.eventstore.row import StoredEvent
from millrace.patterns.definition import CORRELATION, ENTITY, SESSION, USER, Pattern, Step
from millrace.patterns.judge import Fact

_OF_ENVELOPE = {USER: "userId", SESSION: "sessionId", CORRELATION: "correlationId"}


@dataclass(frozen=True, slots=True)
class Hit:
    """An event that is a step of a pattern; `missing`: the one that must not fail to come."""

    pattern: Pattern
    key: str
    fact: Fact
    missing: bool


class Reader:
    """Reads stored events for some patterns."""

    def __init__(self, patterns: Sequence[Pattern], contract_of: Callable[[str], Contract]) -> None:
        """`contract_of` gives the contract of `platform.contract`, and raises NotDeployedError where it is not in force here."""
        self._contract_of = contract_of
        self._fields: Callable[[str], Mapping[str, Field]] = cache(lambda ref: fields(contract_of(ref)))
        self._holds: Callable[[str, int, int], conditions.Holds | None] = cache(self._test)
        self._patterns = patterns
        self._any = [
            (at, len(one.steps)) for at, one in enumerate(patterns) if one.missing and not one.missing.events
        ]
        self._of_type: dict[str, list[tuple[int, int]]] = {}
        for at, pattern in enumerate(patterns):
            for number, step in enumerate(pattern.all_steps):
                for event_type in step.events:
                    self._of_type.setdefault(event_type, []).append((at, number))

    def wants(self, event_type: str) -> bool:
        """Whether events of a type are read at all."""
        return bool(self._any) or event_type in self._of_type

    def hits(self, event: StoredEvent) -> Iterator[Hit]:
        """The steps that an event is."""
        for at, number in (*self._of_type.get(event.event_type, ()), *self._any):
            pattern = self._patterns[at]
            step = pattern.all_steps[number]
            key = self.key(pattern, event)
            if key and self._is(at, number, step, event):
                missing = number == len(pattern.steps)
                yield Hit(pattern, key, self._fact(number, step, event), missing)

    def is_missing(self, pattern: Pattern, event: StoredEvent) -> bool:
        """Whether an event is the one that an absence waits for."""
        number, step = len(pattern.steps), pattern.missing
        if step is None or (step.events and event.event_type not in step.events):
            return False
        return self._is(self._patterns.index(pattern), number, step, event)

    def key(self, pattern: Pattern, event: StoredEvent) -> str | None:
        """What joins an event with others; None where it has no such thing."""
        envelope = event.envelope
        if pattern.by in _OF_ENVELOPE:
            value = envelope.get(_OF_ENVELOPE[pattern.by])
        elif pattern.by == ENTITY:
            pointer = self._contract_of(envelope["platform"]["contract"]).entity.get(pattern.name_of_key)
            value = pointers.as_text(pointers.read(envelope, pointers.parse(pointer))) if pointer else None
        else:
            field = self._fields(envelope["platform"]["contract"]).get(pattern.name_of_key)
            value = field.read(envelope) if field else None
        return None if value is None else str(value)

    def _is(self, at: int, number: int, step: Step, event: StoredEvent) -> bool:
        if not step.events:
            # What the platform makes of an event is no sign of life.
            return "derivedFrom" not in event.envelope["platform"]
        holds = self._holds(event.envelope["platform"]["contract"], at, number)
        return holds is not None and holds(event.envelope)

    def _test(self, ref: str, at: int, number: int) -> conditions.Holds | None:
        """The conditions of a step on events of a contract; None where these have no such fields."""
        step, known = self._patterns[at].all_steps[number], self._fields(ref)
        if not set(conditions.names(step.where)) <= known.keys():
            return None
        return conditions.holds(step.where, known)

    def _fact(self, number: int, step: Step, event: StoredEvent) -> Fact:
        envelope: Mapping[str, Any] = event.envelope
        known = self._fields(envelope["platform"]["contract"]) if step.kept else {}
        values: list[tuple[str, Value]] = []
        for name in step.kept:
            value = known[name].read(envelope) if name in known else None
            if value is not None:
                values.append((name, value))
        received = clock.epoch_micros(clock.parse(envelope["platform"]["receivedAt"]))
        micros = clock.epoch_micros(event.happened_at)
        return Fact(micros, identity_text(event.event_id), number, received, tuple(values))
