"""The contracts in force: the compiled bundle of the layer, read once a process."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millrace.contracts import validator as validation
from millrace.contracts.contract import VERSION, Contract
from millrace.contracts.errors import FieldError, UnknownType, UnknownVersion
from millrace.contracts.validator import Validator
from millrace.core import bundle

if TYPE_CHECKING:
    from millrace.contracts.tables import LakeTable

_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class Published:
    """A version of a contract as the registry serves it.

    Attributes:
        event_type: such as `order.created`.
        version: full, such as `1.2.0`.
        number: its place in the order in which the versions of the type were published, from 1.
        ids: form → id of its text, the same wherever the text is.
    """

    event_type: str
    version: str
    number: int
    ids: Mapping[str, int]


class Registry:
    """The contracts of a bundle, by type and version."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the bundle's."""
        self._folder = folder
        documents = bundle.document(folder, bundle.CONTRACTS)
        self.contracts: tuple[Contract, ...] = tuple(map(Contract.from_json, documents))
        self._types: dict[str, dict[int, Contract]] = {}
        for contract in self.contracts:
            self._types.setdefault(contract.event_type, {})[contract.major] = contract
        self.type_names: Mapping[str, str] = bundle.document(folder, bundle.TYPE_NAMES)
        self.derived_types = derived_types(self.contracts)
        self._newest = {name: majors[max(majors)] for name, majors in self._types.items()}
        self._found: dict[tuple[str, str | None], Contract] = {}
        self._validators: dict[tuple[str, str, str], Validator] = {}
        self._dictionaries: dict[str, bytes] = {}

    def find(self, event_type: str, version: str | None = None) -> Contract:
        """The contract of an event.

        Args:
            event_type: such as `order.created`.
            version: `1`, `1.2` or `1.2.0`; the newest major if None.

        Raises:
            UnknownType: no contract describes the type.
            UnknownVersion: the text is not a version, the major does not exist, or its minor is newer than ours.
        """
        contract = self._found.get((event_type, version))
        if contract is None:
            contract = self._find(event_type, version)
            # A version has endless spellings (01.0), so not all of them are remembered.
            if len(self._found) < _REMEMBERED:
                self._found[event_type, version] = contract
        return contract

    def _find(self, event_type: str, version: str | None) -> Contract:
        if version is None:
            newest = self._newest.get(event_type)
            if newest is None:
                raise UnknownType("no contract describes this event type")
            return newest
        majors = self._types.get(event_type)
        if majors is None:
            raise UnknownType("no contract describes this event type")
        match = VERSION.fullmatch(version)
        if match is None:
            raise UnknownVersion("a version is major.minor.patch, such as 1.2.0")
        # Longer than any version of ours; and Python refuses to read endless digits.
        contract = majors.get(int(match[1])) if len(match[1]) <= 9 else None
        if contract is None:
            raise UnknownVersion(
                f"{event_type} has {', '.join(f'version {major}' for major in sorted(majors))}"
            )
        minor = match[2] or "0"
        if len(minor) > 9 or int(minor) > contract.minor:
            raise UnknownVersion(f"the newest minor of version {contract.major} is {contract.version}")
        return contract

    def described(self, event: Any) -> Contract | None:
        """The contract of what may be an event; None where it names none that there is."""
        named = event if isinstance(event, dict) else {}
        event_type, version = named.get("eventType"), named.get("version")
        if not isinstance(event_type, str) or not (version is None or isinstance(version, str)):
            return None
        try:
            return self.find(event_type, version)
        except (UnknownType, UnknownVersion):
            return None

    def of_ref(self, ref: str) -> Contract:
        """The contract in force for what an event carries as `platform.contract`, such as `order.created/1.2.0`.

        Its major decides: an event of an older minor, or of a newer one during a deploy, is described by ours.

        Raises:
            UnknownType: no contract describes the type.
            UnknownVersion: the major does not exist.
        """
        event_type, _, version = ref.partition("/")
        return self.find(event_type, version.partition(".")[0])

    def deployed(self, ref: str) -> Contract:
        """The contract of `platform.contract`, for what must be done by the version that the event was accepted under.

        Raises:
            UnknownType: no contract describes the type.
            UnknownVersion: the major does not exist, or the minor is newer than ours.
        """
        event_type, _, version = ref.partition("/")
        return self.find(event_type, version)

    def is_routed(self, event_type: str) -> bool:
        """Whether any major of the type goes to the bus."""
        return any(contract.route for contract in self.majors(event_type).values())

    def majors(self, event_type: str) -> Mapping[int, Contract]:
        """Every major of a type, empty for a type that no contract describes."""
        return self._types.get(event_type, {})

    def validator(self, contract: Contract, *, ids: str = "") -> Validator:
        """The contract's validator, compiled once; `ids` in place of those that the contract says."""
        key = (contract.event_type, contract.version, ids)
        validator = self._validators.get(key)
        if validator is None:
            judged = replace(contract, ids=ids) if ids else contract
            validator = self._validators[key] = Validator(judged)
        return validator

    def envelope_errors(self, event: Any) -> list[FieldError]:
        """What is wrong with the envelope of an event whose contract is not known."""
        return validation.envelope_errors(event)

    def dictionary(self, name: str) -> bytes:
        """The zstd dictionary of that name, for raw content; empty for the empty name, which means none.

        Raises:
            NotDeployedError: this bundle has no such dictionary.
        """
        if name and name not in self._dictionaries:
            self._dictionaries[name] = bundle.dictionary(self._folder, name)
        return self._dictionaries[name] if name else b""

    def tables(self) -> "Mapping[str, LakeTable]":
        """Every table of the lake by its full name: silver's from the events' contracts, the rest from their own."""
        return self._tables

    @cached_property
    def _tables(self) -> "dict[str, LakeTable]":
        # What takes events in or reads them starts without the lake's types.
        from millrace.contracts.tables import from_json, silver_table  # noqa: PLC0415

        described = map(from_json, bundle.document(self._folder, bundle.TABLES))
        return {table.full_name: table for table in (*map(silver_table, self.contracts), *described)}

    @cached_property
    def published(self) -> tuple[Published, ...]:
        """Every version of every contract that was ever deployed, by type and number."""
        listed = bundle.document(self._folder, bundle.PUBLISHED)
        return tuple(Published(one["type"], one["version"], one["number"], one["ids"]) for one in listed)

    def exported(self, event_type: str, version: str, form: str) -> bytes:
        """A published version in one of the forms of `bundle.export`."""
        return (self._folder / bundle.export(form, event_type, version)).read_bytes()


def derived_types(contracts: Iterable[Contract]) -> dict[str, frozenset[str]]:
    """Types that only the platform makes → the tenants that may send them nevertheless."""
    types: dict[str, frozenset[str]] = {}
    for contract in contracts:
        if contract.derived:
            open_to = frozenset({contract.tenant} if contract.tenant is not None else ())
            types[contract.event_type] = open_to & types.get(contract.event_type, open_to)
    return types


def load(folder: Path | None = None) -> Registry:
    """The contracts of the bundle in `folder`, else of the one in force."""
    return bundle.load(Registry, folder)
