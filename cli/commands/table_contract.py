"""`millrace contracts table`: the contract of a database table's changes, from its catalog."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands import first_contract
from cli.errors import RefusedError
from cli.options import Json
from cli.output import out, print_json
from cli.places import checkout

if TYPE_CHECKING:
    from millrace.compiler.first_contract import FirstContract
    from millrace.compiler.sources import PostgresSource

# Rows whose values the detector looks at.
ROWS = 200


def table(
    source: Annotated[str, typer.Argument(help="A source of kind postgres, of schemas/sources/.")],
    name: Annotated[str, typer.Argument(metavar="SCHEMA.TABLE", help="A table of its publication.")],
    domain: Annotated[
        str | None, typer.Option("--domain", help="The contract's folder (default: the source's name).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the contract of a table's changes from the database's catalog; PGPASSWORD is its password.

    Where the contract is there already, tells the columns that it lacks.
    """
    from millrace.compiler import table_changes

    root = checkout().root
    postgres, is_local = _source(root, source)
    made = _made(postgres, name, domain or source.replace("-", "_"), encrypted=not is_local)
    there = sorted((root / "schemas" / "events").glob(f"*/{made.event_type}/v*.yaml"))
    if there:
        missing = table_changes.missing(there[-1].read_text(encoding="utf-8"), made.document)
        _tell(there[-1].relative_to(root), missing, as_json=as_json)
        return
    file = first_contract.write(root, made)
    if as_json:
        print_json({**made.document, "guesses": made.guesses})
        return
    out.print(f"{file.relative_to(root)}: accepts whatever {name} holds", highlight=False)
    for guess in made.guesses:
        out.print(f"  {guess}", markup=False, highlight=False)
    out.print(
        "Judge the class of each column and write the description; then: millrace contracts build",
        highlight=False,
    )


def _source(root: Path, name: str) -> "tuple[PostgresSource, bool]":
    """Its settings, and whether it is of `local` alone, where nothing needs TLS.

    Raises:
        RefusedError: there is none of this kind.
    """
    from millrace.compiler.sources import DEFINITIONS

    read, problems = DEFINITIONS.read(root / "schemas")
    if problems:
        raise RefusedError("\n".join(problem.sentence for problem in problems))
    found = {
        one.name: (one.postgres, one.environments == ["local"])
        for one in read.values()
        if one.postgres is not None
    }
    if name not in found:
        listed = ", ".join(sorted(found)) or "there is none"
        raise RefusedError(f"no source of kind postgres is called {name}: {listed}")
    return found[name]


def _made(postgres: "PostgresSource", name: str, domain: str, *, encrypted: bool) -> "FirstContract":
    from millrace.cdc.database import Database
    from millrace.cdc.postgres import connect
    from millrace.compiler import table_changes
    from millrace.contracts.errors import ContractError
    from millrace.core import clock
    from millrace.core.errors import MillraceError

    try:
        session = connect(
            host=postgres.host,
            port=postgres.port,
            database=postgres.database,
            user=postgres.user,
            passwords=(os.environ.get("PGPASSWORD", ""),),
            encrypted=encrypted,
            authorities=postgres.authorities,
        )
        try:
            database = Database(session)
            tables = {".".join(one.name): one for one in database.tables(postgres.publication)}
            if name not in tables:
                listed = ", ".join(tables) or "it has none"
                raise RefusedError(f"{name} is no table of the publication {postgres.publication}: {listed}")
            table = tables[name]
            if not table.key:
                raise RefusedError(f"{name} has no primary key: give it one, and it can be read")
            rows: list[dict[str, Any]] = [values for _, values, _ in database.chunk(table, None, ROWS)]
            types = database.types(table)
        finally:
            session.close()
        return table_changes.contract(table, types, rows, domain=domain, moment=clock.utc_text(clock.now()))
    except ContractError as error:
        sentences = "; ".join(problem.sentence for problem in error.problems)
        raise RefusedError(f"{name} has a column that no contract can have: {sentences}") from error
    except MillraceError as error:
        raise RefusedError(str(error)) from error


def _tell(file: Path, missing: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"contract": str(file), "missing": missing})
    elif not missing:
        out.print(f"{file} has every column of the table", highlight=False)
    else:
        out.print(f"{file} lacks columns, which arrive undeclared until then. For a minor version add:")
        for line in missing:
            out.print(f"  {line}", markup=False, highlight=False)
