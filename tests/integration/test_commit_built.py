"""Commits of tables that SQL builds: partly or as a whole, by day or by tenant."""

from typing import Any

from millrace.lake import table_portions
from millrace.runs.documents import Committed, Failure
from tests.support import lake_files
from tests.support.commits import ACME, FIRST, GLOBEX, SECOND, base, commit, counted, opened
from tests.support.emulator import Lake
from tests.support.lake_files import BUILT, keep_built, part


def build(lake: Lake, run: str, *sizes: tuple[str, str | None, int], **how: Any) -> Committed:
    grain = how.pop("grain", "day")
    parts = [part(lake, run, *size, name=BUILT) for size in sizes]
    keep_built(lake, run, parts, base=base(lake, BUILT)[BUILT], **how)
    return commit(lake, run, BUILT, lake_files.table(BUILT, grain=grain))


def test_a_table_built_anew_as_a_whole_drops_what_is_no_more(lake: Lake) -> None:
    build(lake, "r1", (ACME, FIRST, 5), (ACME, SECOND, 4), (GLOBEX, FIRST, 3), definition="d1")
    assert opened(lake, BUILT).properties["millrace.definition"] == "d1"
    build(lake, "r2", (ACME, FIRST, 6), definition="d1")
    assert counted(lake, BUILT) == {(ACME, FIRST): 6, (ACME, SECOND): 4, (GLOBEX, FIRST): 3}
    build(lake, "r3", (ACME, FIRST, 7), whole=True, definition="d2")
    assert counted(lake, BUILT) == {(ACME, FIRST): 7}
    assert opened(lake, BUILT).properties["millrace.definition"] == "d2"


def test_a_tenant_that_failed_in_a_whole_keeps_its_rows_and_is_all_that_the_next_run_has_to_do(
    lake: Lake,
) -> None:
    build(lake, "r1", (ACME, FIRST, 5), (GLOBEX, FIRST, 3), definition="d1")
    how = {"partitions": [(ACME, FIRST), (GLOBEX, FIRST)], "failures": (Failure(GLOBEX, None, "memory"),)}
    done = build(lake, "r2", (ACME, FIRST, 6), whole=True, definition="d2", **how)
    assert done.status == "committed"
    assert counted(lake, BUILT) == {(ACME, FIRST): 6, (GLOBEX, FIRST): 3}
    assert opened(lake, BUILT).properties["millrace.definition"] == "d2", "else the next run does all again"
    assert table_portions.unfinished(lake_files.store(lake).prepared("r2", BUILT), done) == {(GLOBEX, FIRST)}
    failures = tuple(Failure(org, None, "memory") for org in (ACME, GLOBEX))
    nothing = {"partitions": [(ACME, FIRST), (GLOBEX, FIRST)], "failures": failures}
    build(lake, "r3", whole=True, definition="d3", **nothing)
    assert opened(lake, BUILT).properties["millrace.definition"] == "d2", (
        "no snapshot leads to what is unfinished"
    )


def test_an_empty_table_remembers_its_definition(lake: Lake) -> None:
    assert build(lake, "r1", (ACME, None, 0), grain="org", whole=True, definition="d1").status == "unchanged"
    assert opened(lake, BUILT).properties["millrace.definition"] == "d1"


def test_a_table_by_tenant_has_no_days(lake: Lake) -> None:
    done = build(lake, "r1", (ACME, None, 5), (GLOBEX, None, 2), grain="org")
    assert done.status == "committed"
    assert {(f.org, f.day, f.rows) for f in opened(lake, BUILT).files()} == {
        (ACME, None, 5),
        (GLOBEX, None, 2),
    }
    build(lake, "r2", (ACME, None, 6), grain="org")
    assert {(f.org, f.rows) for f in opened(lake, BUILT).files()} == {(ACME, 6), (GLOBEX, 2)}
