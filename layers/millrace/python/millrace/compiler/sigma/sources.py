"""What Sigma's log sources and field names are here: `schemas/sigma/fields.yaml`, and the contracts. Build only."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from millrace.compiler.sentences import meant, sentences
from millrace.contracts import columns as silver
from millrace.contracts import fields
from millrace.contracts.column_types import snake
from millrace.contracts.contract import CATEGORIES, PROTECTED, Contract
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.sigma.line_rules import SOURCES
from millrace.sigma.line_source import LineSource

FOLDER = "sigma"
FILE = f"{FOLDER}/fields.yaml"
PRODUCT = "millrace"
_ALERTS = "alert."
# How rules may name the parts of an event in front of a field, and how its column begins.
_PARTS = {"payload.": "", "data.payload.": "", "metadata.": "meta_", "data.metadata.": "meta_"}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Source(_Model):
    """Rules for other logs: which event types they ask, or the lines of which log; what fields are called; what is not kept, and why."""

    logsource: dict[str, str] = Field(min_length=1)
    types: list[str] = []
    lines: str = ""
    fields: dict[str, str] = {}
    not_kept: dict[str, str] = Field({}, alias="notKept")


class _Mapping(_Model):
    fields: dict[str, str]
    sources: list[_Source] = []


@dataclass(frozen=True, slots=True)
class Kind:
    """An event type in one major, as a rule sees it: its columns by name, the few values that some have, what is protected, and what holds users."""

    contract: Contract
    fields: Mapping[str, fields.Field]
    values: Mapping[str, Sequence[str]]
    protected: Mapping[str, str]
    users: frozenset[str]


@dataclass(frozen=True, slots=True)
class Source:
    """The events that a rule is about, how it calls their fields, and which fields nobody keeps; `lines`: of a log instead of events."""

    kinds: Sequence[Kind]
    names: Mapping[str, str]
    not_kept: Mapping[str, str] = field(default_factory=dict)
    lines: LineSource | None = None

    def column(self, name: str) -> str | None:
        """The column that a rule's field is; None if no event of the source has it."""
        known = dict.fromkeys(one for kind in self.kinds for one in kind.fields)
        return next((one for one in self._candidates(name) if one in known), None)

    def problem(self, name: str) -> str:
        """Why a field is none."""
        if name in self.not_kept:
            return f"{name} is not kept: {self.not_kept[name]}"
        about = ", ".join(kind.contract.name for kind in self.kinds[:3])
        lists = {
            column.name
            for kind in self.kinds
            for column in silver.columns(kind.contract)
            if column.name not in kind.fields
        }
        if any(one in lists for one in self._candidates(name)):
            return f"{name} is a list or an object, and a condition is of one value"
        known = sorted({one for kind in self.kinds for one in kind.fields})
        return f"no event of {about} has a field {name}{meant(snake(name), known)}"

    def _candidates(self, name: str) -> Iterator[str]:
        yield self.names.get(name, name)
        yield snake(name.replace(".", "_"))
        for part, prefix in _PARTS.items():
            if name.startswith(part):
                yield prefix + snake(name.removeprefix(part).replace(".", "_"))


class Sources:
    """The log sources that rules may name."""

    def __init__(self, document: Any, contracts: Iterable[Contract]) -> None:
        """Reads the mapping.

        Raises:
            ContractError: with every problem of it.
        """
        # What raises alerts about alerts does not end.
        self._kinds = [_kind(one) for one in contracts if not one.event_type.startswith(_ALERTS)]
        self._lines = {one.service: _kind(one.contract) for one in SOURCES}
        try:
            self._mapping = _Mapping.model_validate(document)
        except ValidationError as error:
            raise ContractError(
                [ContractProblem(FILE, *one) for one in sentences(error, document, _Mapping)]
            ) from error
        if found := [ContractProblem(FILE, *one) for one in self._problems()]:
            raise ContractError(found)

    def of(self, logsource: Mapping[str, str | None]) -> Source | str:
        """The source of a rule's `logsource`, or why it has none, as a sentence."""
        given = {key: value for key, value in logsource.items() if value}
        if given.get("product") == PRODUCT:
            return self._own(given.get("service"), given.get("category"))
        for one in self._mapping.sources:
            if one.logsource.items() <= given.items():
                return self._source(one)
        return (
            f"there are no events for this log source: a rule of ours has product: {PRODUCT} and an event type as its service "
            f"or a category of events, and schemas/{FILE} lists sources of others"
        )

    def _own(self, service: str | None, category: str | None) -> Source | str:
        if service is None and category is None:
            return (
                "an event type as the service, or a category of events, says which events the rule is about"
            )
        if service in self._lines:
            return self._of_log(service, category)
        found = self._kinds
        if service is not None:
            found = [one for one in found if one.contract.event_type == service]
            if not found:
                types = sorted({one.contract.event_type for one in self._kinds})
                return f"there is no event type {service}{meant(service, types)}"
            if found[0].contract.store == "none":
                return f"{service} has `store: none`: no consumer of the table's stream sees its events"
        if category is not None:
            found = [
                one for one in found if one.contract.category == category and one.contract.store != "none"
            ]
            if not found:
                return (
                    f"no such events are of a category {category}{meant(category, CATEGORIES, listed=True)}"
                )
        return Source(found, self._mapping.fields)

    def _source(self, one: _Source) -> Source:
        names = {**self._mapping.fields, **one.fields}
        if not one.lines:
            return Source(self._of_types(one.types), names, one.not_kept)
        log = next(source for source in SOURCES if source.service == one.lines)
        return Source([self._lines[one.lines]], {**names, **log.names}, one.not_kept, log)

    def _of_log(self, service: str, category: str | None) -> Source | str:
        log = next(source for source in SOURCES if source.service == service)
        mapped = next((one for one in self._mapping.sources if one.lines == service), None)
        if category is not None and (mapped is None or mapped.logsource.get("category") != category):
            return f"lines of {log.called} are of no category {category}"
        if mapped is not None:
            return self._source(mapped)
        return Source([self._lines[service]], log.names, lines=log)

    def _of_types(self, types: Sequence[str]) -> list[Kind]:
        return [one for one in self._kinds if one.contract.event_type in types]

    def _problems(self) -> Iterator[tuple[str, str]]:
        envelope = {column.name for column in silver.ENVELOPE} | {fields.EVENT_TYPE}
        for name, column in self._mapping.fields.items():
            if column not in envelope:
                yield f"/fields/{name}", f"no event has {column}{meant(column, envelope)}"
        known = {one.contract.event_type for one in self._kinds if one.contract.store != "none"}
        for at, source in enumerate(self._mapping.sources):
            yield from self._problems_of(source, f"/sources/{at}", known)

    def _problems_of(self, source: _Source, here: str, known: set[str]) -> Iterator[tuple[str, str]]:
        if bool(source.types) == bool(source.lines):
            yield here, "a log source is about types of events, or about lines of a log"
            return
        if source.lines and source.lines not in self._lines:
            yield f"{here}/lines", f"there is no log {source.lines}{meant(source.lines, self._lines)}"
            return
        for place, name in enumerate(source.types):
            if name not in known:
                yield f"{here}/types/{place}", f"there is no stored type {name}{meant(name, known)}"
        kinds = [self._lines[source.lines]] if source.lines else self._of_types(source.types)
        of_source = {one for kind in kinds for one in kind.fields}
        for name, column in source.fields.items():
            if of_source and column not in of_source:
                yield f"{here}/fields/{name}", f"none of its types has {column}{meant(column, of_source)}"
        for name in source.not_kept:
            if name in source.fields or name in of_source:
                yield f"{here}/notKept/{name}", f"{name} is kept"


def _kind(contract: Contract) -> Kind:
    values = {
        column.name: column.schema["enum"] for column in silver.columns(contract) if "enum" in column.schema
    }
    protected = {
        column.name: column.classification
        for column in silver.columns(contract)
        if column.classification in PROTECTED
    }
    return Kind(contract, fields.fields(contract), values, protected, silver.users(contract))
