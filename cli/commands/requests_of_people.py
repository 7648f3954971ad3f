"""What people ask for besides erasures and exports, as commands of `millrace privacy`: restrictions, corrections; and what stands behind tokens."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer

from cli import repairs, subjects
from cli.api import Api
from cli.errors import UsageError
from cli.options import Env, Json, Org
from cli.output import fitted, out, print_json, visible, wrapped
from cli.target import find_target

# As the API takes them.
MOST_TOKENS = 100
PURPOSES = ("customer-support", "data-quality", "fraud-investigation", "legal-obligation")
KINDS, STATES = ("erase", "export", "rectify", "restrict"), ("open", "done", "failed")

Subject = Annotated[str, typer.Argument(help="The person, as events call them.", metavar="SUBJECT")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the audit; without a name.")]


def restrict(
    subject: Subject, reason: Reason, org: Org = None, env: Env = None, as_json: Json = False
) -> None:
    """Have nobody see values of a person, within a minute; new events are still taken."""
    answer = Api(find_target(env), org).ask(
        "PUT", subjects.path(subject, "restriction"), body=orjson.dumps({"reason": reason})
    )
    _show(answer, f"restricted: values of {answer['subject']} are shown to nobody", as_json=as_json)


def release(subject: Subject, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """End a restriction: who may see values of the person does so again, within a minute."""
    answer = Api(find_target(env), org).ask("DELETE", subjects.path(subject, "restriction"))
    _show(answer, "released: who may see values of the person does so again", as_json=as_json)


def rectify(
    subject: Subject, reason: Reason, org: Org = None, env: Env = None, as_json: Json = False
) -> None:
    """Keep that a person asks for a correction; say what is wrong, without the value itself.

    Events are not changed: send one with the right value, and end the request with `privacy done`.
    """
    answer = Api(find_target(env), org).ask(
        "POST", subjects.path(subject, "rectification"), body=orjson.dumps({"reason": reason})
    )
    _show(answer, f"request {answer['requestId']}, due {answer['dueAt']}", as_json=as_json)


def done(
    request: Annotated[str, typer.Argument(help="A correction's, as requests lists it.", metavar="REQUEST")],
    *,
    note: Annotated[str, typer.Option("--note", help="What was done; without a name.")],
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Say that a correction is made."""
    answer = Api(find_target(env), org).ask(
        "POST",
        f"/v1/subjects/requests/{quote(request, safe='')}/done",
        body=orjson.dumps({"note": note}),
    )
    _show(answer, f"request {answer['requestId']}: {answer['state']}", as_json=as_json)


def requests(
    *,
    state: Annotated[
        str | None, typer.Option("--state", help=f"Only those that are {', '.join(STATES)}.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help=f"Only those of this kind: {', '.join(KINDS)}.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """List what people have asked for, newest first, by the person's id where you may see it."""
    api = Api(find_target(env), org)
    items, cursor = repairs.listed(api, {"state": state, "kind": kind}, limit, "/v1/subjects/requests")
    if as_json:
        print_json({"items": items, "cursor": cursor})
        return
    if not items:
        out.print("Nothing matches." if state or kind else "Nobody has asked for anything.")
        return
    for item in items:
        out.print(visible(f"{item['receivedAt']}  {item['kind']}  {_state(item)}"), markup=False)
        for line in wrapped(visible(_request(item)), "  "):
            out.print(line, markup=False)


def detokenise(
    tokens: Annotated[
        list[str], typer.Argument(help="Tokens of one event.", metavar="TOKEN…", show_default=False)
    ],
    *,
    event: Annotated[str, typer.Option("--event", help="The event that has them.", metavar="ID")],
    purpose: Annotated[str, typer.Option("--purpose", help=f"One of {', '.join(PURPOSES)}.")],
    reason: Reason,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Show which values stand behind tokens of an event; the audit has a line of it."""
    if purpose not in PURPOSES:
        raise UsageError(f"{purpose} is no purpose; there are {', '.join(PURPOSES)}")
    if len(tokens) > MOST_TOKENS:
        raise UsageError(f"a call takes at most {MOST_TOKENS} tokens")
    asked = [{"token": token, "eventId": event} for token in tokens]
    body = orjson.dumps({"tokens": asked, "purpose": purpose, "reason": reason})
    answer = Api(find_target(env), org).ask("POST", "/v1/detokenise", body=body)
    if as_json:
        print_json(answer)
        return
    rows = [
        (one["token"], "– (nobody can say it)" if one["value"] is None else visible(one["value"]))
        for one in answer["values"]
    ]
    out.print(fitted(("token", "value"), rows, folded={"value"}))


def _show(answer: Mapping[str, Any], sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    for line in wrapped(visible(sentence)):
        out.print(line, markup=False)


def _state(item: Mapping[str, Any]) -> str:
    if item["doneAt"] is not None:
        return f"{item['state']} {item['doneAt']}"
    return f"{item['state']}, {'overdue since' if item['overdue'] else 'due'} {item['dueAt']}"


def _request(item: Mapping[str, Any]) -> str:
    return f"request {item['requestId']} of {item.get('user') or item['subject']}, by {item['by']}: {item['reason']}"
