"""Tiles of a tenant as they are now: sealed days, parts of the minutes that are folded, facts of those that are not.

No event is in two of these. A sealed day holds what was received before its cut, parts and facts count from the cut on; and a
minute of receipt is read from its facts as long as it is marked, and from its parts otherwise. Marks are read first: a minute that
is folded meanwhile still has its facts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property

from millrace.aggregates import blocks, marks, measures, rows
from millrace.aggregates.blocks import Tiles
from millrace.aggregates.definition import DAY_SECONDS, Aggregate
from millrace.aggregates.facts import Fact, unpack
from millrace.aggregates.fold import OTHER, Fold, KeyValues
from millrace.aggregates.folding import packed_facts
from millrace.aggregates.heads import Head
from millrace.aggregates.measures import State
from millrace.core import clock, keys, limits
from millrace.core.errors import PermanentError
from millrace.core.table import Item, Table

Pieces = dict[int, dict[KeyValues, list[list[State]]]]
"""As `Tiles`, with what is to be merged for each tile and key: sealed, folded, not folded yet."""
Wanted = Callable[[KeyValues], bool]
# Minutes that are read from facts: some two under way, and an hour's if the fold stands still.
MOST_OPEN = 120
_AHEAD_SECONDS = int(limits.AHEAD.total_seconds())


class TenantTiles:
    """Tiles of one aggregate of a tenant, for one question."""

    def __init__(
        self,
        analytics: Table,
        org: str,
        aggregate: Aggregate,
        types: Mapping[str, Mapping[str, str]],
        now: datetime,
        *,
        only: Sequence[KeyValues] = (),
        wanted: Wanted | None = None,
        warn: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Makes no call.

        Args:
            analytics: where they lie.
            org: the tenant.
            aggregate: whose tiles.
            types: event type → column → its type, for every column that it reads.
            now: the present moment.
            only: the only keys that are asked for: the others' blocks of sealed days are not read. None: all.
            wanted: which keys are asked for; None: all.
            warn: takes a sentence about what could not be read.
        """
        self._analytics, self._org, self._aggregate, self._now = analytics, org, aggregate, now
        self._only, self._wanted, self._warn = only, wanted, warn
        self._kinds = [measures.of(measure) for measure in aggregate.measures]
        self._fold = Fold([aggregate], types)
        self._seals: dict[str, Head | None] = {}

    def between(self, start: int, end: int) -> Tiles:
        """The tiles that begin in [start, end), seconds since 1970, of the keys that are asked for."""
        return {
            tile: {key: blocks.merged(several, self._kinds) for key, several in by_key.items()}
            for tile, by_key in self.pieces(start, end).items()
        }

    def pieces(self, start: int, end: int) -> Pieces:
        """The same before they are merged, for whoever merges tiles to windows."""
        found: Pieces = {}
        # An empty span has no rows, and its bounds are in no order that a query takes.
        for first in range(start - start % DAY_SECONDS, end, DAY_SECONDS) if start < end else ():
            inside = max(start, first), min(end, first + DAY_SECONDS)
            seal = self._seal(rows.tile_day(first))
            if seal is not None:
                for item in self._sealed(seal, *inside):
                    self._add(found, self._unpack(item), *inside)
            if not self._aggregate.of_log:
                for item in self._parts(seal, *inside):
                    self._add(found, self._unpack(item), *inside)
                for minute, tiles in self._unfolded:
                    if seal is None or minute >= seal.cut:
                        self._add(found, tiles, *inside)
        return found

    def late(self, start: int, end: int) -> int:
        """Events that were received on the days of [start, end) too late to be counted in their tile."""
        found = 0
        for first in range(start - start % DAY_SECONDS, end, DAY_SECONDS):
            values = {
                ":key": {"S": rows.day_key(self._org, self._aggregate, rows.tile_day(first))},
                ":late": {"S": f"{rows.LATE}{keys.SEPARATOR}"},
            }
            condition = "metricKey = :key AND begins_with(tileKey, :late)"
            items = self._analytics.query(condition, values, projection="events", doing="read late events")
            found += sum(int(item["events"]["N"]) for item in items)
        return found

    def sealed_until(self, tile: int) -> int:
        """The second up to which receipts of a tile's day are sealed; 0 where nothing is."""
        seal = self._seal(rows.tile_day(tile))
        return 0 if seal is None else clock.epoch(clock.midnight(date.fromisoformat(seal.cut)))

    def _unpack(self, item: Item) -> Tiles:
        keys = (*self._only, OTHER) if self._only else ()
        return blocks.unpack(bytes(item["part"]["B"]), self._kinds, self._wanted, keys)

    @staticmethod
    def _add(into: Pieces, tiles: Tiles, start: int, end: int) -> None:
        for tile, by_key in tiles.items():
            if start <= tile < end:
                held = into.setdefault(tile, {})
                for key, states in by_key.items():
                    if key in held:
                        held[key].append(states)
                    else:
                        held[key] = [states]

    def _seal(self, day: str) -> Head | None:
        if day not in self._seals:
            key = {
                "metricKey": {"S": rows.day_key(self._org, self._aggregate, day)},
                "tileKey": {"S": rows.sealed_sort()},
            }
            item = self._analytics.get(key, doing="read seal")
            self._seals[day] = None if item is None or rows.is_over(item, self._now) else Head.of(item)
        return self._seals[day]

    def _sealed(self, seal: Head, start: int, end: int) -> Iterator[Item]:
        layout, day_key = seal.layout, rows.day_key(self._org, self._aggregate, rows.tile_day(start))
        of_keys = sorted({*map(layout.block, self._only)}) or range(layout.blocks)
        wanted = [
            {"metricKey": {"S": day_key}, "tileKey": {"S": rows.sealed_sort(seal.generation, span, block)}}
            for span in range(layout.span(start), layout.span(end - 1) + 1)
            for block in of_keys
        ]
        return self._analytics.batch_get(wanted, doing="read sealed tiles")

    def _parts(self, seal: Head | None, start: int, end: int) -> Iterator[Item]:
        """Rows of parts of tiles in [start, end) of one day, but of minutes that are marked."""
        blocks_of: dict[str, int] = {}
        for item in self._rows_of_parts(seal, start, end):
            name, _, number = item["tileKey"]["S"].rpartition(keys.SEPARATOR)
            received_day, _, received = name.split(keys.SEPARATOR)
            if f"{received_day}T{received}" in self._open or rows.is_over(item, self._now):
                continue
            # A part that was folded anew may have fewer blocks than before.
            if number == "0":
                blocks_of[name] = int(item["blocks"]["N"])
            if int(number) < blocks_of.get(name, 0):
                yield item

    def _rows_of_parts(self, seal: Head | None, start: int, end: int) -> Iterator[Item]:
        day_key = rows.day_key(self._org, self._aggregate, rows.tile_day(start))
        days = list(self._received_days(seal, start, end))
        whole = end - start == DAY_SECONDS
        if whole and days:
            bounds = [(f"{days[0]}{keys.SEPARATOR}", f"{days[-1]}{keys.SEPARATOR}~")]
        else:
            bounds = [(rows.part_sort(day, start), f"{rows.part_sort(day, end - 1)}~") for day in days]
        for low, high in bounds:
            values = {":key": {"S": day_key}, ":from": {"S": low}, ":to": {"S": high}}
            condition = "metricKey = :key AND tileKey BETWEEN :from AND :to"
            yield from self._analytics.query(condition, values, consistent=True, doing="read tiles")

    def _received_days(self, seal: Head | None, start: int, end: int) -> Iterator[str]:
        """Days on which events of tiles in [start, end) may have been received and still count, from the cut on."""
        first = clock.utc_day(clock.from_epoch_millis((start - _AHEAD_SECONDS) * 1000))
        latest = clock.from_epoch_millis(end * 1000) + timedelta(seconds=self._aggregate.lateness_seconds)
        last = clock.utc_day(min(latest, self._now + limits.AHEAD))
        for number in range((last - first).days + 1):
            day = (first + timedelta(days=number)).isoformat()
            if seal is None or day >= seal.cut:
                yield day

    @cached_property
    def _open(self) -> frozenset[str]:
        """Minutes that are marked; all of them are read from facts."""
        found = sorted(mark.minute for mark in marks.of_org(self._analytics, self._org))
        if len(found) > MOST_OPEN:
            self._warn(f"{len(found)} minutes of {self._org} are not folded: the last {MOST_OPEN} are read")
        return frozenset(found[-MOST_OPEN:])

    @cached_property
    def _unfolded(self) -> list[tuple[str, Tiles]]:
        """What the marked minutes add, as their fold will."""
        found = []
        for minute, facts in self._facts_by_minute():
            parts = self._fold.parts(facts)
            for part in parts.values():
                wanted = self._wanted
                tiles = {
                    tile: {key: states for key, states in by_key.items() if wanted is None or wanted(key)}
                    for tile, by_key in part.tiles.items()
                }
                found.append((minute, tiles))
        return found

    def _facts_by_minute(self) -> Iterator[tuple[str, Iterable[Fact]]]:
        by_minute: dict[str, list[Fact]] = {}
        for minute in sorted({one[:10] for one in self._open}):
            of_day = [one for one in self._open if one.startswith(minute)]
            for name, packed in packed_facts(self._analytics, self._org, of_day, self._now):
                try:
                    facts = list(unpack(packed))
                except PermanentError as error:
                    self._warn(f"facts {name} of {self._org} cannot be read: {error}")
                    continue
                by_minute.setdefault(f"{minute}T{name[:5]}", []).extend(facts)
        return iter(sorted(by_minute.items()))


def has_other(tiles: Iterable[KeyValues]) -> bool:
    """Whether keys are among them that were added up as one."""
    return any(key == OTHER for key in tiles)
