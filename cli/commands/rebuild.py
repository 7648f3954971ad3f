"""`millrace rebuild`: rebuilds a table from the lake and compares it with the original."""

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import RefusedError, UsageError
from cli.options import Env, Json
from cli.output import complain, counted, err, out, print_json
from cli.places import checkout
from cli.target import find_target
from millrace.core.prefixes import RAW_EVENTS

if TYPE_CHECKING:
    from pynamodb.models import Model

    from millrace.contracts.registry import Registry


class RebuildTable(StrEnum):
    """Tables that can be rebuilt from the lake."""

    EVENTS = "Events"
    USER_EVENTS = "UserEvents"


def rebuild(
    table: Annotated[RebuildTable, typer.Option("--table", help="Which table to rebuild.")],
    into: Annotated[str, typer.Option("--into", help="The table to write; created if it does not exist.")],
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Rebuild a table from the lake, into a new one, and compare it row for row with the original."""
    from cli import compare
    from cli.rebuild import FIRST_PAUSE_SECONDS, TABLE_ATTEMPTS, Rebuild
    from millrace.core.objects import Objects
    from millrace.core.table import Table
    from millrace.eventstore import tables
    from millrace.eventstore.codec import Codec

    target = find_target(env)
    original, bucket = target.output(f"{table}Table"), target.output("LakeBucket")
    if into == original:
        raise UsageError(f"{into} is the table itself; name another one with --into")
    dynamodb, registry = target.client("dynamodb"), _registry()
    like = _described(dynamodb, original)
    first = Table(dynamodb, original, attempts=compare.TABLE_ATTEMPTS)
    second = Table(dynamodb, into, attempts=TABLE_ATTEMPTS, first_pause_seconds=FIRST_PAUSE_SECONDS)
    work = Rebuild(
        Objects(target.client("s3"), bucket),
        registry,
        table=table,
        into=second,
        original=first if like else None,
        type_shards=int(target.output("TypeShards")),
    )
    if _ready(dynamodb, getattr(tables, table), into, like):
        work.forget()
    rows = 0
    with err.status("reading the lake …") as status:

        def progress(folder: str, more: int) -> None:
            nonlocal rows
            rows += more
            status.update(f"{counted(rows, 'row')}, {folder.removeprefix(RAW_EVENTS)}")

        rows = work.run(progress)
        different = 0
        if like:
            key = [one["AttributeName"] for one in like["KeySchema"]]
            comparison = compare.TableComparison(Codec(registry.dictionary), first, second, key)
            different = comparison.different(lambda seen: status.update(f"compared {counted(seen, 'row')}"))
    if as_json:
        print_json({"rows": rows, "different": different})
    else:
        against = f"{different} different from {original}" if like else "there is no original to compare with"
        out.print(f"{counted(rows, 'row')} in {into}, {against}")
    if different:
        complain(
            f"{counted(different, 'difference')} from {original}: rows that differ or are in only one of the two; "
            "rows that are not in the archive yet count as different"
        )
        raise typer.Exit(RefusedError.exit_code)


def _ready(dynamodb: Any, model: "type[Model]", into: str, like: dict[str, Any] | None) -> bool:
    """Creates the table if it does not exist; returns whether it did."""
    from cli.ddl import create_table, schema

    existing = _described(dynamodb, into)
    if existing is None:
        create_table(dynamodb, model, into, like=like)
        return True
    if existing["KeySchema"] != schema(model)["KeySchema"]:
        raise UsageError(f"{into} exists already, and its keys are not those of {model.__name__}")
    return False


def _described(dynamodb: Any, name: str) -> dict[str, Any] | None:
    try:
        description: dict[str, Any] = dynamodb.describe_table(TableName=name)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        return None
    return description


def _registry() -> "Registry":
    """The contract registry of this checkout, with every dictionary that a row may be compressed with."""
    from millrace.compiler.bundle import assemble_contracts
    from millrace.contracts.errors import ContractError
    from millrace.contracts.registry import Registry
    from millrace.core.bundle import DICTIONARIES

    with tempfile.TemporaryDirectory() as folder:
        try:
            assemble_contracts(checkout().root / "schemas", Path(folder))
        except ContractError as error:
            raise UsageError(str(error)) from error
        registry = Registry(Path(folder))
        for path in (Path(folder) / DICTIONARIES).iterdir():
            registry.dictionary(path.stem)
        return registry
