"""What a comparison of the stores found, in words: what is missing where, why, and what to do."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.output import counted, fitted, out, visible, wrapped

SHOWN = 40
# Of the events, or the hours, of a difference.
NAMED = 3
# As the function names a store: as people do, and what is in it.
STORES = {
    "events": ("Events", "a row for each accepted event"),
    "userEvents": ("UserEvents", "a pointer to each event of a user or a session"),
    "manifest": ("manifest", "what the archive says it has written"),
    "raw": ("raw", "every event, in Parquet"),
    "silver": ("silver", "every event, in the table of its type"),
    "tiles": ("tiles", "tiles and keys of aggregates; missing are those with other numbers than silver"),
}
WAITS = "waits for the next run of silver"
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
        "silver could not convert it to the types of its contract",
        "compare the event with its contract; the next run takes it once a later minor version accepts it",
    ),
    ("its day is set aside by an operator", "when the cause is fixed: millrace pending take-in"),
    ("its day is longer ago than raw is kept", "nothing; silver is the only one that keeps it"),
    (WAITS, "nothing; millrace etl takes it in now"),
    ("too many to look up", "compare once more: each pass looks up the next ones"),
    ("its day opened for the next run of silver", "nothing; millrace etl takes it in now"),
    ("projected again", "nothing; a comparison a minute later shows whether it is there"),
    ("put into the log again", "nothing; a comparison a minute later shows whether it is there"),
    ("the stream counted other numbers", "nothing; read the log of count_events and fold_tiles for why"),
    ("its sealed tiles are not those", "nothing; millrace etl --seal counts them anew now"),
    ("repaired just now", "nothing; a comparison a minute later shows whether it is there"),
)


def show(report: Mapping[str, Any]) -> None:
    """Prints in words what was compared, what is missing where, and what to do."""
    _show_sources(report.get("sources", ()))
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
    groups = _grouped(report["differences"])
    for group in groups[:SHOWN]:
        for line in group.lines():
            _print(line)
    if len(groups) > SHOWN:
        out.print(f"… and {counted(len(groups) - SHOWN, 'more difference')}; --json lists them all.")
    for line in [*_outcome(report), *_to_do(report["differences"])]:
        _print(line)


def _show_sources(sources: Iterable[Mapping[str, Any]]) -> None:
    """What came by sources in these days, by when it was received; one that is late is named even where nothing came."""
    rows = [
        (
            one["source"],
            one["org"],
            f"{one['accepted']:,}",
            f"{one['duplicates']:,}",
            f"{one['conflicts'] + one['rejected']:,}",
            f"{one['lastSeenAt'] or 'never'}{', late' if one['late'] else ''}",
        )
        for one in sources
        if one["late"] or one["accepted"] or one["duplicates"] or one["conflicts"] or one["rejected"]
    ]
    if rows:
        columns = ("source", "tenant", "accepted", "twice", "refused", "last seen")
        out.print(fitted(columns, rows, folded={"last seen"}))


@dataclass
class _Group:
    """Hours of a tenant's day that differ for the same reasons."""

    org: str
    day: str
    status: str
    why: str
    missing: Counter[str] = field(default_factory=Counter)
    types: set[str] = field(default_factory=set)
    hours: set[int] = field(default_factory=set)
    events: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """What is missing where and why, and some of the events."""
        status = "repair begun" if self.status == "repaired" else self.status
        of = ", ".join(sorted(self.types))
        if tiles := self.missing.get("tiles", 0):
            yield f"{self.org}  {self.day}  {self.why}"
            yield f"  {counted(tiles, 'key of a tile', 'keys of tiles')} of {of}, UTC time and key:"
        else:
            yield f"{self.org}  {self.day}  {status}: {self.why}"
            for name, count in self.missing.items():
                yield f"  {counted(count, 'event')} missing in {STORES.get(name, (name, ''))[0]}"
            hours = ", ".join(f"{hour:02}:00" for hour in sorted(self.hours))
            if len(self.hours) > NAMED:
                hours = f"{len(self.hours)} hours, {min(self.hours):02}:00 to {max(self.hours):02}:00"
            yield f"  of {of} ({hours} UTC)"
        if self.events:
            more = f", and {len(self.events) - NAMED:,} more" if len(self.events) > NAMED else ""
            yield f"  {', '.join(self.events[:NAMED])}{more}"


def _grouped(differences: Iterable[Mapping[str, Any]]) -> list[_Group]:
    groups: dict[tuple[str, ...], _Group] = {}
    for one in differences:
        key = one["org"], one["day"], one["status"], "; ".join(_reasons(one))
        group = groups.setdefault(key, _Group(*key))
        group.missing.update(one["missing"])
        group.types.add(one["eventType"])
        group.hours.add(one["hour"])
        group.events += [event["eventId"] for event in one["differences"]]
    return list(groups.values())


def _reasons(hour: Mapping[str, Any]) -> list[str]:
    """Why events of an hour are missing, each reason once."""
    if hour["differences"]:
        return list(dict.fromkeys(why for event in hour["differences"] for why in event["reasons"]))
    # What only waits for silver is not looked up event by event; nor is what is left over of very many.
    return [WAITS] if hour["status"] == "explained" else ["too many to look up at once"]


def _outcome(report: Mapping[str, Any]) -> Iterator[str]:
    cells, events = report.get("cells", {}), report.get("events", {})
    different = {word: count for word, count in cells.items() if count and word != "equal"}
    if not different:
        yield "Every store has every event that it should have."
    else:
        equal = counted(cells.get("equal", 0), "hour")
        words = {"repaired": "with a repair begun"}
        others = ", ".join(
            f"{counted(count, 'hour')} {words.get(word, word)}" for word, count in different.items()
        )
        yield f"Counted by event type, {equal} equal; {others}."
    said = {
        "repaired": "missing, and their repair is begun: a comparison after it finds them",
        "explained": "missing for a known reason",
        "open": "missing and cannot be repaired from here",
        "settling": "of the last minutes, which are compared later",
    }
    for word, sentence in said.items():
        if events.get(word):
            yield f"{counted(events[word], 'event')} {sentence}."


def _to_do(differences: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What to do about each reason, once."""
    reasons = dict.fromkeys(why for one in differences for why in _reasons(one))
    remedies = {why: next((do for begin, do in REMEDIES if why.startswith(begin)), None) for why in reasons}
    if any(remedies.values()):
        yield "What to do:"
    yield from (f"  {why}: {do}." for why, do in remedies.items() if do)


def _print(line: str, indent: str = "") -> None:
    if line.startswith("  "):
        line, indent = line.strip(), "  "
    for part in wrapped(visible(line), indent, "  "):
        out.print(part, markup=False)
