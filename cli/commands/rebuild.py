"""`millrace rebuild`: rebuilds a table from the lake, beside the original or into it."""

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
    from rich.status import Status

    from cli.rebuild import Progress
    from cli.target import Target
    from millrace.contracts.registry import Registry
    from millrace.core.objects import Objects


class RebuildTable(StrEnum):
    """Tables that can be rebuilt from the lake."""

    EVENTS = "Events"
    USER_EVENTS = "UserEvents"


def rebuild(
    table: Annotated[RebuildTable, typer.Option("--table", help="Which table to rebuild.")],
    into: Annotated[
        str | None, typer.Option("--into", help="The table to write; created if it does not exist.")
    ] = None,
    swap: Annotated[
        bool, typer.Option("--swap", help="Put the rows that the table in use lacks back into it.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --swap: only count the rows that it lacks.")
    ] = False,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Rebuild a table from the lake: into a new one, compared row for row with the original, or into itself.

    With --swap the table stays in use: rows that it lacks are put back, rows that it has stay as they are, and expired ones
    stay away.
    """
    if swap == (into is not None):
        raise UsageError("name a new table with --into, or put missing rows back with --swap")
    if dry_run and not swap:
        raise UsageError("--dry-run belongs to --swap")
    target = find_target(env)
    if into is None:
        _put_back(target, table, as_json=as_json, dry_run=dry_run)
    else:
        _rebuild(target, table, into, as_json=as_json)


def _rebuild(target: "Target", table: RebuildTable, into: str, *, as_json: bool) -> None:
    from cli import compare
    from cli.rebuild import FIRST_PAUSE_SECONDS, TABLE_ATTEMPTS, Rebuild
    from millrace.core.table import Table
    from millrace.eventstore import tables
    from millrace.eventstore.codec import Codec

    original = target.output(f"{table}Table")
    if into == original:
        raise UsageError(
            f"{into} is the table itself; name another one, or put missing rows back with --swap"
        )
    dynamodb, registry = target.client("dynamodb"), _registry()
    like = _described(dynamodb, original)
    first = Table(dynamodb, original, attempts=compare.TABLE_ATTEMPTS)
    second = Table(dynamodb, into, attempts=TABLE_ATTEMPTS, first_pause_seconds=FIRST_PAUSE_SECONDS)
    work = Rebuild(
        _lake(target), registry, table=table, into=second, original=first if like else None, **_shards(target)
    )
    if _ready(dynamodb, getattr(tables, table), into, like):
        work.forget()
    with err.status("reading the lake …") as status:
        rows = work.run(_shown(status))
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


def _put_back(target: "Target", table: RebuildTable, *, as_json: bool, dry_run: bool) -> None:
    from cli.rebuild import FIRST_PAUSE_SECONDS, TABLE_ATTEMPTS, PutBack
    from millrace.core.table import Table

    name = target.output(f"{table}Table")
    live = Table(
        target.client("dynamodb"), name, attempts=TABLE_ATTEMPTS, first_pause_seconds=FIRST_PAUSE_SECONDS
    )
    work = PutBack(_lake(target), _registry(), table=table, into=live, original=None, **_shards(target))
    with err.status("reading the lake …") as status:
        rows = 0 if dry_run else work.run(_shown(status))
        missing = work.missing(_shown(status))
    if as_json:
        print_json({"rows": rows, "different": missing})
    elif dry_run:
        out.print(
            f"{table} lacks {counted(missing, 'row')} that the lake has; without --dry-run they are put back"
        )
    else:
        out.print(f"{counted(rows, 'row')} put back into {table}")
    if missing and not dry_run:
        complain(f"{table} lacks {counted(missing, 'row')} still; run it again")
        raise typer.Exit(RefusedError.exit_code)


def _lake(target: "Target") -> "Objects":
    from millrace.core.objects import Objects

    return Objects(target.client("s3"), target.output("LakeBucket"))


def _shards(target: "Target") -> dict[str, int]:
    return {"type_shards": int(target.output("TypeShards"))}


def _shown(status: "Status") -> "Progress":
    """Progress as a line on the terminal."""
    rows = 0

    def progress(folder: str, more: int) -> None:
        nonlocal rows
        rows += more
        status.update(f"{counted(rows, 'row')}, {folder.removeprefix(RAW_EVENTS)}")

    return progress


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
