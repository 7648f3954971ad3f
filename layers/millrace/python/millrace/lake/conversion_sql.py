"""The SQL that makes raw rows of an older major into raw rows of a newer one, as the newer contract's `up_converter` says.

Pure: contracts in, text out; DuckDB's dialect. Only payload and metadata change: the envelope, and the contract that a row was
accepted under, stay. What comes out is judged by the newer contract like any other row.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from millrace.contracts import pointers
from millrace.contracts.contract import Contract
from millrace.contracts.schema import leaves
from millrace.core.sql import literal

_PARTS = ("payload", "metadata")


def converted(contract: Contract, old: Contract, source: str) -> str:
    """The rows as what stands behind FROM.

    Args:
        contract: the newer one.
        old: the one that the rows were accepted under.
        source: raw rows, likewise.
    """
    made = {
        **dict.fromkeys(_unknown(contract, old), "NULL"),
        **{pointer: _made(source) for pointer, source in contract.up_converter["fields"].items()},
    }
    columns = ", ".join(f"{_part(part, made)} AS {part}" for part in _PARTS)
    return f"(SELECT * REPLACE ({columns}) FROM {source})"  # noqa: S608  names of ours, quoted


def _part(part: str, made: Mapping[str, str]) -> str:
    tree: dict[str, Any] = {}
    for pointer, sql in made.items():
        _, name, *path = pointers.parse(pointer)
        if name != part:
            continue
        *above, last = path
        node = tree
        for step in above:
            node = node.setdefault(step, {})
        node[last] = sql
    if not tree:
        return part
    # What is not JSON becomes nothing, as in silver.
    return f"CAST(TRY(json_merge_patch(coalesce({part}, '{{}}'), {_object(tree)})) AS VARCHAR)"


def _object(tree: Mapping[str, Any]) -> str:
    parts = (
        f"{literal(name)}, {_object(inner) if isinstance(inner, dict) else inner}"
        for name, inner in tree.items()
    )
    return f"json_object({', '.join(parts)})"


def _made(source: Mapping[str, Any]) -> str:
    """SQL of one field; null where there is none, and then the patch takes it away."""
    if "value" in source:
        return _constant(source["value"])
    _, part, *path = pointers.parse(source["of"])
    place = literal("$" + "".join(f'."{name}"' for name in path))
    made = f"nullif(json_extract({part}, {place}), CAST('null' AS JSON))"
    if source.get("values"):
        cases = " ".join(
            f"WHEN {literal(text)} THEN {_constant(value)}" for text, value in source["values"].items()
        )
        made = f"CASE json_extract_string({part}, {place}) {cases} ELSE {made} END"
    return f"coalesce({made}, {_constant(source['otherwise'])})" if "otherwise" in source else made


def _constant(value: Any) -> str:
    return f"CAST({literal(orjson.dumps(value).decode())} AS JSON)"


def _unknown(contract: Contract, old: Contract) -> list[str]:
    """Fields that the older major had not. An open type may hold anything there, which is not what the newer one means."""
    known = {pointer for pointer, _ in leaves(old.data_schema, "/data")}
    new = [pointer for pointer, _ in leaves(contract.data_schema, "/data") if "*" not in pointer]
    made = contract.up_converter["fields"]
    return [
        pointer
        for pointer in new
        if pointer not in known
        and pointer.rpartition("/")[0] in known
        and not any(one == pointer or one.startswith(f"{pointer}/") for one in made)
    ]
