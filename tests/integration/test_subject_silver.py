"""A single row of silver is found by tenant, day and event, from the files of that day alone."""

from functools import partial

from millrace.iceberg import tables
from millrace.people.silver import SilverRows
from tests.support.commits import ACME, FIRST, GLOBEX, SECOND, opened, silver
from tests.support.emulator import Lake
from tests.support.lake_files import SILVER


def test_a_row_is_found_where_it_is_and_nowhere_else(lake: Lake) -> None:
    reads = SilverRows(partial(tables.catalog, "local", lake.bucket))
    assert reads.row(SILVER, ACME, FIRST, "any") is None, "there is no table yet"
    silver(lake, "r1", (ACME, FIRST, 5), (GLOBEX, SECOND, 7))
    rows = opened(lake).table.scan().to_arrow().to_pylist()
    assert len(rows) == 12
    for row in rows:
        found = reads.row(SILVER, row["org_id"], row["event_time"].date().isoformat(), row["event_id"])
        assert found == row
    mine = next(row for row in rows if row["org_id"] == ACME)
    assert reads.row(SILVER, GLOBEX, FIRST, mine["event_id"]) is None
    assert reads.row(SILVER, ACME, SECOND, mine["event_id"]) is None
    assert reads.row(SILVER, ACME, FIRST, "no' OR '1'='1") is None
