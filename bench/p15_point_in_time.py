"""P15: the point-in-time join against a bare ASOF join of DuckDB, and against Feast.

Ours is `get_historical_features` from the entity frame to the finished table, in the frame's order. The bare join answers in
whatever order it likes. Feast runs in an environment of its own (`.local/feast-venv`, made here), with each of its two local
stores; where its answer has all rows it must be ours.
"""

import json
import subprocess
import tempfile
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.figure import Figure, ratio
from cli import bootstrap
from millrace.features.offline import OfflineStore
from millrace.features.views import Feature, FeatureGroup, FeatureView, FeatureViews

ROWS, ITEMS = 200_000, 5_000
FEAST = ("feast[duckdb]==0.67.0",)
STORES = {"file": "dask, its default", "duckdb": "duckdb"}
NAMES = ("item:price", "item:category")
_BARE = """
    SELECT e.*, f.price, f.category
    FROM entities AS e ASOF LEFT JOIN silver.item_v1 AS f
    ON e.item_id = f.item_id AND e.event_timestamp > f.happened
"""


def measure() -> list[Figure]:
    """Processor time of ours over the bare join's, and Feast's over ours."""
    with tempfile.TemporaryDirectory() as name, duckdb.connect(config={"threads": 2}) as connection:
        folder = Path(name)
        frame = _data(connection, folder)
        store = OfflineStore(connection, FeatureViews([_view()]))

        def ours() -> pa.Table:
            answer: pa.Table = store.get_historical_features(frame, NAMES)
            return answer

        def bare() -> pa.Table:
            return connection.execute(_BARE).to_arrow_table()

        # A table, so that the planner knows its size: over a registered frame it takes the quadratic join.
        connection.execute("CREATE TABLE entities AS FROM frame")
        answer = ours()
        _demand("the bare join", answer, bare())
        _demand_the_past(connection, answer)
        figures = [Figure("P15", "point-in-time join / bare ASOF join", ratio(ours, bare), 1.15)]
        return figures + _feast(folder, answer, ours)


def _view() -> FeatureView:
    features = (
        Feature("price", "latest", "price", None, 0, None, "double", ""),
        Feature("category", "latest", "category", None, 0, None, "string", ""),
    )
    group = FeatureGroup("silver.item_v1", "item_id", "happened", (), 0, None, features)
    return FeatureView("item", "1.0.0", "", "", "", "item", "item_id", (group,), (), ())


def _data(connection: duckdb.DuckDBPyConnection, folder: Path) -> pa.Table:
    """Prices of items, and questions about items of which some are unknown; no two moments are equal."""
    connection.execute("CREATE SCHEMA silver")
    connection.execute(
        f"CREATE TABLE silver.item_v1 AS SELECT 'itm_' || (hash(i) % {ITEMS}) AS item_id, "  # noqa: S608
        "CAST(make_timestamp(1700000000000000 + CAST(hash(i * 7) % 8640000 AS BIGINT) * 1000000 + 2 * (i % 250000)) "
        "AS TIMESTAMPTZ) AS happened, CAST((hash(i * 3) % 10000) / 100.0 AS DOUBLE) AS price, "
        f"'cat_' || (i % 50) AS category FROM range({ROWS}) AS t(i)"
    )
    frame: pa.Table = connection.execute(
        f"SELECT 'itm_' || (hash(i * 11) % {ITEMS + 100}) AS item_id, "  # noqa: S608
        "CAST(make_timestamp(1700000000000000 + CAST(hash(i * 13) % 8640000 AS BIGINT) * 1000000 + 2 * (i % 250000) + 1) "
        f"AS TIMESTAMPTZ) AS event_timestamp, i AS question FROM range({ROWS}) AS t(i)"
    ).to_arrow_table()
    pq.write_table(frame, folder / "entities.parquet")
    pq.write_table(connection.execute("FROM silver.item_v1").to_arrow_table(), folder / "source.parquet")
    return frame


def _demand(whose: str, ours: pa.Table, theirs: pa.Table) -> None:
    """Raises unless both say the same of every question."""
    names = ["question", "price", "category"]
    if not ours.select(names).sort_by("question").equals(theirs.select(names).sort_by("question")):
        raise AssertionError(f"the answer differs from that of {whose}")


def _demand_the_past(connection: duckdb.DuckDBPyConnection, answer: pa.Table) -> None:
    """Raises unless rows out are rows in, in order, and each value is one that an earlier row holds."""
    if not pc.all(pc.equal(answer["question"], pa.array(range(ROWS)))).as_py():
        raise AssertionError("the rows are not those of the frame")
    past: dict[str, list[tuple[int, float]]] = defaultdict(list)
    told = connection.execute("SELECT item_id, epoch_us(happened), price FROM silver.item_v1 ORDER BY 2")
    for item, moment, price in told.fetchall():
        past[item].append((moment, price))
    asked = zip(
        answer["item_id"].to_pylist(),
        answer["event_timestamp"].cast(pa.int64()).to_pylist(),
        answer["price"].to_pylist(),
        strict=True,
    )
    for item, moment, price in asked:
        known = bisect_left(past[item], (moment,))
        if price != (past[item][known - 1][1] if known else None):
            raise AssertionError(f"the price of {item} at {moment} is not the newest of the past")


def _feast(folder: Path, answer: pa.Table, ours: Callable[[], pa.Table]) -> list[Figure]:
    """How many times our processor time each of Feast's stores takes. Without a network there is none to compare."""
    venv = bootstrap.ROOT / ".local" / "feast-venv"
    bootstrap.ensure(venv, FEAST, stamp=".installed-feast", what="Feast to compare with")
    figures = []
    for kind, known_as in STORES.items():
        command = [
            str(venv / "bin/python"),
            str(Path(__file__).with_name("feast_peer.py")),
            str(folder),
            kind,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
        document = json.loads(done.stdout.splitlines()[-1])
        theirs = pq.read_table(folder / f"feast-{kind}.parquet")
        # Its dask store leaves out questions of which nothing is known.
        lost = ROWS - document["rows"]
        asked = answer.filter(pc.is_in(answer["question"], theirs["question"])) if lost else answer
        _demand(f"Feast ({kind})", asked, theirs.cast(_like(theirs, answer)))
        seconds = document["seconds"]
        what = f"Feast ({known_as}) / point-in-time join" + (f", {lost} rows lost by Feast" if lost else "")
        figures.append(Figure("P15", what, _times(seconds, ours), 10, at_least=True))
    return figures


def _like(theirs: pa.Table, answer: pa.Table) -> pa.Schema:
    fields = [answer.schema.field(f.name) if f.name in answer.column_names else f for f in theirs.schema]
    return pa.schema(fields)


def _times(seconds: float, ours: Callable[[], pa.Table]) -> float:
    """The peer's seconds over ours, each the quickest of several calls."""
    spent = []
    for _ in range(5):
        started = time.process_time()
        ours()
        spent.append(time.process_time() - started)
    return seconds / min(spent)
