"""`millrace patterns`: a pattern tried on past events, before it goes live."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import repairs
from cli.api import Api
from cli.errors import RefusedError, UsageError
from cli.options import Env, Json, Org
from cli.output import counted, err, out, print_json, visible, wrapped
from cli.places import checkout
from cli.target import find_target
from millrace.core import clock

if TYPE_CHECKING:
    from millrace.contracts.contract import Contract
    from millrace.contracts.errors import ContractError
    from millrace.eventstore.row import StoredEvent
    from millrace.patterns.definition import Pattern

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Try a pattern on past events.")


@app.callback()
def patterns() -> None:
    """Try a pattern on past events."""


@app.command("test")
def dry_run(
    file: Annotated[Path, typer.Argument(help="A pattern, such as schemas/patterns/card_testing.yaml.")],
    from_: Annotated[
        str | None, typer.Option("--from", help="The first day or ISO 8601 time (default: a week ago).")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="The time behind the last, or the last day (default: now).")
    ] = None,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Show the alerts that a pattern would have raised; nothing is raised.

    Each event is taken as if it had come when it happened. Events are those that the platform still has: older ones
    than the retention of their type are in the lake only.
    """
    from millrace.contracts.errors import ContractError
    from millrace.patterns.simulate import simulate

    since, until = _bounds(from_, to)
    try:
        pattern, contracts = _read(file)
    except ContractError as error:
        raise RefusedError(_said(file, error)) from error
    by_ref = {(one.event_type, one.major): one for one in contracts}

    def contract_of(ref: str) -> "Contract":
        event_type, _, version = ref.partition("/")
        return by_ref[event_type, int(version.partition(".")[0])]

    api, types = Api(find_target(env), org), _types(pattern, contracts)
    read = 0
    events: list[StoredEvent] = []
    with err.status("reading …") as progress:
        # What begins before the first moment may end behind it.
        for event in _events(api, types, since - pattern.within, until):
            events.append(event)
            read += 1
            if read % 500 == 0:
                progress.update(f"reading … {read:,}")
        items = [
            one for one in simulate(pattern, events, contract_of, until) if clock.parse(one["at"]) >= since
        ]
    if as_json:
        print_json({"fired": len(items), "items": items, "events": read})
        return
    for item in items:
        out.print(f"{item['at']}  {visible(item['subject'])}", markup=False)
        for line in wrapped(visible(item["message"]), "  "):
            out.print(line, markup=False)
    out.print(f"{counted(len(items), 'alert')} of {pattern.name} on {counted(read, 'event')}.")


def _read(file: Path) -> "tuple[Pattern, list[Contract]]":
    from millrace.compiler.event_contracts import compile_contracts
    from millrace.compiler.patterns import compile_file
    from millrace.patterns.definition import Pattern

    if not file.is_file():
        raise UsageError(f"there is no file {file}")
    contracts = compile_contracts(checkout().root / "schemas")
    return Pattern.from_json(compile_file(file, contracts)), contracts


def _said(file: Path, error: "ContractError") -> str:
    from millrace.compiler.places import at_line

    return "\n".join(at_line(replace(one, file=str(file)), file) for one in error.problems)


def _types(pattern: "Pattern", contracts: "list[Contract]") -> list[str]:
    """The types of its steps; for one that may be any, those that can be asked for by its key."""
    types = {name for step in pattern.all_steps for name in step.events}
    if pattern.missing is not None and not pattern.missing.events:
        types |= {one.event_type for one in contracts if pattern.by in one.indexes}
    return sorted(types)


def _events(api: Api, types: list[str], since: datetime, until: datetime) -> "Iterator[StoredEvent]":
    from millrace.eventstore.row import StoredEvent

    for name in types:
        query = {"eventType": name, "from": clock.utc_text(since), "to": clock.utc_text(until)}
        for page in repairs.pages(api, query, path="/v1/events"):
            for event in page["items"]:
                yield StoredEvent(event, b"", 0, "")


def _bounds(from_: str | None, to: str | None) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    since = now - timedelta(days=7) if from_ is None else _moment("--from", from_)
    until = now if to is None else _moment("--to", to)
    if to is not None and len(to) == len("2026-11-21"):
        until += timedelta(days=1)
    if since >= until:
        raise UsageError("--from lies behind --to")
    return since, until


def _moment(option: str, text: str) -> datetime:
    try:
        return clock.as_utc(datetime.fromisoformat(text))
    except ValueError as error:
        raise UsageError(
            f"{option} is {text!r}, which is neither a day nor a time such as 2026-11-21T06:00:00Z"
        ) from error
