"""Neighbours, and all that lies behind them."""

import pyarrow as pa

from millrace.archive import raw
from millrace.catalog.datasets import RAW_COLUMNS
from millrace.catalog.lineage import LineageGraph


def graph() -> LineageGraph:
    found = LineageGraph()
    found.add(
        "silver.a", ["raw.events"], {"x": [("raw.events", "payload")], "y": [("raw.events", "payload")]}
    )
    found.add("marts.b", ["silver.a"], {"z": [("silver.a", "x"), ("silver.a", "y")], "n": []})
    found.add("exposure.c", ["marts.b"], {})
    return found


def test_direct_neighbours() -> None:
    assert graph().around("silver.a", ["x", "y", "unread"], transitive=False) == {
        "upstream": ["raw.events"],
        "downstream": ["marts.b"],
        "columns": {
            "x": {"upstream": ["raw.events.payload"], "downstream": ["marts.b.z"]},
            "y": {"upstream": ["raw.events.payload"], "downstream": ["marts.b.z"]},
        },
    }


def test_all_that_it_comes_from_and_goes_to() -> None:
    found = graph().around("raw.events", ["payload", "metadata"], transitive=True)
    assert found["downstream"] == ["exposure.c", "marts.b", "silver.a"]
    assert found["columns"] == {
        "payload": {"upstream": [], "downstream": ["marts.b.z", "silver.a.x", "silver.a.y"]}
    }
    assert graph().around("marts.b", [], transitive=True)["upstream"] == ["raw.events", "silver.a"]


def test_a_circle_ends() -> None:
    found = graph()
    found.add("raw.events", ["marts.b"], {})
    assert found.around("silver.a", [], transitive=True)["upstream"] == ["marts.b", "raw.events"]


def test_raw_is_described_as_the_archive_writes_it() -> None:
    names = {
        pa.string(): "string",
        pa.timestamp("us", tz="UTC"): "timestamp",
        pa.binary(): "binary",
        pa.int64(): "bigint",
    }
    assert {field.name: names[field.type] for field in raw.SCHEMA} == {
        name: kind for name, (kind, _) in RAW_COLUMNS.items()
    }
