"""A Sigma rule about the audit, tried on lines of the past; nothing is raised."""

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


def show(
    target: Target,
    org: str | None,
    compiled: Mapping[str, Any],
    since: datetime,
    until: datetime,
    *,
    examples: int,
    as_json: bool,
) -> None:
    """Asks the chains of all tenants, or of one, and prints what a rule matches, or what a correlation would have told.

    Needs AWS rights on the Metadata table, as `millrace audit verify` does.

    Args:
        target: the platform.
        org: the tenant; None: all.
        compiled: the rule, as `compile_file` has it.
        since: the first moment.
        until: behind the last one.
        examples: matches that are shown of a rule, the first ones.
        as_json: whether the answer is JSON.
    """
    from millrace.audit.store import PLATFORM, Chains
    from millrace.core.table import Table
    from millrace.patterns.definition import Pattern
    from millrace.patterns.simulate import simulate
    from millrace.sigma import audit_lines, rules, watch_audit

    chains = Chains(Table(target.client("dynamodb"), target.output("MetadataTable")))
    orgs = [org] if org is not None else [one for one in chains.chains() if one != PLATFORM]
    is_correlation = "steps" in compiled
    asked = rules.of_audit([], [compiled]) if is_correlation else rules.of_audit([compiled], [])
    lines, found = 0, list[dict[str, Any]]()
    with err.status("reading the audit …"):
        for one in sorted(orgs):
            # What begins before the first moment may end behind it.
            several = _between(chains, one, since - asked.longest, until)
            lines += len(several)
            if is_correlation:
                events = map(audit_lines.event, several)
                told = simulate(Pattern.from_json(compiled), events, lambda _: audit_lines.CONTRACT, until)
                found += [item for item in told if clock.parse(item["at"]) >= since]
            else:
                found += [
                    {
                        "at": clock.utc_text(alert.at),
                        "org": one,
                        "subject": alert.subject,
                        "message": alert.message,
                    }
                    for alert in watch_audit.found(asked, several)
                ]
    found.sort(key=lambda item: (item["at"], item["org"]))
    if is_correlation:
        _show_told(compiled["name"], lines, found, as_json=as_json)
    else:
        _show_matches(compiled["name"], lines, found, (since, until), examples, as_json=as_json)


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


def _show_told(rule: str, lines: int, found: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"fired": len(found), "items": found, "lines": lines})
        return
    for text in _said(found):
        out.print(text, markup=False)
    out.print(
        f"{counted(len(found), 'alert')} of {rule} on {counted(lines, 'line')} of the audit.", highlight=False
    )


def _show_matches(
    rule: str,
    lines: int,
    found: list[dict[str, Any]],
    ends: tuple[datetime, datetime],
    examples: int,
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
        f"{counted(len(found), 'match', 'matches')} of {rule} in {counted(lines, 'line')} of the audit; "
        "of a subject there is one alert an hour.",
        highlight=False,
    )


def _said(found: Any) -> Iterator[str]:
    for one in found:
        yield visible(f"{one['at']}  {one['org']}  {one['subject']}: {one['message']}")
