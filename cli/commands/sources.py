"""`millrace sources`: what feeds intake beside the API. List, pause and resume call the API; a secret needs AWS rights."""

import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cli import durations, operators, repairs
from cli.api import Api
from cli.errors import RefusedError, UsageError
from cli.options import Env, Json, Org
from cli.output import fitted, out, print_json
from cli.places import checkout
from cli.target import find_target

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="What feeds intake beside the API: list sources, pause them, set their secrets.",
)
# In place of a scheme: what a database is read with.
PASSWORD = "password"  # noqa: S105  no password
Name = Annotated[str, typer.Argument(help="The source's name, from the list.", metavar="NAME")]


@app.command("list")
def list_(org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """List the sources of the tenant, and which are paused."""
    answer = Api(find_target(env), org).ask("GET", "/v1/sources")
    if as_json:
        print_json(answer)
        return
    if not answer["items"]:
        out.print("The tenant has no sources. One is a file: schemas/sources/<name>.yaml.")
        return
    rows = [
        (
            one["name"],
            one["kind"],
            one["scheme"] or "",
            _state(one),
            f"{one['lastSeenAt'] or 'never'}{', late' if one['late'] else ''}",
            one["changedAt"] or "",
            one["path"] or "",
        )
        for one in answer["items"]
    ]
    out.print(
        fitted(
            ("name", "kind", "scheme", "state", "last seen", "since", "path"),
            rows,
            folded={"path"},
            optional=("since", "scheme"),
        )
    )
    for one in answer["items"]:
        _tell_why(one)


@app.command()
def show(
    name: Name,
    hours: Annotated[
        int, typer.Option("--hours", min=1, max=840, help="How many hours back, the present one included.")
    ] = 24,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Show a source, and what it has brought in each hour: taken, twice, refused, not stored."""
    path = f"/v1/sources/{quote(name, safe='')}?hours={hours}"
    source = Api(find_target(env), org).ask("GET", path)
    if as_json:
        print_json(source)
        return
    late = f", late: it brings something every {_time(source['freshnessSeconds'])}" if source["late"] else ""
    seen = f"last seen {source['lastSeenAt']}" if source["lastSeenAt"] else "nothing came in 35 days"
    out.print(f"{source['name']}, {source['kind']}, {_state(source)}: {seen}{late}", highlight=False)
    _tell_why(source)
    columns = ("accepted", "duplicates", "conflicts", "rejected", "unavailable")
    rows = [(one["hour"], *(f"{one[column]:,}" for column in columns)) for one in source["hours"]]
    if rows:
        out.print(fitted(("hour", *columns), rows, folded=set(), optional=("unavailable", "conflicts")))


def _time(seconds: int) -> str:
    for unit, length in (("d", 86400), ("h", 3600)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds // 60}m"


@app.command()
def pause(name: Name, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """Have deliveries of a webhook come again later, or a database not read, within 30 seconds."""
    _change(name, "pause", org, env, as_json=as_json)


@app.command()
def resume(name: Name, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """Take deliveries of a webhook, or read a database, again, within 30 seconds."""
    _change(name, "resume", org, env, as_json=as_json)


@app.command()
def secret(
    name: Name,
    overlap: Annotated[
        str,
        typer.Option(
            "--overlap", help="How long the secret before is good: 30m, 24h, 7d; 0m ends it.", metavar="TIME"
        ),
    ] = "24h",
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Set the secret of a webhook, or a database's password, read from stdin; the one before is good for a while."""
    from millrace.core import clock
    from millrace.core.errors import PermanentError
    from millrace.core.table import Table
    from millrace.webhooks.secrets import LONGEST_OVERLAP_HOURS, SecretStore, prefix

    span = durations.parse("--overlap", overlap)
    if span.total_seconds() > LONGEST_OVERLAP_HOURS * 3600:
        raise UsageError(f"--overlap is at most {LONGEST_OVERLAP_HOURS // 24}d")
    target = find_target(env)
    org, scheme = _source(name, target.env)
    value = _read(f"The {'password' if scheme == PASSWORD else 'secret'} of {name}")
    problem = _problem(scheme, value)
    if problem:
        raise UsageError(problem)
    metadata = Table(target.client("dynamodb"), target.output("MetadataTable"))
    operators.audit(metadata, org, "sources.secret", {"source": name, "overlap": overlap})
    store = SecretStore(target.client("secretsmanager"), prefix(target.env))
    try:
        stored = store.set(name, value, clock.now(), span)
    except PermanentError as error:
        raise UsageError(str(error)) from error
    if as_json:
        print_json({"source": name, "org": org, "good": len(stored)})
    else:
        before = f"; the one before is good for {overlap}" if len(stored) > 1 else ""
        does = "is read with it" if scheme == PASSWORD else "believes what is signed with it"
        out.print(f"{name} {does}, at once{before}.")


@app.command("read")
def read_(
    name: Name,
    seconds: Annotated[
        int, typer.Option("--for", min=20, max=3600, help="How many seconds it may take at most.")
    ] = 50,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Read a PostgreSQL database once, through intake; PGPASSWORD is its password. Needs AWS rights."""
    import time

    from cli import database_reading
    from millrace.cdc.reader import BUSY
    from millrace.cdc.states import STOPPED
    from millrace.core.errors import MillraceError

    ends = time.monotonic() + seconds
    try:
        report = database_reading.read(
            find_target(env), checkout().root / "schemas", name, lambda: ends - time.monotonic()
        )
    except MillraceError as error:
        raise RefusedError(f"{error}. Nothing is lost: run it again") from error
    counts = {
        "read": sum(report.outcomes.values()),
        "accepted": report.outcomes["accepted"],
        "duplicates": report.outcomes["duplicate"],
        "refused": report.outcomes["rejected"] + report.outcomes["conflict"],
    }
    lag = None if report.slot is None else report.slot.lag_bytes
    if as_json:
        place = None if report.slot is None else report.slot.confirmed
        print_json(
            {"source": name, "status": report.status, "message": report.message, **counts}
            | {"lagBytes": lag, "lsn": place}
        )
    elif report.slot is not None:
        from millrace.cdc.events import lsn_text

        for what, number in counts.items():
            out.print(f"{what:<11}{number:>12,}", highlight=False)
        out.print(f"{'lag':<11}{lag:>12,} bytes", highlight=False)
        out.print(f"{name} is {report.status}, at {lsn_text(report.slot.confirmed)}", highlight=False)
    if report.status == STOPPED:
        raise RefusedError(f"{name}: {report.message}")
    if report.status == BUSY and not as_json:
        out.print(f"{name}: {report.message}, and takes what waits", highlight=False)


@app.command()
def backfill(
    name: Name,
    first: Annotated[str, typer.Option("--from", help="First UTC day, such as 2026-11-01.")],
    last: Annotated[
        str | None, typer.Option("--to", help="Last UTC day, inclusive (default: today).")
    ] = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Bring what a source brought in days that are over once more, if it can; what is there is a duplicate. Needs AWS rights."""
    from datetime import date, timedelta

    from cli import backfills
    from millrace.core import clock
    from millrace.core.errors import MillraceError, PermanentError
    from millrace.runs.interval import days

    now = clock.now()
    try:
        chosen = days(first, last or clock.day_text(now))
    except PermanentError as error:
        raise UsageError(str(error)) from error
    starts = clock.midnight(date.fromisoformat((chosen or ("",))[0]))
    ends = min(now, clock.midnight(date.fromisoformat((chosen or ("",))[-1])) + timedelta(days=1))
    if starts >= ends:
        raise UsageError(f"--from {first} is not over: there is nothing to bring")
    try:
        source, outcomes = backfills.run(find_target(env), checkout().root, name, starts, ends)
    except MillraceError as error:
        raise RefusedError(f"{error}. What is taken stays taken: run it again") from error
    counts = {
        "accepted": outcomes["accepted"],
        "duplicates": outcomes["duplicate"],
        "rejected": outcomes["rejected"] + outcomes["conflict"],
        "unavailable": outcomes["unavailable"],
    }
    if as_json:
        print_json(
            {"source": name, "org": source.org, "from": clock.utc_text(starts), "to": clock.utc_text(ends)}
            | counts
        )
    else:
        for what, number in counts.items():
            out.print(f"{what:<12}{number:>12,}", highlight=False)
    if counts["unavailable"]:
        raise RefusedError("a store did not take all of it: run it again, and what is there is a duplicate")


@app.command()
def restart(name: Name, env: Env = None, as_json: Json = False) -> None:
    """Forget where a PostgreSQL database was read to: the next read begins with a snapshot."""
    from cli import database_reading, operators
    from millrace.core.table import Table

    target = find_target(env)
    org = database_reading.binding(checkout().root / "schemas", name, target.env).org
    metadata = Table(target.client("dynamodb"), target.output("MetadataTable"))
    operators.audit(metadata, org, "sources.restart", {"source": name})
    database_reading.states(target).forget(org, name)
    if as_json:
        print_json({"source": name, "org": org})
    else:
        out.print(f"{name} begins anew: the next read takes a snapshot.")


def _state(source: dict[str, Any]) -> str:
    """Of a database that is not paused, how far it is."""
    reading = source["reading"]
    return str(source["state"] if reading is None or source["state"] != "active" else reading["status"])


def _tell_why(source: dict[str, Any]) -> None:
    """Why a database is not read, if it is not."""
    reading = source["reading"] or {}
    if reading.get("reason"):
        out.print(f"{source['name']}: {reading['reason']}", markup=False, highlight=False)


def _change(name: str, what: str, org: str | None, env: str | None, *, as_json: bool) -> None:
    path = f"/v1/sources/{quote(name, safe='')}/{what}"
    source: dict[str, Any] = repairs.post(Api(find_target(env), org), path, {})
    if as_json:
        print_json(source)
    else:
        out.print(f"{source['name']} is {source['state']}")


def _source(name: str, env: str) -> tuple[str, str]:
    """Tenant and scheme of a source that has a secret, from its file in this checkout; a database's is `PASSWORD`.

    Raises:
        RefusedError: there is none, or it is of another kind or environment.
    """
    from millrace.compiler.places import located
    from millrace.compiler.sentences import meant
    from millrace.compiler.sources import DEFINITIONS, FOLDER
    from millrace.contracts.errors import ContractError

    root = checkout().root
    known = {path.stem: path for path in sorted((root / "schemas" / FOLDER).glob("*.yaml"))}
    if name not in known:
        raise RefusedError(f"there is no schemas/{FOLDER}/{name}.yaml{meant(name, known)}")
    try:
        source = DEFINITIONS.of_file(known[name], f"{FOLDER}/{name}.yaml")
    except ContractError as error:
        raise RefusedError("\n".join(located(error, root))) from error
    if source.webhook is None and source.postgres is None:
        raise RefusedError(f"{name} is of kind {source.kind}, which has no secret")
    if env not in source.environments:
        raise RefusedError(f"{name} is not in {env}: its file names {', '.join(source.environments)}")
    return source.org, PASSWORD if source.webhook is None else source.webhook.scheme


def _read(prompt: str) -> str:
    """A secret without the line's end; at a terminal it is not shown."""
    if sys.stdin.isatty():
        return str(typer.prompt(prompt, hide_input=True)).strip("\r\n")
    return sys.stdin.read().strip("\r\n")


def _problem(scheme: str, value: str) -> str:
    """Why a value cannot be a secret of a scheme; empty if it can. Shows nothing of it."""
    from datetime import UTC, datetime

    from millrace.webhooks.delivery import Delivery, SignatureError
    from millrace.webhooks.signatures import STANDARD_HEADER, STANDARD_ID, STANDARD_TIME, standard

    if not value:
        return 'nothing came on stdin: printf %s "$SECRET" | millrace sources secret NAME'
    if scheme != PASSWORD and value != value.strip():
        return "a secret of a webhook has no space around it: copy it without"
    try:
        if scheme == "sendgrid":
            from millrace.webhooks.sendgrid import public_key

            public_key(value)
        elif scheme == "paypal" and not (value.isascii() and value.isalnum() and len(value) <= 64):
            return (
                "PayPal's webhook id is letters and digits: it stands on the page of the app, below Webhooks"
            )
        elif scheme == "standard":
            headers = {STANDARD_ID: "1", STANDARD_TIME: "1", STANDARD_HEADER: "v1,x"}
            standard(Delivery("POST", "", headers, b""), [value], datetime.now(UTC))
    except SignatureError as error:
        if "of this source" in str(error):
            return f"{error}: copy it from the provider's page as it stands there"
    return ""
