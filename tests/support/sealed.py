"""A day of events as the stream counts them and as silver has them, for tests that compare the two."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb

from millrace.aggregates import measures, sql
from millrace.aggregates.definition import Aggregate, of_types
from millrace.aggregates.facts import Facts, minute, pack, unpack
from millrace.aggregates.fold import Fold, KeyValues
from millrace.contracts.columns import duckdb_type, table
from millrace.contracts.fields import fields
from millrace.contracts.registry import Registry
from millrace.contracts.tables import silver_table
from millrace.eventstore.row import StoredEvent
from millrace.lake import duck
from millrace.runs.documents import Part
from tests.support.raw_files import BUCKET, RawFiles

# Tile → keys → states in stored form, `top` as sorted pairs.
Tiles = dict[int, dict[KeyValues, list[Any]]]


def streamed(
    aggregates: Sequence[Aggregate],
    types: Mapping[str, Mapping[str, str]],
    contract_of: Callable[[str], Any],
    delivered: Iterable[StoredEvent],
    rng: random.Random,
) -> tuple[dict[str, Tiles], dict[str, dict[int, int]]]:
    """What one tenant's deliveries come to: batches of facts, folded minute by minute, stored, read and merged.

    Returns:
        Aggregate → its tiles; aggregate → tile → events that were too late for it.
    """
    facts, counted = Facts(aggregates, contract_of), of_types(aggregates)
    batches: dict[str, list[bytes]] = {}
    events = [one for one in delivered if one.event_type in counted]
    while events:
        batch, events = events[: (size := rng.randrange(1, 60))], events[size:]
        by_minute: dict[str, list[Any]] = {}
        for event in batch:
            at = minute(event.envelope["platform"]["receivedAt"])
            by_minute.setdefault(at, []).append(facts.of(event))
        for at, made in by_minute.items():
            batches.setdefault(at, []).append(pack(made))
    fold, kinds = Fold(aggregates, types), {one.name: [*map(measures.of, one.measures)] for one in aggregates}
    tiles: dict[str, Tiles] = {one.name: {} for one in aggregates}
    late: dict[str, dict[int, int]] = {one.name: {} for one in aggregates}
    for packed in rng.sample(list(batches.values()), len(batches)):
        for name, part in fold.parts(fact for one in packed for fact in unpack(one)).items():
            for tile, ids in part.late.items():
                late[name][tile] = late[name].get(tile, 0) + len(ids)
            for tile, keys in part.tiles.items():
                held = tiles[name].setdefault(tile, {})
                for key, states in keys.items():
                    stored = [
                        kind.read(kind.cut(state)) for kind, state in zip(kinds[name], states, strict=True)
                    ]
                    held[key] = (
                        [
                            kind.merge(*pair)
                            for kind, *pair in zip(kinds[name], held[key], stored, strict=True)
                        ]
                        if key in held
                        else stored
                    )
    return {name: in_stored_form(kinds[name], found) for name, found in tiles.items()}, late


@contextmanager
def silver_of(
    registry: Registry, event_types: Iterable[str], files: RawFiles, parts: Iterable[Part]
) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[sql.Source]]]:
    """A database with the tables of silver that a worker wrote for one tenant, and where their events lie."""
    held = [part for part in parts if part.file is not None]
    sources = []
    with duck.connect(memory_mb=400, threads=1, temp_dir=files.root.parent) as connection:
        for event_type in event_types:
            for major, contract in registry.majors(event_type).items():
                columns = [(one.name, duckdb_type(one.type)) for one in silver_table(contract).columns]
                name = table(contract)
                paths = [
                    str(files.root) + str(part.file).removeprefix(f"s3://{BUCKET}")
                    for part in held
                    if part.table == f"silver.{name}"
                ]
                duck.create_view(connection, f"silver.{name}", columns, paths)
                sources.append(
                    sql.Source(event_type, f"silver.{name}", f"{event_type}/{major}.", fields(contract))
                )
        yield connection, sources


def sealed(
    aggregate: Aggregate,
    connection: duckdb.DuckDBPyConnection,
    sources: Sequence[sql.Source],
    where: str = "true",
) -> tuple[Tiles, dict[int, int]]:
    """The same of silver."""
    tiles, mine = Tiles(), [one for one in sources if one.event_type in aggregate.events]
    rows = connection.execute(sql.tiles(aggregate, mine, where)).fetchall()
    late = dict(connection.execute(sql.late(aggregate, mine, where)).fetchall())
    for row in rows:
        tile, key, states = sql.states(aggregate, row)
        tiles.setdefault(tile, {})[key] = states
    return {
        tile: {key: [_plain(state) for state in states] for key, states in keys.items()}
        for tile, keys in tiles.items()
    }, late


def in_stored_form(kinds: Sequence[Any], tiles: Tiles) -> Tiles:
    """Tiles in memory with their states in stored form."""
    return {
        tile: {
            key: [
                _plain(state if isinstance(state, dict) else kind.cut(state))
                for kind, state in zip(kinds, states, strict=True)
            ]
            for key, states in keys.items()
        }
        for tile, keys in tiles.items()
    }


def _plain(state: Any) -> Any:
    return {**state, "by": dict(sorted(state["by"].items()))} if isinstance(state, dict) else state
