"""A run over all stores, a page at a time: events, pointers, features, alerts, raw. It goes on where it ended.

How far it is lies in the lake, with no id of a user in it. Every page can be rewritten again, so what was under way when a run
ended is done a second time, and ends the same.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from cli.protecting.alerts import AlertRows
from cli.protecting.counts import Counts
from cli.protecting.raw import RawObjects
from cli.protecting.table import EventRows
from cli.protecting.users import FeatureRows, PointerRows
from millrace.core import keys
from millrace.core.objects import Objects
from millrace.core.prefixes import RAW_EVENTS
from millrace.core.table import Page, Table

PROGRESS = "protecting/"
EVENTS, POINTERS, FEATURES, ALERTS, RAW = STAGES = ("events", "pointers", "features", "alerts", "raw")
PAGE = 100

Progress = Callable[[str, Counts], None]


@dataclass(slots=True)
class Protecting:
    """Rewrites what is in clear.

    Attributes:
        events: rows of Events.
        pointers: rows of UserEvents.
        features: rows of FeatureStore.
        alerts: rows of alerts.
        raw: objects of raw.
        lake: where raw is.
        org: the tenant; empty: all of them.
        rate: rows that are rewritten in a second at most.
    """

    events: EventRows
    pointers: PointerRows
    features: FeatureRows
    alerts: AlertRows
    raw: RawObjects
    lake: Objects
    org: str = ""
    rate: float = float("inf")
    is_dry: bool = False
    counts: dict[str, Counts] = field(default_factory=lambda: {name: Counts() for name in STAGES})

    def run(self, progress: Progress = lambda _stage, _counts: None) -> dict[str, Counts]:
        """Does what is left to do; what was looked at and changed, by stage, with that of an earlier run that ended.

        Raises:
            MillraceError: a store or KMS did not answer; the next run goes on here.
        """
        stage, after = self._resumed()
        for name, steps in self._stages().items():
            if STAGES.index(name) < STAGES.index(stage):
                continue
            for place, counts in steps(after if name == stage else None):
                self.counts[name] += counts
                progress(name, self.counts[name])
                self._keep(name, place)
        if not self.is_dry:
            self.lake.delete(self._key, doing="end progress")
        return self.counts

    def orgs(self) -> list[str]:
        """The tenants that have anything in raw."""
        folders = self.lake.list_folders(RAW_EVENTS, doing="list tenants")
        return [one.removeprefix(f"{RAW_EVENTS}org=").rstrip("/") for one in folders]

    def _stages(self) -> dict[str, Callable[[Any], Iterator[tuple[Any, Counts]]]]:
        return {
            EVENTS: self._events,
            POINTERS: self._pointers,
            FEATURES: self._features,
            ALERTS: self._alerts,
            RAW: self._raw,
        }

    def _events(self, after: Any) -> Iterator[tuple[Any, Counts]]:
        pages = self.events.events.scan_pages(
            filter_by="orgId = :org" if self.org else "",
            values={":org": {"S": self.org}} if self.org else None,
            after=after,
            page_size=PAGE,
            consistent=True,
            doing="read events",
        )
        return self._paged(pages, self.events.rewrite)

    def _pointers(self, after: Any) -> Iterator[tuple[Any, Counts]]:
        pages = self._named(self.pointers.user_events, "userKey", after)
        return self._paged(pages, self.pointers.rewrite)

    def _features(self, after: Any) -> Iterator[tuple[Any, Counts]]:
        pages = self._named(self.features.features, "featureKey", after)
        return self._paged(pages, self.features.rewrite)

    def _named(self, table: Table, key: str, after: Any) -> Iterator[Page]:
        return table.scan_pages(
            filter_by=f"begins_with({key}, :org)" if self.org else "",
            values={":org": {"S": keys.join(self.org, "")}} if self.org else None,
            after=after,
            page_size=PAGE,
            consistent=True,
            doing=f"read {table.name}",
        )

    def _alerts(self, after: Any) -> Iterator[tuple[Any, Counts]]:
        for org in [self.org] if self.org else self.orgs():
            if after is None or org > after:
                yield org, self.alerts.rewrite(org)

    def _raw(self, after: Any) -> Iterator[tuple[Any, Counts]]:
        prefix = f"{RAW_EVENTS}org={self.org}/" if self.org else RAW_EVENTS
        for listed in self.lake.list_objects(prefix, after=after or "", doing="list raw"):
            started = time.monotonic()
            counts = self.raw.rewrite(listed.key)
            self._pace(counts, started)
            yield listed.key, counts

    def _paged(self, pages: Iterator[Page], rewrite: Callable[[Any], Counts]) -> Iterator[tuple[Any, Counts]]:
        for page in pages:
            started = time.monotonic()
            counts = rewrite(page.items)
            self._pace(counts, started)
            yield page.last, counts

    def _pace(self, counts: Counts, started: float) -> None:
        left = counts.rewritten / self.rate - (time.monotonic() - started)
        if left > 0 and not self.is_dry:
            time.sleep(left)

    @property
    def _key(self) -> str:
        return f"{PROGRESS}{keys.escape(self.org) or 'all'}.json"

    def _resumed(self) -> tuple[str, Any]:
        """Stage and place behind which it goes on."""
        body = None if self.is_dry else self.lake.find(self._key, doing="read progress")
        if body is None:
            return EVENTS, None
        kept = orjson.loads(body)
        self.counts = {name: Counts(**kept["counts"][name]) for name in STAGES}
        return kept["stage"], kept["after"]

    def _keep(self, stage: str, after: Any) -> None:
        if self.is_dry:
            return
        if after is None:
            # The stage is done.
            stage = STAGES[STAGES.index(stage) + 1]
        counts = {name: asdict(one) for name, one in self.counts.items()}
        document = {"stage": stage, "after": after, "counts": counts}
        self.lake.put(self._key, orjson.dumps(document), doing="keep progress")
