"""Events with personal data where their contract protects none, of contracts that refuse them. Pure.

Only those contracts pay for the search: it costs about as much again as the validation.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from millrace.contracts import pointers
from millrace.contracts.contract import Contract
from millrace.contracts.errors import FieldError
from millrace.contracts.redaction import Redaction
from millrace.contracts.validator import MAX_ERRORS
from millrace.privacy import detector
from millrace.privacy.search import Search

_CALLED = {
    detector.EMAIL: "an e-mail address",
    detector.IBAN: "a bank account number",
    detector.IP: "an IP address",
    detector.NATIONAL_ID: "a national identity number",
    detector.CARD: "a payment card number",
    detector.PHONE: "a phone number",
}


def called(kinds: Iterable[str]) -> str:
    """Kinds of personal data, in words."""
    return " and ".join(_CALLED[kind] for kind in sorted(kinds))


class PersonalData:
    """Judges events; keeps what it has compiled of each contract."""

    def __init__(self) -> None:
        self._searches: dict[str, tuple[Search, Redaction]] = {}

    def errors(self, event: dict[str, Any], contract: Contract) -> Sequence[FieldError]:
        """Why an event is refused, at most `MAX_ERRORS`; nothing where its contract takes it.

        Args:
            event: a valid event.
            contract: its contract.
        """
        if contract.personal_data != "quarantine":
            return ()
        compiled = self._searches.get(contract.ref)
        if compiled is None:
            compiled = self._searches[contract.ref] = (Search(contract), Redaction(contract))
        search, redaction = compiled
        errors = []
        for path, kinds in islice(search.found(event), MAX_ERRORS):
            message = f"holds what looks like {called(kinds)}, which this type takes in protected fields only"
            errors.append(FieldError(pointers.write(redaction.shown(path)), "rule", message))
        return errors
