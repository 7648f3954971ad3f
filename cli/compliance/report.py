"""What the compliance report of a tenant says, section by section. Pure but for what it is given to ask with."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from millrace.core import clock

# Lines of the audit by which somebody may do more or less than before.
CHANGES = ("grants", "keys", "limits", "policies", "roles", "tenants", "users")
Read = Callable[[str, Mapping[str, str | None]], Iterable[Mapping[str, Any]]]
"""Reads all items of a list of the API: its path, and its query."""


@dataclass(frozen=True, slots=True)
class Section:
    """A table of the report.

    Attributes:
        title: of the section.
        sentence: what it shows, and what of it needs attention.
        heads: of the columns.
        rows: cells as text.
        attention: whether something in it needs somebody.
    """

    title: str
    sentence: str
    heads: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    attention: bool = False

    def to_json(self) -> dict[str, Any]:
        """As `--json` shows it."""
        rows = [dict(zip(self.heads, row, strict=True)) for row in self.rows]
        return {"title": self.title, "sentence": self.sentence, "attention": self.attention, "rows": rows}


@dataclass(frozen=True, slots=True)
class Report:
    """All sections, of a tenant, an environment and a span of time."""

    org: str
    environment: str
    since: datetime
    until: datetime
    sections: list[Section] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Of the page and the PDF."""
        return f"Compliance report of {self.org}"

    @property
    def subtitle(self) -> str:
        """What it covers."""
        return f"{self.environment}, {self.since:%Y-%m-%d} to {self.until:%Y-%m-%d %H:%M} UTC"


def requests(read: Read, since: datetime) -> list[Section]:
    """GDPR: what people have asked for, how long it took, and whom a hold keeps from being erased."""
    found = [
        one
        for one in read("/v1/subjects/requests", {})
        if one["state"] == "open" or clock.parse(one["receivedAt"]) >= since
    ]
    overdue = sum(one["overdue"] for one in found)
    counts = Counter(one["kind"] for one in found)
    asked = ", ".join(f"{number} to {kind}" for kind, number in sorted(counts.items())) or "none"
    rows = [
        (one["requestId"], one["kind"], one["state"], _day(one["receivedAt"]), _day(one["dueAt"]), _took(one))
        for one in found
    ]
    holds = [
        (one["subject"], _day(one["at"]), one["by"], one["reason"]) for one in read("/v1/subjects/holds", {})
    ]
    return [
        Section(
            "Requests of people (GDPR, articles 15 to 18)",
            f"Requests: {asked}. Each is due in 30 days; {overdue} are overdue.",
            ("request", "asks to", "state", "received", "due", "days"),
            rows,
            attention=overdue > 0,
        ),
        Section(
            "Legal holds", f"{len(holds)} people may not be erased.", ("person", "since", "by", "why"), holds
        ),
    ]


def access(read: Read) -> list[Section]:
    """SOC 2, CC6: who has access."""
    keys = [
        (one["name"], one["status"], _day(one["createdAt"]), _day(one["expiresAt"]), _day(one["lastUsedAt"]))
        for one in read("/v1/keys", {})
    ]
    active = [row for row in keys if row[1] == "active"]
    endless = sum(row[3] == "–" for row in active)
    users = [
        (one["name"], one["status"], ", ".join(one["roles"]) or "–", _day(one["createdAt"]))
        for one in read("/v1/users", {})
    ]
    return [
        Section(
            "Keys (SOC 2, CC6.1)",
            f"{len(active)} of {len(keys)} keys are active; {endless} of them never expire.",
            ("name", "state", "made", "expires", "last used"),
            keys,
            attention=endless > 0,
        ),
        Section(
            "Users and their roles (SOC 2, CC6.2)",
            f"{sum(row[1] == 'active' for row in users)} of {len(users)} users are active.",
            ("name", "state", "roles", "since"),
            users,
        ),
    ]


def changes(read: Read, since: datetime, until: datetime) -> Section:
    """SOC 2, CC6.3: by whom rights were changed, from the audit."""
    span = {"from": clock.utc_text(since), "to": clock.utc_text(until)}
    rows = [
        (one["at"], one["action"], one["principal"], str(one["number"]))
        for one in read("/v1/audit", span)
        if one["action"].partition(".")[0] in CHANGES
    ]
    return Section(
        "Changes of rights (SOC 2, CC6.3)",
        f"{len(rows)} lines of the audit; `millrace audit verify` shows that none was changed.",
        ("moment", "action", "by", "line"),
        rows,
    )


def backups(tables: Iterable[tuple[str, bool | None]], reasons: Mapping[str, str]) -> Section:
    """SOC 2, A1.2: which tables can be put back to a moment of the last 35 days, and why others need not.

    Args:
        tables: name, and whether it can; None where it is not known.
        reasons: of tables that cannot, by design.
    """
    words = {True: "yes", False: "no", None: "unknown"}
    rows = [(name, words[kept], "" if kept else reasons.get(name, "")) for name, kept in tables]
    missing = [name for name, kept, why in rows if kept != "yes" and not why]
    said = (
        f"Not protected without a reason: {', '.join(missing)}." if missing else "All others have a reason."
    )
    return Section(
        "Recovery of tables (SOC 2, A1.2)",
        said,
        ("table", "to a point in time", "why not"),
        rows,
        attention=bool(missing),
    )


def rotation(keys: Iterable[tuple[str, bool | None]]) -> Section:
    """SOC 2, CC6.1: which keys of KMS are rotated each year; a key that signs cannot be."""
    words = {True: "yes", False: "no", None: "unknown"}
    rows = [(name, words[rotated]) for name, rotated in keys]
    return Section(
        "Rotation of keys (SOC 2, CC6.1)",
        "KMS rotates keys that encrypt each year.",
        ("key", "rotated"),
        rows,
        attention=any(row[1] == "no" for row in rows),
    )


def _took(request: Mapping[str, Any]) -> str:
    if request["doneAt"] is None:
        return "overdue" if request["overdue"] else "–"
    days = clock.parse(request["doneAt"]) - clock.parse(request["receivedAt"])
    return f"{days.total_seconds() / 86400:.1f}"


def _day(moment: str | None) -> str:
    return "–" if moment is None else moment[:10]


def cells(section: Section) -> Iterator[tuple[str, ...]]:
    """Heads and rows of a section; one row that says so where there are none."""
    yield section.heads
    yield from section.rows or [("none", *("",) * (len(section.heads) - 1))]
