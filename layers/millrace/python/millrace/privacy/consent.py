"""Purposes, what persons have said of them, and whether an event may be taken by that. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from millrace.core import clock

# What the use of data for a purpose rests on (GDPR, article 6). Of these two a person may withdraw or object.
CONSENT, INTEREST = "consent", "legitimate_interest"
BASES = (CONSENT, INTEREST, "contract", "legal_obligation")
WITHDRAWABLE = frozenset({CONSENT, INTEREST})
_MILLISECOND = timedelta(milliseconds=1)
# What becomes of an event without consent: kept nowhere, refused into quarantine, or stored without some fields.
WITHOUT = ("drop", "mask", "refuse")


@dataclass(frozen=True, slots=True)
class Purpose:
    """What personal data is used for.

    Attributes:
        name: such as `analytics`.
        version: of what persons agree to; who agreed to an older one has not agreed to this.
        description: what they are told.
        legal_basis: one of `BASES`.
        default: whether it holds for a person who has said nothing.
    """

    name: str
    version: int
    description: str
    legal_basis: str
    default: bool

    def to_json(self) -> dict[str, Any]:
        """The form in the bundle."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a person has said of a purpose. `at`: UTC text; `by`: the principal that recorded it."""

    granted: bool
    version: int
    at: str
    by: str

    def to_item(self) -> dict[str, Any]:
        """In DynamoDB's form."""
        return {
            "M": {
                "granted": {"BOOL": self.granted},
                "version": {"N": str(self.version)},
                "at": {"S": self.at},
                "by": {"S": self.by},
            }
        }

    @classmethod
    def of_item(cls, item: Mapping[str, Any]) -> "Statement":
        """Reads what `to_item` wrote."""
        held = item["M"]
        return cls(held["granted"]["BOOL"], int(held["version"]["N"]), held["at"]["S"], held["by"]["S"])


def behind(statement: Mapping[str, Any], held: Mapping[str, Any]) -> Mapping[str, Any]:
    """A statement with a moment behind that of the one that it replaces: so the moments, of which events are made, have the order of the writes.

    Args:
        statement: the new one, in DynamoDB's form.
        held: the one that holds, in DynamoDB's form.
    """
    new, old = (one["M"]["at"]["S"] for one in (statement, held))
    if new > old:
        return statement
    at = clock.utc_text(clock.parse(old) + _MILLISECOND)
    return {"M": {**statement["M"], "at": {"S": at}}}


def said(consents: Mapping[str, Any], purpose: str) -> Statement | None:
    """What a person has said of a purpose; None if nothing.

    Args:
        consents: of a person, in DynamoDB's form.
        purpose: its name.
    """
    item = consents.get(purpose)
    return None if item is None else Statement.of_item(item)


def holds(purpose: Purpose, statement: Statement | None) -> bool:
    """Whether data of a person may be used for a purpose.

    A withdrawal holds for every version; a grant for its own and older ones; else what holds by default.
    """
    if purpose.legal_basis not in WITHDRAWABLE:
        return True
    if statement is None:
        return purpose.default
    return statement.granted and (statement.version >= purpose.version or purpose.default)


def lacking(
    rules: Sequence[Mapping[str, Any]], purposes: Mapping[str, Purpose], consents: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """The rules of a contract whose purpose does not hold for a person.

    Args:
        rules: `consent` of a contract: `{purpose, without, fields}` each.
        purposes: by name.
        consents: of the person; empty for one who is not known.
    """
    return [rule for rule in rules if not holds(purposes[rule["purpose"]], said(consents, rule["purpose"]))]
