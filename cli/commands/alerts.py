"""`millrace alerts`: what needs attention, who looks after it, and what nobody is told of for a while."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli import durations, repairs, results
from cli.api import Api
from cli.errors import UsageError
from cli.options import Env, Json, Org
from cli.output import out, print_json, visible, wrapped
from cli.target import find_target
from millrace.core import clock
from millrace.core.path_ids import segment

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="What needs attention: list alerts, acknowledge them, mute them for a while.",
)


class State(StrEnum):
    """Where an alert is in its life."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    ENDED = "ended"


class Alike(StrEnum):
    """What another alert has in common with the one that is muted."""

    KIND = "kind"
    RULE = "rule"
    SUBJECT = "subject"


One = Annotated[str, typer.Argument(help="The alert's id, from the list.", metavar="ID")]


@app.command("list")
def list_(
    *,
    state: Annotated[State | None, typer.Option("--state", help="Only those in this state.")] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Only those that follow from an event of this user.")
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Raised at or after this ISO 8601 time.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="Raised before this ISO 8601 time.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """List alerts, those raised last first."""
    from millrace.alerts.alert import STORM
    from millrace.alerts.raising import MOST_AN_HOUR

    api = Api(find_target(env), org)
    query = {"state": state, "userId": user, "from": from_, "to": to}
    items, cursor = repairs.listed(api, query, limit, "/v1/alerts")
    if as_json:
        print_json({"items": items, "cursor": cursor})
        return
    if not items:
        out.print("Nothing matches." if any(query.values()) else "There are no alerts.")
        return

    def show() -> None:
        for item in items:
            _print(item)
        if any(item["kind"] == STORM for item in items):
            out.print(
                f"Of a rule {MOST_AN_HOUR} alerts an hour are raised; those of kind {STORM} say how many were held back."
            )
        if cursor is not None:
            out.print(f"There are others; --limit shows more than {limit}.")

    results.paged(show)


@app.command()
def ack(
    alert_id: One,
    note: Annotated[str | None, typer.Option("--note", help="A note for others.")] = None,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Acknowledge an alert: others see that you look after it."""
    body = {} if note is None else {"note": note}
    _shown(repairs.post(Api(find_target(env), org), _path(alert_id, "acknowledge"), body), as_json)


@app.command()
def mute(
    alert_id: One,
    *,
    time: Annotated[
        str | None, typer.Option("--for", help="How long: 30m, 2h, 7d; 0m ends a mute.", metavar="TIME")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Or until this ISO 8601 time.")] = None,
    why: Annotated[str, typer.Option("--why", help="The reason, which is kept.")],
    alike: Annotated[
        list[Alike] | None,
        typer.Option(
            "--alike", help="What muted alerts have in common with this one (default: rule and subject)."
        ),
    ] = None,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Mute alerts like this one: they are raised and listed, and sent to nobody."""
    if (time is None) == (until is None):
        raise UsageError("say how long with --for or --until")
    body: dict[str, Any] = {
        "until": until or clock.utc_text(clock.now() + durations.parse("--for", time or "")),
        "reason": why,
    }
    if alike:
        body["alike"] = [one.value for one in alike]
    _shown(repairs.post(Api(find_target(env), org), _path(alert_id, "mute"), body), as_json)


def _path(alert_id: str, call: str) -> str:
    return f"/v1/alerts/{segment(alert_id)}/{call}"


def _shown(alert: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(alert)
    else:
        _print(alert)


def _print(alert: Mapping[str, Any]) -> None:
    for line in _lines(alert):
        out.print(line, markup=False)


def _lines(alert: Mapping[str, Any]) -> Iterator[str]:
    yield f"{alert['alertId']}  {alert['severity']}  {alert['state']}"
    yield from wrapped(visible(alert["title"]), "  ")
    about = [alert["kind"], alert["rule"], alert["subject"]]
    yield from wrapped(visible(" · ".join(one for one in about if one)), "  ")
    if alert["message"]:
        yield from wrapped(visible(alert["message"]), "  ")
    numbers = [f"{name} {alert[name]:g}" for name in ("expected", "observed") if alert[name] is not None]
    if numbers:
        yield f"  {', '.join(numbers)}"
    yield f"  raised {alert['raisedAt']}" + (f", for {visible(alert['owner'])}" if alert["owner"] else "")
    if alert["acknowledgedBy"]:
        said = f": {alert['note']}" if alert["note"] else ""
        by = visible(f"{alert['acknowledgedBy']}{said}")
        yield from wrapped(f"acknowledged {alert['acknowledgedAt']} by {by}", "  ")
    if alert["endedAt"]:
        yield f"  ended {alert['endedAt']}: {alert['endReason']}"
    if alert["mutedUntil"]:
        yield f"  muted until {alert['mutedUntil']}"
