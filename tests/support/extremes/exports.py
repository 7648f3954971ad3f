"""What leaves the lake: queries as a person and as a program have them, feature values of past moments, and reconciliation."""

import io
import json
import math
import random
from collections.abc import Iterator
from contextlib import closing, redirect_stdout
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from cli.output import print_json
from cli.results import text
from millrace.core import clock
from millrace.core.objects import Objects
from millrace.core.sql import identifier
from millrace.core.table import Table
from millrace.features import views as feature_views
from millrace.features.offline import EVENT_TIMESTAMP, OfflineStore
from millrace.features.online import OnlineStore
from millrace.features.query import FeatureQuery
from millrace.lake import duck
from millrace.lake.sources import open_views
from millrace.queries import masks
from millrace.runs.store import RunStore
from tests.support import lake_queries
from tests.support.extremes.places import RAW, Found
from tests.support.extremes.world import World
from tests.support.functions import function
from tests.support.still import standing_still

_SECONDS = 900_000
# Entities of a tenant that are looked up.
_ENTITIES = 40


def queries(world: World, stores: Found, rng: random.Random, sample: int) -> Iterator[str]:
    """Raw and so many tables as `millrace query` has them, with and without `--json`: all of their rows come out."""
    counts = {name: len(rows) for name, rows in stores.tables.items()}
    counts[masks.RAW] = sum(len(held) for held in stores.places[RAW].values())
    names = [masks.RAW, *rng.sample(sorted(stores.tables), min(sample, len(stores.tables)))]
    with TemporaryDirectory() as folder:
        asked = lake_queries.queries(world.lake.endpoint, world.lake.bucket, Path(folder))
        answers = {name: lake_queries.rows(asked, f"SELECT * FROM {name}") for name in names}
    for name, (columns, rows) in answers.items():
        out = io.StringIO()
        with redirect_stdout(out):
            print_json([dict(zip(columns, row, strict=True)) for row in rows])
        if not counts[name] == len(rows) == len(json.loads(out.getvalue())):
            yield f"a query of {name} gives {len(rows)} of {counts[name]} rows"
        for row in rows:
            for value in row:
                text(value).encode()


def feature_values(world: World, run: str, orgs: list[str]) -> Iterator[str]:
    """Every view of every entity: online what it was offline as of the run."""
    sources = RunStore(Objects(world.s3, world.lake.bucket)).sources(run)
    if sources is None:
        yield f"{run} has pinned no sources"
        return
    views, at = feature_views.load(), clock.parse(sources.at)
    online = OnlineStore(Table(world.dynamodb, "FeatureStore"), views, lambda: at)
    for org in orgs:
        with closing(
            duck.connect(memory_mb=500, threads=2, s3=duck.S3Access.from_environment())
        ) as connection:
            open_views(connection, sources, org)
            store = OfflineStore(connection, views)
            for name in views.names():
                yield from (
                    f"{name} of {org}: {one}" for one in _view(connection, store, online, name, org, at)
                )


def _view(
    connection: Any, store: OfflineStore, online: OnlineStore, name: str, org: str, at: Any
) -> Iterator[str]:
    views = feature_views.load()
    view = views.view(name)
    features = [f"{name}:{feature}" for feature in view.features]
    question = FeatureQuery(views, features)
    columns: dict[str, list[Any]] = {}
    for part in question.views:
        source = [
            f"SELECT DISTINCT {identifier(group.key)} AS key FROM {group.table} WHERE {identifier(group.key)} IS NOT NULL"
            for group in part.groups
        ]
        cursor = connection.execute(
            f"SELECT key FROM ({' UNION '.join(source)}) ORDER BY hash(key) LIMIT {_ENTITIES}"
        ).fetchall()
        columns.setdefault(part.key, [key for (key,) in cursor])
    count = max(map(len, columns.values()), default=0)
    if not count:
        return
    frame = {
        key: [values[place % len(values)] if values else None for place in range(count)]
        for key, values in columns.items()
    }
    frame |= {
        column: [[0.0, 1e12, 0.0001][place % 3] for place in range(count)] for column in question.request
    }
    rows = [{key: values[place] for key, values in frame.items()} for place in range(count)]
    asof = pa.array([at] * count, pa.timestamp("us", tz="UTC"))
    then = store.get_historical_features(
        pa.table({**frame, EVENT_TIMESTAMP: asof}), features, full_feature_names=True
    )
    now = online.answers(org, question, rows)
    for place, (row, values) in enumerate(zip(rows, now, strict=True)):
        for value in values:
            wanted = then[f"{name}__{value.feature.feature}"][place].as_py()
            if value.status == "ok" and not _equal(value.value, wanted):
                yield f"{value.feature} of {row!r:.200} is {value.value!r} online and {wanted!r} offline"
            if isinstance(wanted, float) and not math.isfinite(wanted):
                yield f"{value.feature} of {row!r:.200} is {wanted}"


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float | int) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


def reconciled(world: World, days: list[str], orgs: list[str]) -> Iterator[str]:
    """Nothing is missing anywhere, by the platform's own account."""

    class Context:
        get_remaining_time_in_millis = staticmethod(lambda: _SECONDS)

    later = world.now + timedelta(days=2)
    environ = {**world.variables(), "BOUND_ORGS": ",".join(orgs)}
    for day in days:
        with standing_still(later), function("reconcile_events", environ) as handler:
            answer = handler({"from": day, "to": day}, Context())
        if answer["left"] or answer["differences"]:
            yield f"reconciling {day}: {answer['left']} left, {str(answer['differences'])[:500]}"
