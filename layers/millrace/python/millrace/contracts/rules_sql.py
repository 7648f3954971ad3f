"""The SQL form of the rules, over the columns of silver. Each gives the same verdict as its Python form in `rules`."""

from typing import Any

from millrace.contracts import columns
from millrace.contracts.contract import Contract
from millrace.contracts.decimals import SCALE, is_decimal
from millrace.contracts.schema import leaves
from millrace.core.sql import literal


def broken(rule: dict[str, Any], contract: Contract) -> str:
    """A condition that is true for the rows that break a rule, false for all others, and never null.

    A `reference` is broken by no row: see `unknown_references`.
    """
    names = {column.pointer: f'"{column.name}"' for column in columns.columns(contract)}
    kind = rule["kind"]
    if kind == "equalsSum":
        return _equals_sum(rule, contract, names)
    if kind == "notBefore":
        return f"coalesce({names[rule['later']]} < {names[rule['earlier']]}, false)"
    if kind == "requiredIf":
        return _required_if(rule, contract, names)
    return "false"


def unknown_references(
    rule: dict[str, Any], contract: Contract, target: Contract, schema: str = "silver"
) -> str:
    """A query of the event ids whose reference no event of the target has introduced in the same tenant.

    No check counts them yet.

    Args:
        rule: a `reference`.
        contract: whose rule it is.
        target: the contract of the type that the rule names.
        schema: where the silver tables are.
    """
    field = _name(contract, rule["field"])
    key = _name(target, rule["key"])
    return (
        f'SELECT here."event_id" FROM "{schema}"."{columns.table(contract)}" AS here\n'  # noqa: S608  names of ours
        f"WHERE here.{field} IS NOT NULL AND NOT EXISTS (\n"
        f'  SELECT 1 FROM "{schema}"."{columns.table(target)}" AS there\n'
        f'  WHERE there."org_id" = here."org_id" AND there.{key} = here.{field}\n'
        ")"
    )


def _equals_sum(rule: dict[str, Any], contract: Contract, names: dict[str | None, str]) -> str:
    fields = dict(leaves(contract.data_schema, "/data"))

    def exact(sql: str, pointer: str) -> str:
        # Wide on purpose: DuckDB multiplies decimals in the width of their columns and gives up beyond it.
        return f"CAST({sql} AS DECIMAL(38, {SCALE if is_decimal(fields[pointer]) else 0}))"

    first, *others = rule["factors"]
    product = " * ".join(
        [
            exact(f'part."{columns.snake(first)}"', f"{rule['items']}/*/{first}"),
            *(f'part."{columns.snake(other)}"' for other in others),
        ]
    )
    total, items = exact(names[rule["total"]], rule["total"]), names[rule["items"]]
    products = f"list_transform({items}, lambda part: {product})"
    # A product is null where a factor is: then there is no sum to equal. DuckDB's sum of no items is null, ours is 0.
    return (
        f"coalesce(list_count({products}) = len({items})"
        f" AND abs({total} - coalesce(list_sum({products}), 0)) > {rule['tolerance']}, false)"
    )


def _required_if(rule: dict[str, Any], contract: Contract, names: dict[str | None, str]) -> str:
    # Silver has one event type a table, so the type is a constant there and no column.
    when = literal(contract.event_type) if rule["when"] == "/eventType" else names[rule["when"]]
    values = ", ".join(literal(value) for value in rule["equals"])
    return f"(coalesce({when} IN ({values}), false) AND {names[rule['field']]} IS NULL)"


def _name(contract: Contract, pointer: str) -> str:
    return next(f'"{column.name}"' for column in columns.columns(contract) if column.pointer == pointer)
