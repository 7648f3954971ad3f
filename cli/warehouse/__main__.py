"""`make warehouse`: copies a tenant's silver of the running platform to a DuckDB file, builds and documents the dbt project on it.

`ORG=org_globex` names the tenant; locally it is the first demo tenant unless one is named.

`python -m cli.warehouse generate` writes `warehouse/models/generated` again, after contracts have changed.
`python -m cli.warehouse athena` writes the project as Athena reads it to `.local/warehouse-athena` instead: there
`dbt build --target athena` runs it, where dbt-athena is installed.
"""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from cli.errors import CommandError, UsageError
from cli.local.programs import local_aws
from cli.local.steps import StepError
from cli.output import counted, err, out
from cli.places import checkout
from cli.target import FIRST_ORG, find_target
from cli.warehouse import dbt, environment, generated, silver


def main(arguments: Sequence[str]) -> None:
    """Copies, builds and documents; prints where the results are."""
    from millrace.compiler.table_contracts import lake_tables
    from millrace.compiler.warehouse.compile import compile_project
    from millrace.iceberg.layout import database as glue_database
    from millrace.iceberg.tables import catalog, open_table
    from millrace.lake.duck import S3Access

    places = checkout()
    tables = {table.full_name: table for table in lake_tables(places.root / "schemas")}
    project = compile_project(places.root / "warehouse", tables.values())
    source, file = places.root / "warehouse", places.local / "warehouse.duckdb"
    if list(arguments) == ["generate"]:
        generated.write(source, project, tables)
        return
    if list(arguments) == ["athena"]:
        folder = places.local / "warehouse-athena"
        dbt.workspace(Path("dbt"), source, folder, file, for_athena=True)
        out.print(f"{counted(len(project.transforms), 'table')} for Athena in {folder}")
        return
    org = arguments[1] if list(arguments[:1]) == ["--org"] and len(arguments) == 2 else None
    if arguments and not org:
        raise UsageError(f"warehouse takes --org TENANT, generate or athena, not {' '.join(arguments)}")
    target = find_target(None)
    if org is None and target.env == "local":
        org = FIRST_ORG
    if target.endpoint is not None:
        os.environ.update(local_aws(target.endpoint))
    program = environment.ensure(places)
    read = {
        name: tables[name] for transform in project.transforms for name in project.silver(transform.full_name)
    }
    with err.status(f"copying {glue_database(target.env, 'silver')} …"):
        lake = catalog(target.env, target.output("LakeBucket"))
        rows = silver.copy(partial(open_table, lake), read, file, S3Access.from_environment(), org)
    whose = f" of {org}" if org else ""
    out.print(
        f"{counted(sum(rows.values()), 'row')}{whose} of {counted(len(rows), 'silver table')} in {file}"
    )
    work = dbt.workspace(program, source, places.local / "warehouse", file)
    with err.status("dbt build …"):
        work.run("build")
    with err.status("dbt docs generate …"):
        work.run("docs", "generate")
    out.print(f"{counted(len(project.transforms), 'table')} built and tested in {file}")
    out.print(f"their documentation: {work.docs / 'index.html'} (dbt docs serve shows it)")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (CommandError, StepError) as error:
        err.print(str(error))
        sys.exit(1)
