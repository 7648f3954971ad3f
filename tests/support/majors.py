"""`order.created` in two majors, of which the first may have an announced end."""

import shutil
from collections.abc import Collection
from datetime import date
from pathlib import Path

from millrace.compiler.bundle import assemble_contracts
from millrace.contracts.retirement import Retirement
from tests.support.contracts import SCHEMAS

OLD, NEW = "order.created.v1", "order.created.v2"
FOLDER = "events/commerce/order.created"
RECORD = "docs/decisions/0001-order-lines.md"


def schemas_with_two_majors(target: Path, families: Collection[str] | None = None) -> Path:
    """A copy of `schemas/` below `target`, with those families of event types (default: all) and a second major."""
    elsewhere = [
        path.name
        for path in (SCHEMAS / "events").iterdir()
        if families is not None and path.name not in families
    ]
    schemas = target / "schemas"
    shutil.copytree(SCHEMAS, schemas, ignore=shutil.ignore_patterns(*elsewhere))
    second = (schemas / FOLDER / "v1.yaml").read_text().replace(OLD, NEW)
    assert second.count("version: 1.2.0") == 1
    (schemas / FOLDER / "v2.yaml").write_text(second.replace("version: 1.2.0", "version: 2.0.0"))
    shutil.copyfile(schemas / FOLDER / "samples/v1.golden.json", schemas / FOLDER / "samples/v2.golden.json")
    return schemas


def end(announced: date, ends: date) -> Retirement:
    """Of the first major."""
    return Retirement(announced, ends, 2, RECORD)


def bundle_with_end(target: Path, retirement: Retirement, rest: Path) -> Path:
    """A bundle in which the first major ends; what is not made from contracts of events and tables is that of `rest`."""
    schemas, made = schemas_with_two_majors(target), target / "bundle"
    file = schemas / FOLDER / "v1.yaml"
    value = retirement.to_json()
    flow = ", ".join(f"{name}: {part}" for name, part in value.items())
    file.write_text(
        f"{file.read_text().replace('1.2.0', '1.2.1')}  - {{property: retirement, value: {{{flow}}}}}\n"
    )
    assemble_contracts(schemas, made)
    for path in rest.rglob("*"):
        copied = made / path.relative_to(rest)
        if path.is_file() and not copied.exists():
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copied)
    return made
