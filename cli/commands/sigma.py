"""`millrace sigma`: a Sigma rule tried on past events, before it goes live."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import line_matches, past
from cli.commands import patterns
from cli.commands.query import chosen_tenant
from cli.errors import RefusedError, UsageError
from cli.lake import Lake
from cli.options import Env, Json, Org
from cli.output import counted, err, out, print_json, table, visible
from cli.places import checkout
from cli.target import find_target
from millrace.core import clock
from millrace.core.sql import identifier, literal

if TYPE_CHECKING:
    from millrace.contracts.contract import Contract

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Try a Sigma rule on past events.")


@app.callback()
def sigma() -> None:
    """Try a Sigma rule on past events."""


@app.command("test")
def dry_run(
    file: Annotated[Path, typer.Argument(help="A rule, such as schemas/sigma/payout_large.yml.")],
    from_: patterns.From = None,
    to: patterns.To = None,
    examples: Annotated[
        int, typer.Option("--examples", help="Matches that are shown, the first ones.", min=0, max=1000)
    ] = 5,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Count the events of the lake that a rule matches, by tenant and day, and show the first; nothing is raised.

    A rule is asked of silver, by the SQL that it compiles to. A correlation is a pattern, and answers as `patterns test`.
    What is accepted and not yet in silver is not among the events, and is counted in the answer. A rule about the audit or
    the gateway's access log is asked of its lines, which needs AWS rights on the Metadata table or the lake.
    """
    from millrace.compiler.event_contracts import compile_contracts
    from millrace.compiler.sigma.compile import compile_file
    from millrace.contracts import columns
    from millrace.contracts.errors import ContractError
    from millrace.patterns.definition import Pattern
    from millrace.sigma.line_rules import source_of

    since, until = past.span(from_, to)
    if not file.is_file():
        raise UsageError(f"there is no file {file}")
    schemas = checkout().root / "schemas"
    contracts = compile_contracts(schemas)
    try:
        compiled = compile_file(file, schemas, contracts)
    except ContractError as error:
        raise RefusedError(patterns.said(file, error)) from error
    target = find_target(env)
    if (source := source_of(compiled)) is not None:
        whose = chosen_tenant(target, org, all_tenants=False)
        line_matches.show(target, whose, source, compiled, since, until, examples=examples, as_json=as_json)
        return
    if "steps" in compiled:
        pattern = Pattern.from_json(compiled)
        patterns.show(target, org, pattern, contracts, since, until, as_json=as_json)
        return
    chosen = chosen_tenant(target, org, all_tenants=False)
    by_name = {one.name: one for one in contracts}
    matched: dict[tuple[str, str], int] = {}
    first: list[dict[str, Any]] = []
    with err.status("reading …") as progress, Lake(target, chosen) as lake:
        # A type that nobody has sent has no table.
        there = {
            name for name in compiled["where"] if f"silver.{columns.table(by_name[name])}" in lake.tables()
        }
        for name in sorted(there):
            where = compiled["where"][name]
            progress.update(f"reading {name} …")
            for whose, day, count in _answer(lake, _count(by_name[name], where, since, until)):
                matched[whose, str(day)] = matched.get((whose, str(day)), 0) + count
            if examples:
                sql = _examples(by_name[name], where, compiled["subject"], since, until, examples)
                first += [_example(by_name[name], row) for row in _answer(lake, sql)]
        missing, sentences = past.not_there(target, chosen, silver=True)
    first = sorted(first, key=lambda one: (one["at"], one["eventId"]))[:examples]
    items = [{"org": whose, "day": day, "matched": count} for (whose, day), count in sorted(matched.items())]
    if as_json:
        ends = {"from": clock.utc_text(since), "to": clock.utc_text(until)}
        answer = {"matched": sum(matched.values()), "items": items, "examples": first, **ends}
        print_json({**answer, "notInSilver": missing})
        return
    _show(compiled["name"], items, first)
    for sentence in sentences:
        out.print(f"Not looked at: {sentence}.", markup=False, highlight=False)


def _show(rule: str, items: Iterable[Mapping[str, Any]], first: Iterable[Mapping[str, Any]]) -> None:
    shown = table("tenant", "day", "matches")
    for one in items:
        shown.add_row(one["org"], one["day"], f"{one['matched']:,}")
    if shown.row_count:
        out.print(shown)
    for one in first:
        out.print(
            visible(f"{one['at']}  {one['org']}  {one['eventType']} {one['eventId']} of {one['subject']}"),
            markup=False,
        )
    matches = sum(one["matched"] for one in items)
    out.print(
        f"{counted(matches, 'match', 'matches')} of {rule} in silver; of a subject there is one alert an hour.",
        highlight=False,
    )


def _answer(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    with lake.ask(sql) as answer:
        return answer.rows()


def _matching(contract: "Contract", where: Any, since: datetime, until: datetime) -> str:
    from millrace.contracts import columns, conditions
    from millrace.contracts.fields import EVENT_TYPE, fields

    # What conditions call the type is no column.
    of = f"(SELECT *, {literal(contract.event_type)} AS {EVENT_TYPE} FROM silver.{columns.table(contract)})"  # noqa: S608
    return f"FROM {of} WHERE {past.between(since, until)} AND {conditions.sql(where, fields(contract))}"


def _count(contract: "Contract", where: Any, since: datetime, until: datetime) -> str:
    return f"SELECT org_id, CAST(event_time AS DATE), count(*) {_matching(contract, where, since, until)} GROUP BY 1, 2"


def _examples(
    contract: "Contract", where: Any, subject: str, since: datetime, until: datetime, most: int
) -> str:
    from millrace.contracts.fields import fields

    named = [subject] if subject in fields(contract) else []
    about = ", ".join(f"CAST({identifier(one)} AS VARCHAR)" for one in (*named, "user_key"))
    return (
        f"SELECT event_id, org_id, event_time, coalesce({about}, 'nobody') {_matching(contract, where, since, until)} "
        f"ORDER BY event_time, event_id LIMIT {most}"
    )


def _example(contract: "Contract", row: tuple[Any, ...]) -> dict[str, Any]:
    event_id, org, at, subject = row
    return {
        **{"eventId": event_id, "org": org, "at": clock.utc_text(at), "eventType": contract.event_type},
        "subject": subject,
    }
