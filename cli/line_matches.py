"""A Sigma rule about the audit or the access log, tried on lines of the past; nothing is raised."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from cli.output import counted, err, out, print_json, table, visible
from cli.target import Target
from millrace.core import clock

if TYPE_CHECKING:
    from millrace.audit.store import Chains
    from millrace.core.audit import Line
    from millrace.eventstore.row import StoredEvent
    from millrace.sigma.line_source import LineRules, LineSource


def show(
    target: Target,
    org: str | None,
    source: "LineSource",
    compiled: Mapping[str, Any],
    since: datetime,
    until: datetime,
    *,
    examples: int,
    as_json: bool,
) -> None:
    """Asks the lines of all tenants, or of one, and prints what a rule matches, or what a correlation would have told.

    Needs AWS rights on the Metadata table, as `millrace audit verify` does, or on the lake, as `millrace audit logs` does.

    Args:
        target: the platform.
        org: the tenant; None: all.
        source: the log that the rule is about.
        compiled: the rule, as `compile_file` has it.
        since: the first moment.
        until: behind the last one.
        examples: matches that are shown of a rule, the first ones.
        as_json: whether the answer is JSON.
    """
    from millrace.patterns.simulate import simulate
    from millrace.sigma.audit_lines import AUDIT
    from millrace.sigma.line_source import LineRules

    is_correlation = "steps" in compiled
    asked = LineRules.of(source, [], [compiled]) if is_correlation else LineRules.of(source, [compiled], [])
    lines = 0

    def seen() -> None:
        nonlocal lines
        lines += 1

    # What begins before the first moment may end behind it.
    span = since - asked.reach, until
    with err.status(f"reading {source.called} …"):
        kept = [*(_of_audit if source is AUDIT else _of_gateway)(target, org, asked, *span, seen)]
    if is_correlation:
        told = simulate(asked.patterns[0], kept, asked.contract, until)
        found = [item for item in told if clock.parse(item["at"]) >= since]
        found.sort(key=lambda item: (item["at"], item["org"]))
        _show_told(compiled["name"], lines, found, source.called, as_json=as_json)
        return
    found = [
        {
            "at": clock.utc_text(alert.at),
            "org": alert.org,
            "subject": alert.subject,
            "message": alert.message,
        }
        for alert in asked.matches(kept)
    ]
    found.sort(key=lambda item: (item["at"], item["org"]))
    _show_matches(compiled["name"], lines, found, (since, until), examples, source.called, as_json=as_json)


def _of_audit(
    target: Target, org: str | None, _: "LineRules", since: datetime, until: datetime, seen: Any
) -> "list[StoredEvent]":
    from millrace.audit.store import PLATFORM, Chains
    from millrace.core.table import Table
    from millrace.sigma import audit_lines

    chains = Chains(Table(target.client("dynamodb"), target.output("MetadataTable")))
    orgs = [org] if org is not None else [one for one in chains.chains() if one != PLATFORM]
    events = []
    for one in sorted(orgs):
        for line in _between(chains, one, since, until):
            seen()
            events.append(audit_lines.event(line))
    # Lines of one tenant have ids of their own alone, and come in order.
    return sorted(events, key=lambda event: str(event.envelope["timestamp"]))


def _of_gateway(
    target: Target, org: str | None, asked: "LineRules", since: datetime, until: datetime, seen: Any
) -> "list[StoredEvent]":
    """Of all lines only those that a rule asks: a day has millions."""
    from millrace.core.objects import Objects
    from millrace.sigma import watch_access_logs

    lake = Objects(target.client("s3"), target.output("LakeBucket"))
    first, end = clock.utc_text(since), clock.utc_text(until)
    steps, kept = watch_access_logs.Steps(asked, most=None), []
    known = set[str]()
    for one in watch_access_logs.listed(lake, watch_access_logs.hour_of(since)):
        if one.hour >= until:
            break
        for event in watch_access_logs.events(lake, one):
            if event is None or event.event_id in known or org not in (None, event.org):
                continue
            if not first <= event.envelope["timestamp"] < end:
                continue
            known.add(event.event_id)
            seen()
            steps.take(event)
            if next(asked.rules.matching(event.envelope), None) is not None:
                kept.append(event)
    return steps.ordered() if asked.patterns else watch_access_logs.in_order(kept)


def _between(chains: "Chains", org: str, since: datetime, until: datetime) -> "list[Line]":
    """Lines of [since, until), oldest first."""
    first, end = clock.utc_text(since), clock.utc_text(until)
    kept = []
    for line in chains.before(org):
        if line.at < first:
            break
        if line.at < end:
            kept.append(line)
    return kept[::-1]


def _show_told(rule: str, lines: int, found: list[dict[str, Any]], called: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"fired": len(found), "items": found, "lines": lines})
        return
    for text in _said(found):
        out.print(text, markup=False)
    out.print(
        f"{counted(len(found), 'alert')} of {rule} on {counted(lines, 'line')} of {called}.", highlight=False
    )


def _show_matches(
    rule: str,
    lines: int,
    found: list[dict[str, Any]],
    ends: tuple[datetime, datetime],
    examples: int,
    called: str,
    *,
    as_json: bool,
) -> None:
    matched: dict[tuple[str, str], int] = {}
    for one in found:
        place = one["org"], one["at"][:10]
        matched[place] = matched.get(place, 0) + 1
    if as_json:
        items = [{"org": org, "day": day, "matched": count} for (org, day), count in sorted(matched.items())]
        since, until = map(clock.utc_text, ends)
        answer = {"matched": len(found), "items": items, "examples": found[:examples]}
        print_json({**answer, "from": since, "to": until, "lines": lines})
        return
    if matched:
        shown = table("tenant", "day", "matches")
        for (org, day), count in sorted(matched.items()):
            shown.add_row(org, day, f"{count:,}")
        out.print(shown)
    for text in _said(islice(found, examples)):
        out.print(text, markup=False)
    out.print(
        f"{counted(len(found), 'match', 'matches')} of {rule} in {counted(lines, 'line')} of {called}; "
        "of a subject there is one alert an hour.",
        highlight=False,
    )


def _said(found: Any) -> Iterator[str]:
    for one in found:
        yield visible(f"{one['at']}  {one['org']}  {one['subject']}: {one['message']}")
