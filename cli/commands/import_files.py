"""`millrace import`: files of events, through the drop zone."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from cli import importing, refusals
from cli.api import Api
from cli.errors import RefusedError, UsageError
from cli.options import Env, Json, Org
from cli.output import counted, err, out, print_json, visible
from cli.target import find_target

SHOWN = 10
app = typer.Typer(add_completion=False)
COUNTS = ("rows", "accepted", "duplicates", "rejected")


@app.command("import")
def import_files(
    path: Annotated[
        Path, typer.Argument(help="A file, or a folder of files: CSV, JSON, NDJSON, Parquet; gzip.")
    ],
    *,
    event_type: Annotated[str, typer.Option("--type", help="What its rows become, such as order.created.")],
    row_id: Annotated[str | None, typer.Option("--id", help="The column that names a row for good.")] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", help="NAME=POINTER: where a column goes; NAME= leaves it out."),
    ] = None,
    declared: Annotated[
        Path | None,
        typer.Option("--options", help="JSON: what is declared about the file, as the guide lists it."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge the rows, and store nothing.")] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Where the report goes, as JSON.")] = None,
    refused: Annotated[
        Path | None, typer.Option("--refused", help="Where refused rows go, a file to repair and import.")
    ] = None,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Import files: each row becomes an event, judged as a sent one is."""
    files, options = importing.files_of(path), _options(declared, row_id, columns or [], dry_run)
    if refused is not None and len(files) > 1:
        raise UsageError("--refused takes the rows of one file: import the files one by one")
    api = Api(find_target(env), org)
    reports = [_one(api, file, event_type, options) for file in files]
    if report is not None:
        report.write_bytes(
            orjson.dumps(reports if len(files) > 1 else reports[0], option=orjson.OPT_INDENT_2)
        )
    if refused is not None:
        importing.refused_rows(api, reports[0]["importId"], refused)
    _show(reports, as_json)


def _options(declared: Path | None, row_id: str | None, columns: list[str], dry_run: bool) -> dict[str, Any]:
    options: Any = {}
    if declared is not None:
        try:
            options = orjson.loads(declared.read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise UsageError(f"{declared} cannot be read as JSON") from error
        if not isinstance(options, dict):
            raise UsageError(f"{declared} is not a JSON object")
    mapped = dict(options.get("columns") or {})
    for one in columns:
        name, found, pointer = one.partition("=")
        if not (found and name):
            raise UsageError(f"--column takes NAME=POINTER, not {one}")
        mapped[name] = pointer
    if mapped:
        options["columns"] = mapped
    if row_id is not None:
        options["id"] = row_id
    if dry_run:
        options["dryRun"] = True
    return dict(options)


def _one(api: Api, file: Path, event_type: str, options: dict[str, Any]) -> dict[str, Any]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(f"sending {visible(file.name)}")
        import_id = importing.upload(api, file, event_type, options)

        def seen(rows: int) -> None:
            progress.update(task, description=f"{visible(file.name)}: {counted(rows, 'row')} judged")

        return {**importing.awaited(api, import_id, seen), "path": str(file)}


def _show(reports: list[dict[str, Any]], as_json: bool) -> None:
    """Shows what became of the files.

    Raises:
        RefusedError: a row or a file was refused, or an import has failed.
    """
    whole = all(one["state"] == "done" and not one["rejected"] for one in reports)
    if as_json:
        paths = [f"/v1/imports/{one['importId']}" for one in reports]
        totals = {name: sum(one[name] for one in reports) for name in COUNTS}
        print_json({**totals, "report": paths[0] if len(paths) == 1 else paths})
    else:
        for one in reports:
            _show_one(one)
    if not whole:
        raise RefusedError("" if as_json else "not every row was accepted; --refused FILE writes the others")


def _show_one(one: dict[str, Any]) -> None:
    tried = "would be accepted" if one["dryRun"] else "accepted"
    counts = f"{one['accepted']} {tried}, {one['duplicates']} duplicates, {one['rejected']} rejected"
    out.print(f"{visible(one['file'])}: {counted(one['rows'], 'row')}, {counts}", markup=False)
    for row in one["refused"][:SHOWN]:
        errors = "; ".join(map(refusals.sentence, row["errors"]))
        out.print(f"  line {row['line']}: {errors}", markup=False)
    left = one["rejected"] - min(SHOWN, len(one["refused"]))
    if left > 0:
        out.print(f"  … and {counted(left, 'more row')}; --report FILE tells up to 1,000")
    if one["message"]:
        out.print(f"  {one['state']}: {visible(one['message'])}", markup=False)
