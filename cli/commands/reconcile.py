"""`millrace reconcile`: compares all stores over days, and repairs what is missing."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
import typer

from cli.errors import RefusedError, UsageError
from cli.options import Env, Json
from cli.output import complain, counted, err, fitted, out, print_json, visible, wrapped
from cli.target import Target, deployed_function, find_target
from cli.tenants import of_key

# As long as the function may take.
READ_SECONDS = 15 * 60 + 10
SHOWN = 40
MOST_DESCRIBED = 500
# Of the events of an hour with one reason.
NAMED = 3
# As the function names a store: as people do, and what is in it.
STORES = {
    "events": ("Events", "a row for each accepted event"),
    "userEvents": ("UserEvents", "a pointer to each event of a user or a session"),
    "manifest": ("manifest", "what the archive says it has written"),
    "raw": ("raw", "every event, in Parquet"),
    "silver": ("silver", "every event, in the table of its type"),
}
# The beginning of a reason (`millrace/reconcile/judge.py`), and what to do about it.
REMEDIES = (
    ("its row in Events is gone", "millrace rebuild --table Events --into NEW makes the table from raw"),
    (
        "no row in Events to put into the log",
        "the bucket keeps old versions for 30 days: restore the object that the manifest names",
    ),
    (
        "no row in Events to make the pointer of",
        "rebuild Events first: millrace rebuild --table Events --into NEW",
    ),
    ("no run has taken its day into silver", "millrace pending list says why"),
    ("still missing after", "read the log of the consumer that fills the store, then use millrace redrive"),
    ("no receipt of", "read the log of that consumer, then use millrace redrive"),
    ("dead letter of", "when its cause is fixed: millrace redrive with the name of the consumer"),
    (
        "silver could not type it",
        "compare the event with its contract; a later minor that takes it lets the next run type it",
    ),
    ("its day is set aside by an operator", "when the cause is fixed: millrace pending take-in"),
    ("waits for the next run of silver", "nothing; millrace etl takes it in now"),
    ("its day opened for the next run of silver", "nothing; millrace etl takes it in now"),
    ("projected again", "nothing; a comparison a minute later shows whether it is there"),
    ("put into the log again", "nothing; a comparison a minute later shows whether it is there"),
    ("repaired just now", "nothing; a comparison a minute later shows whether it is there"),
)


def reconcile(
    first: Annotated[
        str | None, typer.Option("--from", help="First UTC day, such as 2026-11-01 (default: yesterday).")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="Last UTC day, inclusive (default: today).")
    ] = None,
    org: Annotated[str | None, typer.Option("--org", help="One tenant (default: all).")] = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Compare all stores for each closed hour, repair what is missing, and show what stays open."""
    target = find_target(env)
    if org is not None:
        of_key(target, org)
    days = interval(first, last, datetime.now(UTC))
    function = deployed_function(target, "reconcile_events")
    total = Total()
    with err.status("comparing …") as status:
        for number, day in enumerate(days):
            status.update(f"{day}, {number + 1} of {len(days)} …")
            for answer in _answers(target, function, {"from": day, "to": day, "org": org}):
                total.add(answer)
    report = {"from": days[-1], "to": days[0], **total.to_json()}
    if as_json:
        print_json(report)
    else:
        show(report)
    left_open = report["cells"].get("open", 0)
    if left_open:
        complain(f"{counted(left_open, 'hour')} with missing events that cannot be repaired")
        raise typer.Exit(RefusedError.exit_code)


def interval(first: str | None, last: str | None, now: datetime) -> list[str]:
    """The days, newest first.

    Raises:
        UsageError: they are not an interval of days.
    """
    from millrace.core.errors import PermanentError
    from millrace.runs.interval import days

    today = now.date()
    start = first or min(last or "9999", (today - timedelta(days=1)).isoformat())
    try:
        chosen = days(start, last or today.isoformat())
    except PermanentError as error:
        raise UsageError(str(error)) from error
    return sorted(chosen or (), reverse=True)


class Total:
    """Sums the function's answers."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._differences: list[dict[str, Any]] = []

    def add(self, answer: Mapping[str, Any]) -> None:
        """Adds one."""
        for name, value in answer.items():
            if isinstance(value, dict):
                # Not `update`, which leaves zeros out.
                counts = self._counts.setdefault(name, Counter())
                for key, count in value.items():
                    counts[key] += count
        self._differences += answer["differences"][: MOST_DESCRIBED - len(self._differences)]

    def to_json(self) -> dict[str, Any]:
        """In the form of the function's answer."""
        return {
            **{name: dict(counts) for name, counts in self._counts.items()},
            "differences": self._differences,
        }


def _answers(target: Target, function: str, request: Mapping[str, Any]) -> Any:
    """The function's answers: it is called until no tenant-days are left; each call continues where the one before stopped.

    Raises:
        RefusedError: it failed, or made no progress.
    """
    client = target.client("lambda", read_seconds=READ_SECONDS, attempts=1)
    payload = {**request, "before": datetime.now(UTC).isoformat()}
    left: int | None = None
    while left is None or left:
        answer = client.invoke(
            FunctionName=function, InvocationType="RequestResponse", Payload=orjson.dumps(payload)
        )
        report = orjson.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise RefusedError(f"reconcile_events failed: {report.get('errorMessage', report)}")
        if left is not None and report["left"] >= left:
            raise RefusedError(
                f"reconcile_events does not reach {counted(report['left'], 'tenant')} of {request['from']}"
            )
        left = report["left"]
        yield report


def show(report: Mapping[str, Any]) -> None:
    """Prints in words what was compared, what is missing where, and what to do."""
    counts, missing = report.get("counts", {}), report.get("missing", {})
    days = f"{report['from']} to {report['to']}"
    if not any(counts.values()) and not report["differences"]:
        out.print(f"{days}: there are no events in closed hours, so there was nothing to compare.")
        return
    _print(f"{days}: distinct events of closed hours, and how many each store lacks.")
    columns = ("store", "events", "missing", "holds")
    rows = [
        (
            STORES.get(name, (name, ""))[0],
            f"{count:,}",
            f"{missing.get(name, 0):,}",
            STORES.get(name, ("", name))[1],
        )
        for name, count in counts.items()
        if name != "owned"
    ]
    out.print(fitted(columns, rows, folded={"holds"}))
    for one in report["differences"][:SHOWN]:
        _show_hour(one)
    if len(report["differences"]) > SHOWN:
        more = counted(len(report["differences"]) - SHOWN, "more hour")
        out.print(f"… and {more}; --json lists them all.")
    for line in [*_outcome(report), *_to_do(report["differences"])]:
        _print(line)


def _show_hour(one: Mapping[str, Any]) -> None:
    _print(f"{one['org']}  {one['day']}T{one['hour']:02}:00Z  {one['eventType']}  {one['status']}")
    for name, count in one["missing"].items():
        _print(f"{counted(count, 'event')} missing in {STORES.get(name, (name, ''))[0]}", "  ")
    reasons: dict[str, list[str]] = {}
    for event in one["differences"]:
        reasons.setdefault("; ".join(event["reasons"]), []).append(event["eventId"])
    for why, names in reasons.items():
        more = f", and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        _print(f"{why}: {', '.join(names[:NAMED])}{more}", "  ")


def _outcome(report: Mapping[str, Any]) -> Iterator[str]:
    cells, events = report.get("cells", {}), report.get("events", {})
    different = {word: count for word, count in cells.items() if count and word != "equal"}
    if not different:
        yield "Every store has every event that it should have."
    else:
        equal = counted(cells.get("equal", 0), "hour")
        others = ", ".join(f"{counted(count, 'hour')} {word}" for word, count in different.items())
        yield f"Of the hours of each event type {equal} equal; {others}."
    said = {
        "repaired": "missing and sent again: the next comparison finds them",
        "explained": "missing for a known reason",
        "open": "missing and cannot be repaired from here",
        "settling": "of the last minutes, which are compared later",
    }
    for word, sentence in said.items():
        if events.get(word):
            yield f"{counted(events[word], 'event')} {sentence}."


def _to_do(differences: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What to do about each reason, once."""
    reasons = dict.fromkeys(
        why for one in differences for event in one["differences"] for why in event["reasons"]
    )
    found = {why: next((do for begin, do in REMEDIES if why.startswith(begin)), None) for why in reasons}
    if any(found.values()):
        yield "What to do:"
    yield from (f"  {why}: {do}." for why, do in found.items() if do)


def _print(line: str, indent: str = "") -> None:
    if line.startswith("  "):
        line, indent = line.strip(), "  "
    for part in wrapped(visible(line), indent, "  "):
        out.print(part, markup=False)
