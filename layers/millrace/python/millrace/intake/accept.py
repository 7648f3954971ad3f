"""Acceptance of a request: each event judged by itself, all appended together, the refused ones kept in quarantine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from millrace.contracts import absent, pointers
from millrace.contracts.contract import Contract
from millrace.contracts.redaction import Redaction
from millrace.contracts.registry import Registry
from millrace.contracts.type_names import renamed
from millrace.contracts.validator import FieldError
from millrace.core import exact_json
from millrace.core.errors import MillraceError
from millrace.core.table import Item
from millrace.eventstore import content
from millrace.eventstore.append import Appender, AppendResult
from millrace.eventstore.codec import Codec
from millrace.eventstore.fingerprint import Fingerprint, fingerprint, spelled
from millrace.eventstore.row import to_item
from millrace.eventstore.tenant_key import TenantKeys
from millrace.intake import protobuf_json, reserved
from millrace.intake.enrich import Origin, enrich
from millrace.intake.parse import PROTOBUF, Candidate
from millrace.intake.validate import Refused, validate
from millrace.quarantine.entry import QuarantineEntry, quarantine_id

_NULL = b":null"
REFUSED = frozenset({AppendResult.REJECTED, AppendResult.CONFLICT})
_CONFLICT = FieldError("/eventId", "conflict", "this id is taken by an event that says something else")


class Quarantine(Protocol):
    """Where refused events are kept."""

    def keep(
        self, org: str, request_id: str, received_at: Any, source: str, refused: list[QuarantineEntry]
    ) -> None:
        """Keeps them all, or raises MillraceError."""
        ...


@dataclass(slots=True)
class EventResult:
    """The result of one event of a request."""

    index: int
    event_id: str | None
    event_type: str | None = None
    outcome: AppendResult = AppendResult.UNAVAILABLE
    errors: list[FieldError] = field(default_factory=list)
    quarantine_id: str | None = None


@dataclass(slots=True)
class _Case:
    """One event of a request: its candidate, its result, and its row once it is valid."""

    candidate: Candidate
    result: EventResult
    item: Item = field(default_factory=dict)  # empty: the event is not valid
    contract: Contract | None = None

    @property
    def key(self) -> str:
        return str(self.item["eventId"]["S"])


class Intake:
    """Takes the candidates of a request and answers for each. Holds no state of a request."""

    def __init__(
        self,
        registry: Registry,
        appender: Appender,
        quarantine: Quarantine,
        tenant_keys: TenantKeys,
        log: Callable[[str], None] = lambda _: None,
        *,
        type_shards: int = 1,
        takes_any_id: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._registry, self._appender, self._quarantine = registry, appender, quarantine
        self._tenant_keys, self._log = tenant_keys, log
        self._codec, self._type_shards = Codec(registry.dictionary), type_shards
        self._takes_any_id = takes_any_id

    def accept(self, candidates: Sequence[Candidate], origin: Origin) -> list[EventResult]:
        """One result per candidate, in order. Raises nothing, whatever an event holds and a store answers."""
        cases = self._attempt(candidates, origin, dry_run=False)
        refused = [case for case in cases if case.result.outcome in REFUSED]
        if refused:
            self._keep(refused, origin)
        return [case.result for case in cases]

    def replay(self, candidates: Sequence[Candidate], origin: Origin, *, dry_run: bool) -> list[EventResult]:
        """The same steps for events that are in quarantine already, so that none is kept a second time.

        A dry run stops before the append: what would pass is `accepted`, though its id may be in the table already.
        """
        return [case.result for case in self._attempt(candidates, origin, dry_run=dry_run)]

    def _attempt(self, candidates: Sequence[Candidate], origin: Origin, *, dry_run: bool) -> list[_Case]:
        events = map(self._as_event, candidates)
        cases = [_Case(candidate, _result(candidate)) for candidate in events]
        try:
            tenant_key = self._tenant_keys.key(origin.org)
        except MillraceError as error:
            self._log(str(error))
            return cases
        for case in cases:
            try:
                self._judge(case, origin, tenant_key)
            except MillraceError as error:
                self._log(str(error))
        valid = [case for case in cases if case.item]
        if dry_run:
            for case in valid:
                case.result.outcome = AppendResult.ACCEPTED
        else:
            self._append(valid)
        return cases

    def _as_event(self, candidate: Candidate) -> Candidate:
        """The candidate with its event in the form of JSON that contracts describe."""
        if candidate.form != PROTOBUF or candidate.error is not None:
            return candidate
        return replace(candidate, event=protobuf_json.event(candidate.event, self._registry))

    def _judge(self, case: _Case, origin: Origin, tenant_key: bytes) -> None:
        candidate, result = case.candidate, case.result
        if candidate.error is not None:
            result.outcome, result.errors = (
                AppendResult.REJECTED,
                [self._discreet(candidate.error, candidate.event)],
            )
            return
        read = content.read(candidate.event)
        if isinstance(read, FieldError):
            result.outcome, result.errors = AppendResult.REJECTED, [read]
            return
        event, canonical = renamed(read[0], self._registry.type_names), read[1]
        principal = origin.principal if candidate.principal is None else candidate.principal
        error = reserved.problem(event, origin.org, principal, self._registry)
        if error is not None:
            result.outcome, result.errors = AppendResult.REJECTED, [error]
            return
        verdict = validate(
            event,
            len(canonical),
            self._registry,
            origin.received_at,
            partial(self._takes_any_id, origin.org),
        )
        case.contract = verdict.contract
        if isinstance(verdict, Refused):
            result.outcome, result.errors = AppendResult.REJECTED, verdict.errors
            return
        if _NULL in canonical:
            read = event, _ = self._without_nulls(event, verdict.contract)
        sender = origin if principal == origin.principal else replace(origin, principal=principal)
        envelope = enrich(event, verdict.contract, sender, verdict.happened_at)
        made = self._fingerprint(candidate, read, verdict.contract, tenant_key)
        case.item = to_item(envelope, verdict.contract, made, self._codec, type_shards=self._type_shards)

    def _fingerprint(
        self, candidate: Candidate, read: content.Content, contract: Contract, tenant_key: bytes
    ) -> Fingerprint:
        if candidate.sent is None:
            return fingerprint(read, candidate.event, tenant_key)
        sent = content.read(candidate.sent)
        if isinstance(sent, FieldError):
            return fingerprint(read, candidate.sent, tenant_key)
        if _NULL in sent[1]:
            # As above, because another delivery may be filled in with nothing.
            sent = self._without_nulls(renamed(sent[0], self._registry.type_names), contract)
        return fingerprint(sent, candidate.sent, tenant_key)

    @staticmethod
    def _without_nulls(event: Any, contract: Contract) -> content.Content:
        return content.rewritten(absent.without_nulls(event, contract))

    def _discreet(self, error: FieldError, event: Any) -> FieldError:
        """An error that was found before the contract, without field names that the answer must not disclose."""
        path = exact_json.beyond(event) if error.pointer else None
        if path is None:
            return error
        shown = Redaction(self._registry.described(event)).shown(path)
        return FieldError(pointers.write(shown), error.code, error.message)

    def _append(self, valid: list[_Case]) -> None:
        """The first of an id in the request is written; its result answers the others."""
        first: dict[str, _Case] = {}
        later: list[_Case] = []
        for case in valid:
            if first.setdefault(case.key, case) is not case:
                later.append(case)
        self._put(list(first.values()))
        while later:
            later = self._follow(first, later)
        for case in valid:
            if case.result.outcome is AppendResult.CONFLICT:
                case.result.errors = [_CONFLICT]

    def _follow(self, first: dict[str, _Case], later: list[_Case]) -> list[_Case]:
        """Answers repeats of an id that is in the table now. Where the first met the row of another event, each is put itself."""
        retried: dict[str, _Case] = {}
        left: list[_Case] = []
        for case in later:
            leader = first[case.key]
            same = _is_same(leader, case)
            if leader.result.outcome is AppendResult.UNAVAILABLE:
                case.result.outcome = AppendResult.UNAVAILABLE
            elif same:
                conflict = leader.result.outcome is AppendResult.CONFLICT
                case.result.outcome = AppendResult.CONFLICT if conflict else AppendResult.DUPLICATE
            elif leader.result.outcome is not AppendResult.CONFLICT:
                case.result.outcome = AppendResult.CONFLICT
            elif retried.setdefault(case.key, case) is not case:
                left.append(case)
        self._put(list(retried.values()))
        return left

    def _put(self, cases: list[_Case]) -> None:
        rows = [(case.contract, case.item) for case in cases if case.contract is not None]
        for case, result in zip(cases, self._appender.append(rows), strict=True):
            case.result.outcome = result

    def _keep(self, refused: list[_Case], origin: Origin) -> None:
        entries = [_entry(case, origin) for case in refused]
        try:
            self._quarantine.keep(origin.org, origin.request_id, origin.received_at, origin.kind, entries)
        except MillraceError as error:
            self._log(str(error))
            for case in refused:
                case.result.outcome, case.result.errors = AppendResult.UNAVAILABLE, []
            return
        for case, entry in zip(refused, entries, strict=True):
            case.result.quarantine_id = entry.quarantine_id


def _is_same(leader: _Case, case: _Case) -> bool:
    """Whether both have the same result."""
    if leader.item["fingerprint"] != case.item["fingerprint"]:
        return False
    # A row with an older fingerprint holds numbers as they were written: it may conflict with one and equal the other.
    return leader.result.outcome is not AppendResult.CONFLICT or (
        spelled(leader.candidate.event) == spelled(case.candidate.event)
    )


def _result(candidate: Candidate) -> EventResult:
    event = candidate.event if isinstance(candidate.event, dict) else {}
    return EventResult(candidate.index, _text(event.get("eventId")), _text(event.get("eventType")))


def _text(value: Any) -> str | None:
    return value[:256] if isinstance(value, str) else None


def _entry(case: _Case, origin: Origin) -> QuarantineEntry:
    event = case.candidate.event if isinstance(case.candidate.event, dict) else {}
    return QuarantineEntry(
        quarantine_id=quarantine_id(origin.request_id, case.candidate.index, origin.received_at),
        index=case.candidate.index,
        raw=case.candidate.raw_bytes(),
        errors=tuple(e.to_json() for e in case.result.errors),
        event_id=_text(event.get("eventId")),
        event_type=_text(event.get("eventType")),
        version=_text(event.get("version")),
        contract=case.contract.ref if case.contract is not None else None,
        principal=origin.principal,
        form=case.candidate.form,
        sent=None if case.candidate.sent is None else exact_json.dumps(case.candidate.sent),
    )
