"""The aggregates in force: those of the compiled bundle, read once a process."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from millrace.aggregates.definition import Aggregate, of_types
from millrace.contracts import registry as contracts
from millrace.contracts.columns import table
from millrace.contracts.fields import fields
from millrace.contracts.registry import Registry
from millrace.core import bundle


@dataclass(frozen=True)
class Aggregates:
    """Aggregates by name, and the contracts that their columns are of."""

    by_name: Mapping[str, Aggregate]
    contracts: Registry

    def __iter__(self) -> Iterator[Aggregate]:
        return iter(self.by_name.values())

    @cached_property
    def types(self) -> dict[str, dict[str, str]]:
        """Event type → column → its type, for every column that an aggregate reads, of whatever major has it."""
        return {name: self._columns(name, several) for name, several in of_types(list(self)).items()}

    @cached_property
    def tables(self) -> tuple[str, ...]:
        """The tables of silver that have their events."""
        majors = [one for name in of_types(list(self)) for one in self.contracts.majors(name).values()]
        return tuple(sorted(f"silver.{table(one)}" for one in majors))

    def _columns(self, event_type: str, aggregates: Sequence[Aggregate]) -> dict[str, str]:
        wanted = frozenset[str]().union(*(one.columns(event_type) for one in aggregates))
        majors = sorted(self.contracts.majors(event_type).items())
        known = {name: field.type for _, contract in majors for name, field in fields(contract).items()}
        return {name: known[name] for name in sorted(wanted)}


def load(folder: Path | None = None) -> Aggregates:
    """The aggregates of the bundle in `folder`, else of the one in force."""
    return bundle.load(_read, folder)


def _read(folder: Path) -> Aggregates:
    # A bundle of contracts alone has none.
    documents = bundle.document(folder, bundle.AGGREGATES) if (folder / bundle.AGGREGATES).exists() else []
    return Aggregates({one["name"]: Aggregate.from_json(one) for one in documents}, contracts.load(folder))
