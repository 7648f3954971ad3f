"""`millrace grants`: access by request, asked for, approved, refused, given back."""

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
    help="Access to datasets and personal data by request: ask for it, approve, refuse, revoke it.",
)


class State(StrEnum):
    """Where a request is."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Purpose(StrEnum):
    """What the data is for."""

    CUSTOMER_SUPPORT = "customer-support"
    DATA_QUALITY = "data-quality"
    FRAUD_INVESTIGATION = "fraud-investigation"
    LEGAL_OBLIGATION = "legal-obligation"
    MARKETING = "marketing"
    PRODUCT_ANALYTICS = "product-analytics"
    RESEARCH = "research"


One = Annotated[str, typer.Argument(help="The request's id, from the list.", metavar="ID")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, which is kept.")]


@app.command("list")
def list_(
    *,
    state: Annotated[State | None, typer.Option("--state", help="Only those in this state.")] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only what you asked for.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """List requests, the newest first: those of the tenant if you may decide about them, else your own."""
    api = Api(find_target(env), org)
    query = {"state": state, "mine": "true" if mine else None}
    items, cursor = repairs.listed(api, query, limit, "/v1/grants")
    if as_json:
        print_json({"items": items, "cursor": cursor})
        return
    if not items:
        out.print("Nothing matches." if any(query.values()) else "Nobody has asked for access.")
        return

    def show() -> None:
        for item in items:
            _print(item)
        if cursor is not None:
            out.print(f"There are others; --limit shows more than {limit}.")

    results.paged(show)


@app.command()
def request(
    dataset: Annotated[
        str | None,
        typer.Argument(help="A dataset, or a layer as silver.*; none with --personal.", metavar="DATASET"),
    ] = None,
    *,
    personal: Annotated[
        bool, typer.Option("--personal", help="Protected values in clear, where events are read.")
    ] = False,
    purpose: Annotated[
        Purpose,
        typer.Option("--purpose", help=f"What the data is for: {', '.join(Purpose)}.", metavar="PURPOSE"),
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why, which is kept.")],
    time: Annotated[
        str | None, typer.Option("--for", help="How long: 12h, 30d; at most 90 days.", metavar="TIME")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Or until this ISO 8601 time.")] = None,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Ask for access, for yourself or your key; the answer says who has to approve it."""
    if (dataset is None) != personal:
        raise UsageError("name a dataset, or say --personal")
    if (time is None) == (until is None):
        raise UsageError("say how long with --for or --until")
    body: dict[str, Any] = {
        "purpose": purpose.value,
        "reason": reason,
        "until": until or clock.utc_text(clock.now() + durations.parse("--for", time or "")),
        **({"personal": True} if personal else {"dataset": dataset}),
    }
    _shown(repairs.post(Api(find_target(env), org), "/v1/grants", body), as_json)


@app.command()
def approve(grant_id: One, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """Approve a request, for the role of yours that it still needs."""
    _decided(grant_id, "approve", None, org, env, as_json=as_json)


@app.command()
def refuse(
    grant_id: One, reason: Reason = None, org: Org = None, env: Env = None, as_json: Json = False
) -> None:
    """Refuse a request, for good."""
    _decided(grant_id, "refuse", reason, org, env, as_json=as_json)


@app.command()
def revoke(
    grant_id: One, reason: Reason = None, org: Org = None, env: Env = None, as_json: Json = False
) -> None:
    """Take back what was approved or still waits; it holds within 60 seconds."""
    _decided(grant_id, "revoke", reason, org, env, as_json=as_json)


def _decided(
    grant_id: str, call: str, reason: str | None, org: str | None, env: str | None, *, as_json: bool
) -> None:
    path = f"/v1/grants/{segment(grant_id)}/{call}"
    body = {} if reason is None else {"reason": reason}
    _shown(repairs.post(Api(find_target(env), org), path, body), as_json)


def _shown(grant: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(grant)
    else:
        _print(grant)


def _print(grant: Mapping[str, Any]) -> None:
    for line in _lines(grant):
        out.print(line, markup=False)


def _lines(grant: Mapping[str, Any]) -> Iterator[str]:
    yield f"{grant['id']}  {grant['state']}  until {grant['until']}"
    what = "personal data" if grant["personal"] else grant["dataset"]
    yield from wrapped(visible(f"{what} for {grant['holder']['name']}, {grant['purpose']}"), "  ")
    yield from wrapped(visible(grant["reason"]), "  ")
    for one in grant["approvals"]:
        yield from wrapped(visible(f"approved as {one['role']} by {one['by']}, {one['at']}"), "  ")
    given = {one["role"] for one in grant["approvals"]}
    lacking = [role for role in grant["needs"] if role not in given]
    if grant["state"] == State.REQUESTED and lacking:
        yield from wrapped(f"needs the approval of {' and '.join(lacking)}", "  ")
    if grant["closedAt"]:
        why = f": {grant['closedReason']}" if grant["closedReason"] else ""
        yield from wrapped(
            visible(f"{grant['state']} by {grant['closedBy']}, {grant['closedAt']}{why}"), "  "
        )
