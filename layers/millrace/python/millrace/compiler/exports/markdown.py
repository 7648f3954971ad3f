"""A contract as a page for people, in Markdown."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from millrace.contracts import columns
from millrace.contracts.contract import Contract
from millrace.contracts.decimals import INT64, LIMIT, is_decimal
from millrace.contracts.schema import json_type, leaves

_LIMITS = {
    "minimum": ">= {}",
    "exclusiveMinimum": "> {}",
    "maximum": "<= {}",
    "exclusiveMaximum": "< {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "format": "{}",
    "pattern": "`{}`",
}

_OTHER_FIELDS = {"allow": "are kept", "reject": "are refused", "drop": "are left out of what is stored"}


def page(contract: Contract, example: dict[str, Any] | None = None) -> str:
    """The page of one contract.

    Args:
        contract: what is described.
        example: a golden sample to show.
    """
    blocks = [
        f"# {contract.event_type}, version {contract.version}",
        contract.description,
        "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in _facts(contract))]),
        "## Fields",
        "\n".join(["| field | type | must | class | what |", "|---|---|---|---|---|", *_rows(contract)]),
    ]
    if contract.rules:
        blocks += ["## Rules", "\n".join(f"- {_rule(rule)}" for rule in contract.rules)]
    listed = [f"| `{c.name}` | `{columns.glue_type(c.type)}` |" for c in columns.columns(contract)]
    blocks += [
        f"## Columns of `silver.{columns.table(contract)}`",
        "\n".join(["| column | type |", "|---|---|", *listed]),
    ]
    if example is not None:
        blocks += ["## Example", f"```json\n{json.dumps(example, indent=2, ensure_ascii=False)}\n```"]
    return "\n\n".join(block for block in blocks if block) + "\n"


def index(contracts: Iterable[Contract]) -> str:
    """The list of all contracts, each with a link to its page."""
    rows = [
        f"| [{c.event_type}]({c.name}.md) | {c.version} | {c.category} | {_cell(c.description)} |"
        for c in contracts
    ]
    return "\n".join(
        ["# Event types", "", "| type | version | category | what |", "|---|---|---|---|", *rows, ""]
    )


def _facts(contract: Contract) -> Iterator[tuple[str, str]]:
    yield "category", contract.category
    stored = contract.store == "table"
    yield "stored", "in the table Events" if stored else "straight to the log; not readable by id"
    if stored:
        yield "found by", ", ".join(sorted(contract.indexes))
    pointers = {
        **{f"entity {name}": pointer for name, pointer in contract.entity.items()},
        "subject": contract.subject,
        "userId is filled from": contract.user_id_pointer,
        "partition key": contract.partition_key,
    }
    yield from ((name, f"`{pointer}`") for name, pointer in pointers.items() if pointer)
    for fact, pointer in contract.enrich.items():
        yield f"{fact} of the request", f"into `{pointer}` where the client sent none"
    yield "goes to the bus", "yes" if contract.route else "no"
    yield "other fields", _OTHER_FIELDS[contract.additional_properties]
    for rule in contract.consent:
        fate = {"drop": "it is kept nowhere", "refuse": "it is refused"}.get(rule["without"])
        names = ", ".join(f"`{pointer}`" for pointer in rule["fields"])
        yield f"without consent for {rule['purpose']}", fate or f"{names} left out"
    if contract.personal_data == "quarantine":
        yield "personal data in other fields than the protected ones", "is refused"
    yield "kept for", f"{contract.retention_days} days"
    if contract.retirement is not None:
        yield "accepted until", f"{contract.retirement.ends} (UTC), then version {contract.retirement.by}"
    yield "late until", _duration(contract.lateness_seconds)


def _rows(contract: Contract) -> Iterator[str]:
    for pointer, schema in leaves(contract.data_schema, "/data"):
        if pointer in ("/data/payload", "/data/metadata"):
            continue
        needed = "required" if _is_required(contract, pointer) else ""
        must = "; ".join(part for part in (needed, *_limits(schema)) if part)
        kind = contract.classification.get(pointer, "")
        yield f"| `{pointer}` | {_type(schema)} | {_cell(must)} | {kind} | {_cell(schema.get('description', ''))} |"


def _type(schema: dict[str, Any]) -> str:
    if is_decimal(schema):
        return "decimal(18,4)"
    return {"date-time": "timestamp", "date": "date"}.get(schema.get("format", ""), json_type(schema))


def _limits(schema: dict[str, Any]) -> Iterator[str]:
    implied = {*INT64, LIMIT, -LIMIT}
    for keyword, sentence in _LIMITS.items():
        if keyword not in schema or (keyword in ("minimum", "maximum") and schema[keyword] in implied):
            continue
        # A format says its pattern by its name.
        if not (keyword == "pattern" and "format" in schema):
            yield sentence.format(schema[keyword])
    if "enum" in schema:
        yield "one of " + ", ".join(f"`{value}`" for value in schema["enum"] if value is not None)


def _is_required(contract: Contract, pointer: str) -> bool:
    schema = contract.data_schema
    needed = True
    for part in pointer.split("/")[2:]:
        if part == "*":
            schema, needed = schema["items"], True
        else:
            needed = part in schema.get("required", ())
            schema = schema["properties"][part]
    return needed


def _rule(rule: dict[str, Any]) -> str:
    kind = rule["kind"]
    if kind == "equalsSum":
        product = " × ".join(rule["factors"])
        return (
            f"`{rule['total']}` is the sum of {product} over `{rule['items']}`, within {rule['tolerance']}."
        )
    if kind == "notBefore":
        return f"`{rule['later']}` is not before `{rule['earlier']}`."
    if kind == "requiredIf":
        values = " or ".join(f"`{value}`" for value in rule["equals"])
        return f"`{rule['field']}` is required when `{rule['when']}` is {values}."
    return f"`{rule['field']}` refers to `{rule['key']}` of {rule['type']}; unknown ones are flagged, not refused."


def _duration(seconds: int) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
