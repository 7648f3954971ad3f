"""Acceptance of a request: each event judged by itself, all appended together, the refused ones kept in quarantine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from millrace.contracts import absent, pointers, undeclared
from millrace.contracts.contract import Contract
from millrace.contracts.redaction import Redaction
from millrace.contracts.registry import Registry
from millrace.contracts.type_names import renamed
from millrace.contracts.validator import FieldError
from millrace.core import exact_json
from millrace.core.errors import MillraceError
from millrace.core.table import Item
from millrace.eventstore import content
from millrace.eventstore.append import Appender, AppendResult, Destination
from millrace.eventstore.codec import Codec
from millrace.eventstore.fingerprint import Fingerprint, fingerprint
from millrace.eventstore.row import Envelope, to_item
from millrace.eventstore.tenant_key import TenantKeys
from millrace.intake import protobuf_json, reserved
from millrace.intake.case import (
    REFUSED,
    Case,
    EventResult,
    Judged,
    case_of,
    entry_of,
    is_same,
    texts_of,
    written,
)
from millrace.intake.consent import Consents
from millrace.intake.discretion import discreet
from millrace.intake.enrich import Origin, enrich
from millrace.intake.parse import PROTOBUF, Candidate
from millrace.intake.personal_data import PersonalData
from millrace.intake.protect import FORGOTTEN, Named, People, Protection
from millrace.intake.validate import Refused, validate
from millrace.privacy.consent import Purpose
from millrace.privacy.purposes import load as all_purposes
from millrace.privacy.subjects import ERASED, Person
from millrace.quarantine.entry import QuarantineEntry
from millrace.quarantine.mentions import Mentioned, Mentions

_NULL = b":null"
_CONFLICT = FieldError("/eventId", "conflict", "this id is taken by an event that says something else")


class Quarantine(Protocol):
    """Where refused events are kept."""

    def keep(
        self, org: str, request_id: str, received_at: Any, source: str, refused: list[QuarantineEntry]
    ) -> None:
        """Keeps them all, or raises MillraceError."""
        ...


class Intake:
    """Takes the candidates of a request and answers for each. Holds no state of a request."""

    def __init__(
        self,
        registry: Registry,
        appender: Appender,
        quarantine: Quarantine,
        tenant_keys: TenantKeys,
        people: People,
        log: Callable[[str], None] = lambda _: None,
        *,
        type_shards: int = 1,
        takes_any_id: Callable[[str], bool] = lambda _: False,
        purposes: Mapping[str, Purpose] | None = None,
        received: Callable[[str, str], str | None] = lambda _, __: None,
        took: Callable[[Origin, Sequence[EventResult]], None] = lambda _, __: None,
    ) -> None:
        """Makes no call.

        `received` says of a tenant and an event's id when the event that is stored under it was received; None if none is.
        `took` is told the results of each request, and raises nothing.
        """
        self._received, self._took = received, took
        self._registry, self._appender, self._quarantine = registry, appender, quarantine
        self._tenant_keys, self._protection, self._log = tenant_keys, Protection(people), log
        self._codec, self._type_shards = Codec(registry.dictionary), type_shards
        self._takes_any_id = takes_any_id
        self._mentions, self._types = Mentions(registry), {one.event_type for one in registry.contracts}
        self._personal_data, self._consents = PersonalData(), Consents(people, purposes or all_purposes())
        self._declared: dict[str, frozenset[str]] = {}

    @property
    def registry(self) -> Registry:
        """The contracts that it judges by."""
        return self._registry

    def accept(self, candidates: Sequence[Candidate], origin: Origin) -> list[EventResult]:
        """One result per candidate, in order. Raises nothing, whatever an event holds and a store answers."""
        cases = self._attempt(candidates, origin, dry_run=False)
        refused = [case for case in cases if case.result.outcome in REFUSED and case.result.kept]
        if refused:
            self._keep(refused, origin)
        results = [case.result for case in cases]
        self._took(origin, results)
        return results

    def replay(
        self,
        candidates: Sequence[Candidate],
        origin: Origin,
        *,
        dry_run: bool,
        history: Destination | None = None,
    ) -> list[EventResult]:
        """The same steps for events that are kept by who asks, in quarantine or as a file, so that none is kept a second time.

        A refused one whose result says that it may not be kept is to be kept nowhere. A dry run stops before the append: what
        would pass is `accepted`, though its id may be in the table already.

        Args:
            candidates: the events.
            origin: whose they are.
            dry_run: judge alone.
            history: what takes the rows of events that are older than their type is kept; without it they are refused.
        """
        cases = self._attempt(candidates, origin, dry_run=dry_run, history=history)
        refused = [case for case in cases if case.result.outcome in REFUSED and case.result.kept]
        if refused:
            # What it came as, a row perhaps, need not say what its event does.
            named = [self._mentions.of(*texts_of(case), written(case)) for case in refused]
            try:
                for case, is_forgotten in zip(refused, self._heed(refused, named, origin.org), strict=True):
                    case.result.kept = not is_forgotten
            except MillraceError as error:
                self._could_not(refused, error)
        return [case.result for case in cases]

    def _attempt(
        self,
        candidates: Sequence[Candidate],
        origin: Origin,
        *,
        dry_run: bool,
        history: Destination | None = None,
    ) -> list[Case]:
        events = map(self._as_event, candidates)
        cases = [case_of(candidate) for candidate in events]
        try:
            tenant_key = self._tenant_keys.key(origin.org)
        except MillraceError as error:
            self._log(str(error))
            return cases
        for case in cases:
            try:
                self._judge(case, origin, history=history is not None)
            except MillraceError as error:
                self._log(str(error))
        self._heed_consents([case for case in cases if case.valid], origin.org)
        valid = [case for case in cases if case.valid]
        if dry_run:
            for case in valid:
                case.result.outcome = AppendResult.ACCEPTED
        else:
            self._make_rows(valid, origin.org, tenant_key)
            self._append([case for case in valid if case.item], history)
        return cases

    def _as_event(self, candidate: Candidate) -> Candidate:
        """The candidate with its event in the form of JSON that contracts describe."""
        if candidate.form != PROTOBUF or candidate.error is not None:
            return candidate
        return replace(candidate, event=protobuf_json.event(candidate.event, self._registry))

    def _judge(self, case: Case, origin: Origin, *, history: bool) -> None:
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
            history=history,
        )
        case.contract = verdict.contract
        if isinstance(verdict, Refused):
            result.outcome, result.errors = AppendResult.REJECTED, verdict.errors
            return
        result.history = verdict.is_history
        if _NULL in canonical:
            read = event, _ = self._without_nulls(event, verdict.contract)
        if verdict.contract.additional_properties == "drop":
            event, dropped = undeclared.without(event, verdict.contract)
            if dropped:
                result.dropped = undeclared.named(dropped, verdict.contract)
        if found := self._personal_data.errors(event, verdict.contract):
            result.outcome, result.errors = AppendResult.REJECTED, list(found)
            return
        sender = origin if principal == origin.principal else replace(origin, principal=principal)
        envelope = enrich(event, verdict.contract, sender, verdict.happened_at)
        case.valid = verdict.contract, envelope, read

    def _heed_consents(self, valid: list[Case], org: str) -> None:
        """Takes out whom a person's consents forbid; where they cannot be read, those that need them stay unavailable."""
        asked = [(case, case.valid) for case in valid if case.valid is not None and case.valid[0].consent]
        if not asked:
            return
        try:
            people = self._consents.said(org, [(contract, envelope) for _, (contract, envelope, _) in asked])
        except MillraceError as error:
            self._log(str(error))
            for case, _ in asked:
                case.valid = None
            return
        for case, (contract, envelope, _) in asked:
            heeded = self._consents.heed(contract, envelope, people)
            if heeded.error is not None:
                case.valid, case.result.kept = None, heeded.kept
                case.result.outcome, case.result.errors = AppendResult.REJECTED, [heeded.error]
                case.result.withheld = True
            else:
                case.heeded, case.result.masked = heeded.envelope, heeded.masked

    def _make_rows(self, valid: list[Case], org: str, tenant_key: bytes) -> None:
        """Those that name people have none, and stay unavailable, where the people could not be had."""
        checked = [
            (case, case.valid, self._protection.named(case.valid[1], case.valid[0]))
            for case in valid
            if case.valid is not None
        ]
        events = [(judged[0], judged[1], named.names(), named.owners()) for _, judged, named in checked]
        people: Mapping[str, Person] = {}
        forgotten: set[int] = set()
        if any(names for _, _, names, _ in events):
            try:
                people, forgotten = self._people(org, events)
            except MillraceError as error:
                self._log(str(error))
        for place, (case, judged, named) in enumerate(checked):
            _, _, names, owners = events[place]
            try:
                if names <= people.keys():
                    refusals = (self._protection.refusal(judged[1], people[name]) for name in owners)
                    refusal = FORGOTTEN if place in forgotten else next(filter(None, refusals), None)
                    if refusal is not None:
                        case.result.outcome, case.result.errors = AppendResult.REJECTED, [refusal]
                        # Of a person who was erased nothing is kept, in quarantine neither.
                        case.result.kept = False
                        case.result.withheld = True
                        continue
                    case.item = self._row(case, judged, tenant_key, named, people)
            except MillraceError as error:
                self._log(str(error))

    def _people(
        self, org: str, events: list[tuple[Contract, Envelope, set[str], set[str]]]
    ) -> tuple[Mapping[str, Person], set[int]]:
        """The people whom these events name, and are about; one who was erased, and has done something since, is a new one.

        The second value is the places of events that were stored before the erasure: sent again, they bring nobody back.
        """
        people = self._protection.people(org, set().union(*(names for _, _, names, _ in events)))
        forgotten = {
            place
            for place, (contract, envelope, _, owners) in enumerate(events)
            if self._was_stored(org, contract, envelope, [people[name] for name in owners if name in people])
        }
        back = {
            name
            for place, (_, envelope, _, owners) in enumerate(events)
            for name in owners
            if place not in forgotten
            and name in people
            and self._protection.came_back(envelope, people[name])
        }
        return ({**people, **self._protection.returned(org, back)} if back else people), forgotten

    def _was_stored(self, org: str, contract: Contract, envelope: Envelope, people: list[Person]) -> bool:
        """Whether an event is one that was stored before somebody in it was erased; read only where it may be."""
        maybe = [one for one in people if self._protection.may_be_from_before(envelope, one)]
        if not maybe:
            return False
        if contract.store == "none":
            # It has no row that would tell: as long as nobody came back by another event, it is taken for one of before.
            return any(one.state == ERASED for one in maybe)
        received_at = self._received(org, envelope["eventId"])
        return received_at is not None and any(self._protection.was_there(received_at, one) for one in maybe)

    def _row(
        self, case: Case, judged: Judged, tenant_key: bytes, named: Named, people: Mapping[str, Person]
    ) -> Item:
        contract, envelope, read = judged
        person = None if named.sealed_for is None else people[named.sealed_for]
        # Of what was sent, whatever consents leave of it: a retry after a withdrawal is the same event.
        compared, sent = self._compared(case.candidate, read, contract)
        envelope = envelope if case.heeded is None else case.heeded

        def made_of(read: content.Content) -> Fingerprint:
            comparable = None if person is None else self._protection.comparable(read, contract, person)
            return fingerprint(read, sent, tenant_key, comparable, None if person is None else person.key)

        if contract.additional_properties == "drop":
            event, dropped = undeclared.without(compared[0], contract)
            made = made_of(content.rewritten(event) if dropped else compared)
            made.whole = made_of(compared) if dropped else None
        else:
            made = made_of(compared)
        stored = self._protection.stored(envelope, contract, named, people)
        return to_item(stored, contract, made, self._codec, type_shards=self._type_shards)

    def _compared(
        self, candidate: Candidate, read: content.Content, contract: Contract
    ) -> tuple[content.Content, Any]:
        """What decides whether two deliveries are one event, and the same as it was sent."""
        if candidate.sent is None:
            return read, candidate.event
        sent = content.read(candidate.sent)
        if isinstance(sent, FieldError):
            return read, candidate.sent
        if _NULL in sent[1]:
            # As above, because another delivery may be filled in with nothing.
            sent = self._without_nulls(renamed(sent[0], self._registry.type_names), contract)
        return sent, candidate.sent

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

    def _append(self, valid: list[Case], history: Destination | None) -> None:
        """The first of an id in the request is written; its result answers the others."""
        first: dict[str, Case] = {}
        later: list[Case] = []
        for case in valid:
            if first.setdefault(case.key, case) is not case:
                later.append(case)
        self._put(list(first.values()), history)
        while later:
            later = self._follow(first, later, history)
        for case in valid:
            if case.result.outcome is AppendResult.CONFLICT:
                case.result.errors = [_CONFLICT]

    def _follow(self, first: dict[str, Case], later: list[Case], history: Destination | None) -> list[Case]:
        """Answers repeats of an id that is in the table now. Where the first met the row of another event, each is put itself."""
        retried: dict[str, Case] = {}
        left: list[Case] = []
        for case in later:
            leader = first[case.key]
            same = is_same(leader, case)
            if leader.result.outcome is AppendResult.UNAVAILABLE:
                case.result.outcome = AppendResult.UNAVAILABLE
            elif same:
                conflict = leader.result.outcome is AppendResult.CONFLICT
                case.result.outcome = AppendResult.CONFLICT if conflict else AppendResult.DUPLICATE
            elif leader.result.outcome is not AppendResult.CONFLICT:
                case.result.outcome = AppendResult.CONFLICT
            elif retried.setdefault(case.key, case) is not case:
                left.append(case)
        self._put(list(retried.values()), history)
        return left

    def _put(self, cases: list[Case], history: Destination | None) -> None:
        live = [case for case in cases if not case.result.history]
        rows = [(case.contract, case.item) for case in live if case.contract is not None]
        for case, result in zip(live, self._appender.append(rows), strict=True):
            case.result.outcome = result
        old = [case for case in cases if case.result.history]
        if history is not None and old:
            for case, result in zip(old, history.append([case.item for case in old]), strict=True):
                case.result.outcome = result

    def _keep(self, refused: list[Case], origin: Origin) -> None:
        named = [self._mentions.of(*texts_of(case)) for case in refused]
        try:
            kept = []
            for case, one, is_forgotten in zip(
                refused, named, self._heed(refused, named, origin.org), strict=True
            ):
                entry = entry_of(case, origin, one, self._types)
                if is_forgotten:
                    case.result.unkept_id, case.result.kept = entry.quarantine_id, False
                else:
                    kept.append((case, entry))
            if kept:
                entries = [entry for _, entry in kept]
                self._quarantine.keep(origin.org, origin.request_id, origin.received_at, origin.kind, entries)
        except MillraceError as error:
            self._could_not(refused, error)
            return
        for case, entry in kept:
            case.result.quarantine_id = entry.quarantine_id

    def _could_not(self, refused: list[Case], error: MillraceError) -> None:
        self._log(str(error))
        for case in refused:
            case.result.outcome, case.result.errors = AppendResult.UNAVAILABLE, []

    def _heed(self, refused: list[Case], named: list[Mentioned], org: str) -> list[bool]:
        """Takes out of the errors of refused events whom they name; for each whether somebody among them was erased since.

        Raises:
            MillraceError: a table or KMS did not answer.
        """
        for case, one in zip(refused, named, strict=True):
            declared = self._names(case.contract)
            case.result.errors = [discreet(error, one.users, declared) for error in case.result.errors]
        users = set().union(*(one.users for one in named))
        people = self._protection.known(org, users) if users else {}
        return [
            any(
                self._protection.is_forgotten(case.candidate.event, people[user])
                for user in one.users
                if user in people
            )
            for case, one in zip(refused, named, strict=True)
        ]

    def _names(self, contract: Contract | None) -> frozenset[str]:
        """Of a contract's fields: each has its class."""
        if contract is None:
            return frozenset()
        found = self._declared.get(contract.ref)
        if found is None:
            names = (part for pointer in contract.classification for part in pointers.parse(pointer))
            found = self._declared[contract.ref] = frozenset(names)
        return found
