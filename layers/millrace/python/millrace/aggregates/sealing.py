"""Sealed days: a day of tiles counted anew from silver, in the place of what the stream has left of it.

A seal holds what was received before its cut, a UTC midnight; a reader adds the parts that were received since. Each day of each
aggregate is one unit of work: blocks first, then the head that names them, so a reader sees the seal before or this one, and
whoever does it again writes the same rows. It is due where silver's files of the day are others than those that it was made of, or
where events are in them that were received after its cut. So a new aggregate's past, late events, repairs and what was redriven
behind the life of live rows all are sealed by the next run.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from millrace.aggregates import blocks, measures, rows, sql
from millrace.aggregates.blocks import Tiles
from millrace.aggregates.definition import Aggregate
from millrace.aggregates.fold import OTHER, KeyValues
from millrace.aggregates.heads import Compared, Head, Heads, digest
from millrace.aggregates.sql import Source
from millrace.contracts.columns import table
from millrace.contracts.fields import fields
from millrace.contracts.registry import Registry
from millrace.core import clock, keys
from millrace.core.table import Item, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# The stream counts an aggregate from its deployment on. By a day's beginning the day two days before it has been sealed by whoever
# was deployed then.
_SEEN = timedelta(days=2)
# Receipts as old as this may have parts that are gone.
_COMPARED = rows.PARTS_KEPT - timedelta(days=1)
# Tiles and keys that differ, and that a head names.
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Sealed:
    """What came of a day: its tiles, events that were too late for them, and how the stream's numbers compare."""

    tiles: int
    late: int
    compared: Compared


class Sealer:
    """Seals days of one tenant."""

    def __init__(self, analytics: Table, contracts: Registry, org: str) -> None:
        self._analytics, self._contracts, self._org = analytics, contracts, org

    def heads(self, aggregates: Iterable[Aggregate], days: Iterable[str]) -> dict[tuple[str, str], Head]:
        """Aggregate and day → the head of its seal, where it has one.

        Raises:
            MillraceError: the table did not answer.
        """
        return Heads(self._analytics, self._org).read(aggregates, days)

    def tables(self, aggregate: Aggregate) -> tuple[str, ...]:
        """The tables of silver that an aggregate is sealed from."""
        return tuple(one.relation for one in self._sources(aggregate))

    def seal(
        self,
        connection: "DuckDBPyConnection",
        aggregate: Aggregate,
        day: str,
        source: str,
        cut: date,
        now: datetime,
        heads: Mapping[tuple[str, str], Head],
    ) -> Sealed:
        """Seals a day of an aggregate.

        Args:
            connection: that has the tables of `tables`, of this tenant and day alone.
            aggregate: which.
            day: UTC, of the tiles.
            source: `source_of` the files that these tables are.
            cut: what was received before this midnight is sealed.
            now: the present moment.
            heads: of this day and the days before it.

        Raises:
            MillraceError: the table did not take it; the seal before still holds, or this one.
            duckdb.Error: a file cannot be read.
        """
        head, sources = heads.get((aggregate.name, day)), self._sources(aggregate)
        before = f"received_at < TIMESTAMPTZ '{cut.isoformat()} 00:00:00+00'"
        compared = self._compare(connection, aggregate, day, cut, heads)
        if not compared.tiles and head is not None and head.cut == cut.isoformat():
            # The same seal again: what it found the first time is not to be lost.
            compared = head.compared
        tiles = _tiles(connection, aggregate, sources, before)
        late = sum(
            number for _, number in connection.execute(sql.late(aggregate, sources, before)).fetchall()
        )
        newest = [
            connection.execute(f"SELECT max(received_at) FROM {one.relation}").fetchone()  # noqa: S608  a table of ours
            for one in sources
        ]
        whole = all(row is None or row[0] is None or row[0] < clock.midnight(cut) for row in newest)
        generation = hashlib.sha256(f"{source} {cut.isoformat()}".encode()).hexdigest()[:12]
        layout, packed = blocks.pack(tiles, [_AS_STORED] * len(aggregate.measures))
        name = rows.day_key(self._org, aggregate, day)
        expires = clock.midnight(date.fromisoformat(day)) + timedelta(days=aggregate.retention_days + 1)
        expiry = {"expiresAt": {"N": str(clock.epoch(expires))}}
        sorts = {rows.sealed_sort(generation, *place): block for place, block in packed.items()}
        self._analytics.write_all(
            [{**_key(name, sort), "part": {"B": block}, **expiry} for sort, block in sorts.items()],
            doing="write sealed tiles",
        )
        self._analytics.put(
            {
                **_key(name, rows.sealed_sort()),
                "cut": {"S": cut.isoformat()},
                "generation": {"S": generation},
                "spans": {"N": str(layout.spans)},
                "blocks": {"N": str(layout.blocks)},
                "source": {"S": source},
                "whole": {"N": str(int(whole))},
                "late": {"N": str(late)},
                "firstAt": {"S": head.first_at if head is not None else clock.utc_text(now)},
                "at": {"S": clock.utc_text(now)},
                "digest": {"S": digest(sorts.items())},
                "compared": {"N": str(compared.tiles)},
                "different": {"N": str(compared.different)},
                "named": {"S": orjson.dumps(compared.named).decode()},
                **expiry,
            },
            doing="seal",
        )
        self._forget(name, {generation, head.generation if head is not None else ""})
        return Sealed(len(tiles), late, compared)

    def _compare(
        self,
        connection: "DuckDBPyConnection",
        aggregate: Aggregate,
        day: str,
        cut: date,
        heads: Mapping[tuple[str, str], Head],
    ) -> Compared:
        """What the stream counted since the last cut, compared with silver; nothing where that is not known to be whole."""
        head = heads.get((aggregate.name, day))
        first = head.cut if head is not None else ""
        begin = clock.midnight(date.fromisoformat(first or day))
        if (
            aggregate.of_log
            or first >= cut.isoformat()
            or begin < clock.midnight(cut) - _COMPARED
            or not _counted_since(aggregate.name, day, begin, heads)
            or self._is_open(cut)
        ):
            return Compared()
        bounds = f"received_at < TIMESTAMPTZ '{cut.isoformat()} 00:00:00+00'"
        if first:
            bounds += f" AND received_at >= TIMESTAMPTZ '{first} 00:00:00+00'"
        counted = self._live(aggregate, day, first, cut.isoformat())
        wanted = _tiles(connection, aggregate, self._sources(aggregate), bounds)
        places = {
            (tile, key) for tiles in (counted, wanted) for tile, by_key in tiles.items() for key in by_key
        }
        different = sorted(
            _named(aggregate, tile, key)
            for tile, key in places
            if counted.get(tile, {}).get(key) != wanted.get(tile, {}).get(key)
        )
        return Compared(len(places), len(different), tuple(different[:_MOST_NAMED]))

    def _live(self, aggregate: Aggregate, day: str, first: str, before: str) -> Tiles:
        """What the stream counted of a day and received on the days [first, before), states in stored form."""
        kinds = [measures.of(one) for one in aggregate.measures]
        values = {
            ":key": {"S": rows.day_key(self._org, aggregate, day)},
            ":from": {"S": first or "0"},
            ":to": {"S": before},
        }
        condition = "metricKey = :key AND tileKey BETWEEN :from AND :to"
        found: Tiles = {}
        numbers: dict[str, int] = {}
        for item in self._analytics.query(condition, values, consistent=True, doing="read tiles"):
            name, _, number = item["tileKey"]["S"].rpartition(keys.SEPARATOR)
            # A part that was folded anew may have fewer blocks than before.
            numbers[name] = int(item["blocks"]["N"]) if number == "0" else numbers.get(name, 0)
            if int(number) < numbers[name]:
                blocks.merge(found, blocks.unpack(bytes(item["part"]["B"]), kinds), kinds)
        return {
            tile: {
                key: [
                    state if isinstance(state, dict) else kind.cut(state)
                    for kind, state in zip(kinds, states, strict=True)
                ]
                for key, states in by_key.items()
            }
            for tile, by_key in found.items()
        }

    def _is_open(self, cut: date) -> bool:
        """Whether a minute of receipt before the cut is not folded yet."""
        values = {
            ":key": {"S": rows.mark_key(self._org)},
            ":from": {"S": rows.mark_sort(self._org)},
            ":to": {"S": rows.mark_sort(self._org, cut.isoformat())},
        }
        condition = "metricKey = :key AND tileKey BETWEEN :from AND :to"
        return any(True for _ in self._analytics.query(condition, values, doing="read marks"))

    def _forget(self, name: str, kept: set[str]) -> None:
        """Deletes the blocks of all generations but these: a reader may still be at the one before."""
        values = {":key": {"S": name}, ":sealed": {"S": f"{rows.SEALED}{keys.SEPARATOR}"}}
        condition = "metricKey = :key AND begins_with(tileKey, :sealed)"
        for item in self._analytics.query(
            condition, values, projection="metricKey, tileKey", doing="read sealed tiles"
        ):
            if item["tileKey"]["S"].split(keys.SEPARATOR)[1] not in kept:
                self._analytics.delete(
                    {"metricKey": item["metricKey"], "tileKey": item["tileKey"]}, doing="delete a seal"
                )

    def _sources(self, aggregate: Aggregate) -> list[Source]:
        return [
            Source(event_type, f"silver.{table(contract)}", f"{event_type}/{major}.", fields(contract))
            for event_type in aggregate.events
            for major, contract in sorted(self._contracts.majors(event_type).items())
        ]


def _named(aggregate: Aggregate, tile: int, key: KeyValues) -> str:
    """`10:05 Nile, Lisbon`, the tile's UTC time and the key."""
    values = ", ".join("" if value is None else measures.text(value) for value in key)
    if aggregate.keys and key == OTHER:
        values = "the other keys"
    return f"{clock.utc_text(clock.from_epoch_millis(tile * 1000))[11:16]} {values}".strip()[:200]


def source_of(files: Iterable[str]) -> str:
    """Names the files that a day is sealed from: silver never writes one twice with another content."""
    return hashlib.sha256("\n".join(sorted(files)).encode()).hexdigest()[:16]


def is_due(head: Head | None, source: str, cut: date) -> bool:
    """Whether a day is to be sealed (again)."""
    if head is None:
        return True
    # A run that began before another one's midnight comes too late.
    newer = head.cut <= cut.isoformat()
    return newer and (head.source != source or (not head.whole and head.cut < cut.isoformat()))


def _counted_since(name: str, day: str, begin: datetime, heads: Mapping[tuple[str, str], Head]) -> bool:
    """Whether the stream counts an aggregate at least since a moment: by then there was a seal already."""
    earlier = (date.fromisoformat(day) - _SEEN).isoformat()
    found = (heads.get((name, one)) for one in (day, earlier))
    return any(head is not None and clock.parse(head.first_at) < begin for head in found)


def _tiles(
    connection: "DuckDBPyConnection", aggregate: Aggregate, sources: Sequence[Source], where: str
) -> Tiles:
    found: Tiles = {}
    cursor = connection.execute(sql.tiles(aggregate, sources, where))
    for row in _rows(cursor):
        tile, key, states = sql.states(aggregate, row)
        found.setdefault(tile, {})[key] = states
    return found


def _rows(cursor: "DuckDBPyConnection") -> Iterator[tuple[Any, ...]]:
    while several := cursor.fetchmany(1000):
        yield from several


class _AsStored:
    """Of states that are in stored form already."""

    def cut_all(self, states: Any) -> Any:
        return states


_AS_STORED: Any = _AsStored()


def _key(metric: str, tile: str) -> Item:
    return {"metricKey": {"S": metric}, "tileKey": {"S": tile}}
