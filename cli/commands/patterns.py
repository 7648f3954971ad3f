"""`millrace patterns`: a pattern tried on past events, before it goes live."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import past
from cli.commands.query import chosen_tenant
from cli.errors import RefusedError, UsageError
from cli.lake import Lake
from cli.options import Env, Json, Org
from cli.output import counted, err, out, print_json, visible, wrapped
from cli.places import checkout
from cli.target import Target, find_target
from millrace.core import clock

if TYPE_CHECKING:
    from millrace.contracts.contract import Contract
    from millrace.contracts.errors import ContractError
    from millrace.eventstore.row import StoredEvent
    from millrace.patterns.definition import Pattern

# Alerts that are listed; all are counted.
LISTED = 1000
From = Annotated[
    str | None, typer.Option("--from", help="The first day or ISO 8601 time (default: a week ago).")
]
To = Annotated[
    str | None, typer.Option("--to", help="The time behind the last, or the last day (default: now).")
]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Try a pattern on past events.")


@app.callback()
def patterns() -> None:
    """Try a pattern on past events."""


@app.command("test")
def dry_run(
    file: Annotated[Path, typer.Argument(help="A pattern, such as schemas/patterns/card_testing.yaml.")],
    from_: From = None,
    to: To = None,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Show the alerts that a pattern would have raised; nothing is raised.

    Events are those of the lake (raw.events), however old; each is taken as if it had come when it happened. What is
    accepted and not yet archived is not among them, and is counted in the answer.
    """
    from millrace.compiler.event_contracts import compile_contracts
    from millrace.compiler.patterns import compile_file
    from millrace.contracts.errors import ContractError
    from millrace.patterns.definition import Pattern

    since, until = past.span(from_, to)
    if not file.is_file():
        raise UsageError(f"there is no file {file}")
    contracts = compile_contracts(checkout().root / "schemas")
    try:
        pattern = Pattern.from_json(compile_file(file, contracts))
    except ContractError as error:
        missing = {one.pointer for one in error.problems if one.sentence == "is missing"}
        if missing >= {"/pattern", "/steps"}:
            sentence = (
                f"{file} is no pattern: it has neither pattern nor steps. Patterns are in schemas/patterns"
            )
            raise RefusedError(sentence) from error
        raise RefusedError(said(file, error)) from error
    show(find_target(env), org, pattern, contracts, since, until, as_json=as_json)


def show(
    target: Target,
    org: str | None,
    pattern: "Pattern",
    contracts: "list[Contract]",
    since: datetime,
    until: datetime,
    *,
    as_json: bool,
) -> None:
    """Runs a pattern over the lake, and prints what it would have told."""
    from millrace.patterns.simulate import simulate

    chosen = chosen_tenant(target, org, all_tenants=False)
    by_ref = {(one.event_type, one.major): one for one in contracts}

    def contract_of(ref: str) -> "Contract":
        event_type, _, version = ref.partition("/")
        return by_ref[event_type, int(version.partition(".")[0])]

    read = _Read()
    with err.status("reading …") as progress, Lake(target, chosen) as lake:

        def counted_events() -> "Iterator[StoredEvent]":
            # What begins before the first moment may end behind it.
            for event in past.stored(lake, _types(pattern, contracts), since - pattern.within, until):
                read.take(event.happened_at)
                if read.events % 1000 == 0:
                    progress.update(f"reading … {read.events:,}, up to {clock.day_text(event.happened_at)}")
                yield event

        alerts = (
            one
            for one in simulate(pattern, counted_events(), contract_of, until)
            if clock.parse(one["at"]) >= since
        )
        items = list(islice(alerts, LISTED))
        fired = len(items) + sum(1 for _ in alerts)
        missing, sentences = past.not_there(target, chosen, silver=False)
    if as_json:
        print_json({"fired": fired, "items": items, **read.to_json(), "notArchived": missing})
        return
    for item in items:
        whose = "" if chosen else f"{item['org']}  "
        out.print(f"{item['at']}  {whose}{visible(item['subject'])}", markup=False)
        for line in wrapped(visible(item["message"]), "  "):
            out.print(line, markup=False)
    if fired > len(items):
        out.print(f"The first {LISTED:,} are listed.")
    events = counted(read.events, "archived event")
    out.print(f"{counted(fired, 'alert')} of {pattern.name} on {events}{read.span}.", highlight=False)
    for sentence in sentences:
        out.print(f"Not looked at: {sentence}.", markup=False, highlight=False)


class _Read:
    """How many events were read, and from when to when they happened."""

    def __init__(self) -> None:
        self.events = 0
        self.first: datetime | None = None
        self.last: datetime | None = None

    def take(self, moment: datetime) -> None:
        self.events += 1
        self.first, self.last = self.first or moment, moment

    @property
    def span(self) -> str:
        if self.first is None or self.last is None:
            return ""
        return f" from {clock.utc_text(self.first)} to {clock.utc_text(self.last)}"

    def to_json(self) -> dict[str, Any]:
        ends = {"first": self.first, "last": self.last}
        return {"events": self.events} | {
            name: None if moment is None else clock.utc_text(moment) for name, moment in ends.items()
        }


def said(file: Path, error: "ContractError") -> str:
    """What is wrong with a file, with its lines."""
    from millrace.compiler.places import at_line

    return "\n".join(at_line(replace(one, file=str(file)), file) for one in error.problems)


def _types(pattern: "Pattern", contracts: "list[Contract]") -> list[str]:
    """The types of its steps; for one that may be any, those that can be asked for by its key."""
    types = {name for step in pattern.all_steps for name in step.events}
    if pattern.missing is not None and not pattern.missing.events:
        types |= {one.event_type for one in contracts if pattern.by in one.indexes}
    return sorted(types)
