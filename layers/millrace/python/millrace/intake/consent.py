"""What persons have agreed to, heeded before an event is stored. Events of contracts without `consent` cost nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from millrace.contracts import pointers
from millrace.contracts.contract import Contract
from millrace.contracts.errors import FieldError
from millrace.eventstore.row import Envelope
from millrace.intake.protect import Protection
from millrace.privacy.consent import Purpose, lacking
from millrace.privacy.person import name_of
from millrace.privacy.subjects import Person


class Known(Protocol):
    """Where persons are (`millrace.privacy.subjects.Subjects`)."""

    def known(self, org: str, names: Iterable[str]) -> Mapping[str, Person]:
        """Those of these names that there are, at most 60 seconds old; or RetryableError."""
        ...


@dataclass(frozen=True, slots=True)
class Heeded:
    """What consents leave of an event.

    Attributes:
        error: why it is not taken; None where it is.
        kept: whether an event that is not taken goes to quarantine.
        masked: pointers of fields that the envelope no longer has.
        envelope: what is stored.
    """

    envelope: Envelope
    error: FieldError | None = None
    kept: bool = True
    masked: tuple[str, ...] = ()


class Consents:
    """Heeds the consents of the persons of one request after the other."""

    def __init__(self, people: Known, purposes: Mapping[str, Purpose]) -> None:
        """Makes no call."""
        self._people, self._purposes = people, purposes

    def said(self, org: str, events: Iterable[tuple[Contract, Envelope]]) -> Mapping[str, Person]:
        """The persons of these events by name, as far as a contract asks and they are known: a read for each 100.

        Raises:
            MillraceError: the table or KMS did not answer.
        """
        names = {name_of(envelope, contract) for contract, envelope in events if contract.consent}
        return self._people.known(org, names) if names else {}

    def heed(self, contract: Contract, envelope: Envelope, people: Mapping[str, Person]) -> Heeded:
        """What is left of an event; `people` as `said` gives them. Who is not known has said nothing."""
        if not contract.consent:
            return Heeded(envelope)
        person = people.get(name_of(envelope, contract))
        # What is of somebody who was erased is kept nowhere, whatever a purpose asks for.
        if person is not None and (forgotten := Protection.refusal(envelope, person)):
            return Heeded(envelope, forgotten, kept=False)
        rules = lacking(contract.consent, self._purposes, {} if person is None else person.consents)
        for without in ("refuse", "drop"):
            for rule in rules:
                if rule["without"] == without:
                    return Heeded(envelope, _error(rule["purpose"], without), kept=without == "refuse")
        masked = []
        for pointer in dict.fromkeys(pointer for rule in rules for pointer in rule["fields"]):
            parts = pointers.parse(pointer)
            if pointers.read(envelope, parts) is not None:
                envelope = _left_out(envelope, parts)
                masked.append(pointer)
        return Heeded(envelope, masked=tuple(masked))


def _error(purpose: str, without: str) -> FieldError:
    fate = "so it is kept nowhere" if without == "drop" else "which this type needs"
    return FieldError("", "rule", f"the person has not agreed to {purpose}, {fate}")


def _left_out(value: Mapping[str, Any], parts: tuple[str, ...]) -> dict[str, Any]:
    name, *rest = parts
    if not rest:
        return {key: inner for key, inner in value.items() if key != name}
    return {**value, name: _left_out(value[name], tuple(rest))}
