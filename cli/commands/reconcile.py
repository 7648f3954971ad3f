"""`millrace reconcile`: compares all stores over days, and repairs what is missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
import typer

from cli.errors import RefusedError, UsageError
from cli.options import Env, Json
from cli.output import complain, counted, err, print_json
from cli.reconcile_report import show
from cli.target import Target, deployed_function, find_target
from cli.tenants import of_key

# As long as the function may take.
READ_SECONDS = 15 * 60 + 10
MOST_DESCRIBED = 500


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
                total.add(answer, day)
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
        self._sources: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}

    def add(self, answer: Mapping[str, Any], day: str) -> None:
        """Adds one of a day."""
        for name, value in answer.items():
            if isinstance(value, dict):
                # Not `update`, which leaves zeros out.
                counts = self._counts.setdefault(name, Counter())
                for key, count in value.items():
                    counts[key] += count
        # A day is asked for until nothing of it is left, and each answer has all of its sources.
        for one in answer.get("sources", ()):
            self._sources.setdefault((one["org"], one["source"]), {})[day] = one
        self._differences += answer["differences"][: MOST_DESCRIBED - len(self._differences)]

    def to_json(self) -> dict[str, Any]:
        """In the form of the function's answer."""
        return {
            **{name: dict(counts) for name, counts in self._counts.items()},
            "sources": [_summed(list(self._sources[key].values())) for key in sorted(self._sources)],
            "differences": self._differences,
        }


def _summed(days: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A source over days: counts are of each, the rest is of now."""
    return {
        name: sum(day[name] for day in days) if type(value) is int else value
        for name, value in days[-1].items()
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
