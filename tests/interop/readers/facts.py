"""What a reader is asked of a table, and the facts that it answers with: the same for every engine.

A question is `{"table", "database", "name", "metadata", "snapshot", "columns"}`: the table's full name, its Glue database and
name, the location of its metadata file, a snapshot or None, and its columns as `{"name", "kind", "field"}`. `kind` is `text`,
`number`, `double`, `boolean`, `date`, `moment` or `list`; `field` is a decimal of a list's structs, or None.

An answer has for each tenant the number of rows, and of each column the nulls and, by its kind, sum, first and last value,
all of them as text. Only the standard library is imported: every engine's environment runs this.
"""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from typing import Any

Question = Mapping[str, Any]
Facts = dict[str, dict[str, str | None]]
# Marks an answer among whatever an engine prints.
MARK = "answer "

DUCKDB = {
    "quote": '"',
    "text": "VARCHAR",
    "moment": "strftime({} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f')",
    "items": "len({})",
    "first": "{}[1].{}",
}
SPARK = {
    "quote": "`",
    "text": "STRING",
    "moment": "date_format({}, 'yyyy-MM-dd HH:mm:ss.SSSSSS')",
    "items": "size({})",
    "first": "get({}, 0).{}",
}
TRINO = {
    "quote": '"',
    "text": "VARCHAR",
    "moment": "replace(CAST({} AT TIME ZONE 'UTC' AS VARCHAR), ' UTC', '')",
    "items": "cardinality({})",
    "first": "element_at({}, 1).{}",
}


def select(question: Question, relation: str, dialect: Mapping[str, str]) -> str:
    """The statement whose rows are a tenant and its facts, in the order of `labels`."""
    chosen = ", ".join(sql for _, sql in _measures(question, dialect))
    return f"SELECT org_id, {chosen} FROM {relation} GROUP BY org_id"


def labels(question: Question) -> list[str]:
    """The names of the facts of `select`."""
    return [label for label, _ in _measures(question, DUCKDB)]


def of_select(question: Question, rows: Iterable[Iterable[Any]]) -> Facts:
    """The answer of the rows of `select`."""
    names = labels(question)
    return {
        org: {name: None if value is None else str(value) for name, value in zip(names, values, strict=True)}
        for org, *values in rows
    }


def _measures(question: Question, dialect: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    quote, text = dialect["quote"], dialect["text"]

    def whole(expression: str) -> str:
        return f"CAST({expression} AS {text})"

    yield "rows", whole("count(*)")
    for column in question["columns"]:
        name, kind = column["name"], column["kind"]
        at = f"{quote}{name}{quote}"
        yield f"nulls({name})", whole(f"count(*) - count({at})")
        if kind == "text":
            yield f"characters({name})", whole(f"sum(length({at}))")
        elif kind == "number":
            yield f"sum({name})", whole(f"sum({at})")
        elif kind == "boolean":
            yield f"true({name})", whole(f"sum(CASE WHEN {at} THEN 1 ELSE 0 END)")
        elif kind == "list":
            yield f"items({name})", whole(f"sum({dialect['items'].format(at)})")
            if column["field"]:
                part = dialect["first"].format(at, f"{quote}{column['field']}{quote}")
                yield f"sum({name}.{column['field']})", whole(f"sum({part})")
        else:
            for label, function in (("first", "min"), ("last", "max")):
                value = f"{function}({at})"
                yield (
                    f"{label}({name})",
                    dialect["moment"].format(value) if kind == "moment" else whole(value),
                )


def of_rows(question: Question, rows: Iterable[Mapping[str, Any]]) -> Facts:
    """The answer of rows as Python has them, for engines without SQL."""
    held: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        held[row["org_id"]].append(row)
    # Sums have up to 38 digits.
    with localcontext(prec=60):
        return {org: dict(_counted(question, own)) for org, own in held.items()}


def _counted(question: Question, rows: list[Mapping[str, Any]]) -> Iterator[tuple[str, str | None]]:
    yield "rows", str(len(rows))
    for column in question["columns"]:
        name, kind, field = column["name"], column["kind"], column["field"]
        values = [row[name] for row in rows if row[name] is not None]
        yield f"nulls({name})", str(len(rows) - len(values))
        if kind == "text":
            yield f"characters({name})", _sum(map(len, values))
        elif kind == "number":
            yield f"sum({name})", _sum(values)
        elif kind == "boolean":
            yield f"true({name})", str(sum(values))
        elif kind == "list":
            yield f"items({name})", _sum(map(len, values))
            if field:
                parts = (items[0][field] for items in values if items)
                yield f"sum({name}.{field})", _sum(part for part in parts if part is not None)
        else:
            for label, function in (("first", min), ("last", max)):
                yield f"{label}({name})", _text(function(values)) if values else None


def _sum(values: Iterable[Any]) -> str | None:
    held = [Decimal(value) for value in values]
    return str(sum(held)) if held else None


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    return value.isoformat() if isinstance(value, date) else str(value)


def normal(facts: Facts) -> Facts:
    """Facts in which a number is written in one way only, and columns and tenants have an order."""

    def one(value: str | None) -> str | None:
        try:
            return None if value is None else format(Decimal(value).normalize(), "f")
        except ArithmeticError:
            return value

    with localcontext(prec=60):
        return {
            org: {label: one(value) for label, value in sorted(own.items())}
            for org, own in sorted(facts.items())
        }


def serve(version: str, answer: Callable[[Question], Facts]) -> None:
    """Answers each line of questions with a line of answers, until there are no more. First says its version.

    An engine that fails on a table says so in place of its facts.
    """
    _say({"version": version})
    for line in sys.stdin:
        _say([_answer(answer, question) for question in json.loads(line)])


def _answer(answer: Callable[[Question], Facts], question: Question) -> dict[str, Any]:
    try:
        return {"facts": answer(question)}
    except Exception as error:  # noqa: BLE001  whatever an engine thinks of a table is its answer
        return {"error": f"{type(error).__name__}: {error}"[:2000]}


def _say(document: Any) -> None:
    sys.stdout.write(f"{MARK}{json.dumps(document)}\n")
    sys.stdout.flush()


def endpoint() -> str:
    """Where the AWS APIs answer."""
    return os.environ["AWS_ENDPOINT_URL"]
