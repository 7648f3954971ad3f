"""A table of the lake as contracts describe it: silver from an event's contract, the rest from a table's."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from millrace.contracts import columns, rules_sql
from millrace.contracts.columns import Column, type_of
from millrace.contracts.contract import Contract

Layer = Literal["silver", "gold", "marts", "ml_features"]
LAYERS: tuple[Layer, ...] = ("silver", "gold", "marts", "ml_features")
# `day`: a tenant's UTC day is replaced as a whole. `org`: all of a tenant is.
Grain = Literal["day", "org"]
Refresh = Literal["hourly", "daily"]
# A source is late after two hours, and an error after four.
FRESHNESS_HOURS = (2.0, 4.0)
# Events of the platform itself and of its operators come at no regular times.
_AS_IT_HAPPENS = frozenset({"system-events", "ml-events"})


@dataclass(frozen=True, slots=True)
class LakeTable:
    """A table that the pipeline keeps.

    Attributes:
        layer: its schema.
        name: its name in the schema, such as `order_created_v1`.
        columns: in order.
        grain: what is replaced at once; the partitions are the tenant and, for `day`, the day of `time_column`.
        time_column: whose UTC day is the partition; None for grain `org`.
        refresh: how often it is made anew.
        description: what a row is, for people.
        owner: who answers for it.
        quality: checks beyond those that follow from the columns, as the contract's author wrote them.
        freshness_hours: age of the newest row at which to warn, and at which it is an error; None where it is not checked.
        rules: name of a rule across columns → SQL condition that holds for the rows that break it.
        contract: which promise it keeps, such as `order.created/1.2.0` or `marts.fct_transactions/1.0.0`.
        users: columns of silver that hold users; where a table is read from its JSON, none are known.
    """

    layer: Layer
    name: str
    columns: tuple[Column, ...]
    grain: Grain
    time_column: str | None
    refresh: Refresh
    description: str
    owner: str
    quality: tuple[dict[str, Any], ...] = ()
    freshness_hours: tuple[float, float] | None = None
    rules: tuple[tuple[str, str], ...] = ()
    contract: str = ""
    users: frozenset[str] = frozenset()

    @property
    def full_name(self) -> str:
        """`silver.order_created_v1`."""
        return f"{self.layer}.{self.name}"


def silver_table(contract: Contract) -> LakeTable:
    """The silver table of an event type and major."""
    return LakeTable(
        layer="silver",
        name=columns.table(contract),
        columns=columns.columns(contract),
        grain="day",
        time_column="event_time",
        refresh="hourly",
        description=contract.description,
        owner="platform",
        freshness_hours=None if contract.category in _AS_IT_HAPPENS else FRESHNESS_HOURS,
        rules=tuple(_rules(contract)),
        contract=contract.ref,
        users=columns.users(contract),
    )


def _rules(contract: Contract) -> Iterator[tuple[str, str]]:
    names = {column.pointer: column.name for column in columns.columns(contract)}
    for rule in contract.rules:
        # No row alone breaks a reference: it depends on another table.
        if rule["kind"] != "reference":
            about = next(rule[name] for name in ("total", "later", "field") if name in rule)
            yield f"{rule['kind']}({names[about]})", rules_sql.broken(rule, contract)


def to_json(table: LakeTable) -> dict[str, Any]:
    """The form in the bundle."""
    return {
        "layer": table.layer,
        "name": table.name,
        "columns": [
            {
                "name": column.name,
                "schema": column.schema,
                "required": column.required,
                "unique": column.unique,
                "classification": column.classification,
            }
            for column in table.columns
        ],
        "grain": table.grain,
        "time": table.time_column,
        "refresh": table.refresh,
        "description": table.description,
        "owner": table.owner,
        "quality": list(table.quality),
        "freshnessHours": table.freshness_hours,
        "contract": table.contract,
    }


def from_json(document: dict[str, Any]) -> LakeTable:
    """Reads what `to_json` wrote."""
    hours = document["freshnessHours"]
    return LakeTable(
        layer=document["layer"],
        name=document["name"],
        columns=tuple(described_column(part) for part in document["columns"]),
        grain=document["grain"],
        time_column=document["time"],
        refresh=document["refresh"],
        description=document["description"],
        owner=document["owner"],
        quality=tuple(document["quality"]),
        freshness_hours=None if hours is None else (hours[0], hours[1]),
        contract=document["contract"],
    )


def described_column(document: dict[str, Any]) -> Column:
    """A column by its JSON Schema, which gives its type."""
    schema = document["schema"]
    return Column(
        name=document["name"],
        pointer=None,
        type=type_of(schema),
        required=document["required"],
        description=schema.get("description", ""),
        schema=schema,
        classification=document["classification"],
        unique=document["unique"],
    )
