"""The properties of a contract, from the compiler's own tables."""

import json

from cli.reference.markdown import code, docstring, listed, page, table
from millrace.compiler import fields, properties, table_contracts, up_converters
from millrace.contracts import derived, envelope, formats, rules
from millrace.contracts.column_types import WIDE_INTEGER, WIDE_MONEY
from millrace.contracts.contract import CLASSES, PROTECTED
from millrace.contracts.decimals import LIMIT, SCALE
from millrace.quality import checks, written


def contracts() -> str:
    """The page."""
    return page(
        "# Properties of a contract",
        "A contract is a document of the Open Data Contract Standard, v3.2, in YAML. What it may say besides the words below is for "
        "people. `millrace contracts lint` names file, line and remedy of each mistake; a misspelt word is one.",
        "## An event type",
        "`schemas/events/<domain>/<event type>/v<major>.yaml`; samples of it lie beside.",
        table(("word", "is"), ((code(name), text) for name, text in properties.STANDARD.items())),
        "### Custom properties",
        table(
            ("property", "is", "default", "does"),
            (
                (code(name), one.form, _default(one.default), one.does)
                for name, one in properties.PROPERTIES.items()
            ),
        ),
        "### The envelope",
        "Every event has these fields around its `data`; no contract declares them.",
        table(
            ("field", "required", "is"),
            (
                (code(name), "yes" if name in envelope.REQUIRED else "", part["description"])
                for name, part in envelope.schema({})["properties"].items()
                if "description" in part
            ),
        ),
        *_fields(),
        "## Rules between fields",
        docstring(rules, 1),
        docstring(rules, 2),
        "## Columns that silver derives",
        docstring(derived, 1, 2, 3),
        "## Rows of an older major",
        docstring(up_converters, 1, 2, 3, 4),
        "## A table",
        docstring(table_contracts, 0),
        docstring(table_contracts, 1),
        f"A table's layer is one of {listed(table_contracts.LAYERS)}. Every table has the column `org_id`, a required string.",
        "## Checks of a table's rows",
        docstring(checks, 1, 2),
        docstring(checks, 3),
        "### Checks that you write",
        docstring(written, 1),
    )


def _fields() -> tuple[str, ...]:
    return (
        "## Fields",
        docstring(fields, 1),
        table(
            ("logicalType", "options"),
            ((code(name), listed(sorted(options))) for name, options in fields.OPTIONS.items()),
        ),
        f"A number is a double, or with `physicalType: {fields.DECIMAL}` a decimal of at most {SCALE} decimals, up to "
        f"{LIMIT:,} either way; sums of a table may be `{WIDE_MONEY}`, and its integers `{WIDE_INTEGER}`. A class is one of {listed(CLASSES)} (default: `{fields.DEFAULT_CLASS}`); values of "
        f"{listed(sorted(PROTECTED))} fields are in no message.",
        "### Formats of a string",
        table(("format", "is"), ((code(name), formats.NAMES[name]) for name in sorted(formats.FORMATS))),
        "### Formats of an integer",
        table(
            ("format", "from", "to"),
            ((code(name), f"{low:,}", f"{high:,}") for name, (low, high) in fields.INTEGERS.items()),
        ),
    )


def _default(value: object) -> str:
    if value is None:
        return ""
    return code(value if isinstance(value, str) else json.dumps(value))
