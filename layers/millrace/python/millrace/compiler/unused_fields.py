"""Fields that events bring and nothing reads: what need not be collected. Build only.

Readers are tables of the warehouse (what their columns are made of, and what chooses, joins and orders their rows), feature views, aggregates,
patterns, Sigma rules, watches, the fraud rules, and the contract itself where a field is an index, a key or a person. A rule that only
validates a field reads nothing of it. Where it is not certain that a field is not read it counts as read.
"""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from millrace.compiler import readers
from millrace.contracts import columns
from millrace.contracts.contract import CLASSES, Contract
from millrace.contracts.tables import silver_table
from millrace.fraud.decision import SOURCE_TYPE
from millrace.warehouse.project import Project, Transform

# Parts of a query that use a column without showing it.
_CHOOSING = (exp.Where, exp.Having, exp.Qualify, exp.Join, exp.Group, exp.Order, exp.Window)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DATA = "/data/"


@dataclass(frozen=True, slots=True)
class Unused:
    """A field that nothing of the platform reads.

    Attributes:
        contract: such as `order.created.v1`.
        pointer: of the field in an event.
        column: of silver.
        classification: of the field, the strictest of what is in it.
        required: whether a client has to send it.
        routed: whether the type goes to the bus, where a subscriber may read it.
        consumers: names of those who say that they read the type.
    """

    contract: str
    pointer: str
    column: str
    classification: str
    required: bool
    routed: bool
    consumers: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As the command prints it."""
        return {
            "contract": self.contract,
            "pointer": self.pointer,
            "column": self.column,
            "classification": self.classification,
            "required": self.required,
            "routed": self.routed,
            "consumers": list(self.consumers),
        }


def unused(
    contracts: Sequence[Contract], project: Project, views: Iterable[Mapping[str, Any]], schemas_dir: Path
) -> list[Unused]:
    """All of them: protected ones first, then by contract and place.

    Types that only the platform makes are left out: nobody collects them.

    Args:
        contracts: of the events.
        project: the compiled warehouse.
        views: the compiled feature views.
        schemas_dir: the folder of aggregates, patterns and rules.
    """
    sent = [contract for contract in contracts if not contract.derived]
    read = _read(sent, project, views, schemas_dir)
    found = [
        Unused(
            contract.name,
            column.pointer,
            column.name,
            column.classification,
            column.required,
            contract.route,
            tuple(one["name"] for one in contract.consumers),
        )
        for contract in sent
        for column in columns.columns(contract)
        if column.pointer is not None
        and column.pointer.startswith(_DATA)
        and column.name not in read[silver_table(contract).full_name]
    ]
    return sorted(found, key=lambda one: (-CLASSES.index(one.classification), one.contract, one.pointer))


def _read(
    contracts: Sequence[Contract], project: Project, views: Iterable[Mapping[str, Any]], schemas_dir: Path
) -> Mapping[str, set[str]]:
    """Silver table → the columns that something reads."""
    read: dict[str, set[str]] = defaultdict(set)
    names = {
        silver_table(contract).full_name: {column.name for column in columns.columns(contract)}
        for contract in contracts
    }
    for transform in project.transforms:
        for sources in transform.lineage.values():
            for table, column in sources:
                read[table].add(column)
        chosen = _choosing(transform)
        for table in transform.inputs:
            read[table] |= chosen & names.get(table, set())
    for view in views:
        for group in view["groups"]:
            words = set(_WORD.findall(json.dumps(group, default=str)))
            read[group["table"]] |= words & names.get(group["table"], set())
    tables = defaultdict(list)
    for contract in contracts:
        tables[contract.event_type].append(contract)
    for one in readers.reads(schemas_dir, contracts):
        for contract in tables[one.event_type]:
            read[silver_table(contract).full_name].add(one.field)
    for contract in contracts:
        table = silver_table(contract).full_name
        read[table] |= set(_own(contract, read[table]))
        if contract.event_type == SOURCE_TYPE:
            read[table] |= names[table]
    return read


def _choosing(transform: Transform) -> set[str]:
    """Names of columns that choose, join or order rows, in the table's SQL and its views'."""
    return {
        column.name
        for sql in (transform.sql, *(view.sql for view in transform.staging))
        for part in sqlglot.parse_one(sql, read="duckdb").find_all(*_CHOOSING)
        for column in part.find_all(exp.Column)
    }


def _own(contract: Contract, read: Collection[str]) -> Iterator[str]:
    """Columns that the contract itself uses: names of persons and things, and what a column is derived from that is read."""
    named = {contract.subject, contract.user_id_pointer, contract.partition_key, *contract.entity.values()}
    named |= {one["pointer"] for one in contract.users}
    # The platform fills these; nobody sends them.
    named |= set(contract.enrich.values())
    derived = {rule["of"] for rule in contract.silver if rule["column"] in read}
    for column in columns.columns(contract):
        if column.pointer is not None and (column.pointer in named or column.pointer in derived):
            yield column.name
