"""From the archive to silver by the real handlers: new, again, late, and twice at once."""

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from millrace.archive.archive import Archive
from millrace.contracts import registry
from millrace.core import clock
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore import pending
from millrace.eventstore.codec import Codec
from tests.support.commits import ACME, GLOBEX, opened
from tests.support.emulator import Lake
from tests.support.functions import function
from tests.support.lake_files import SILVER
from tests.unit.archive.test_archive import delivery

# Days whose manifest is whole: a plan over an interval looks at the clock.
DAY = (clock.now() - timedelta(days=9)).replace(hour=10, minute=0, second=0, microsecond=0)
NEXT = DAY + timedelta(days=1)
FIRST, SECOND = (clock.utc_day(moment).isoformat() for moment in (DAY, NEXT))


def archive(lake: Lake, *events: tuple[int, str, datetime]) -> None:
    """A batch of the log; a number is a place in the stream."""
    codec = Codec(registry.load().dictionary)
    archived = Archive(Objects(lake.s3, lake.bucket), Table(lake.dynamodb, "Metadata"), codec)
    archived.write([delivery(*event)[1] for event in events])


def call(lake: Lake, stem: str, event: dict[str, Any]) -> dict[str, Any]:
    more = {"MEMORY_MB": "1024"} if stem == "transform_partitions" else {}
    with function(stem, {**lake.environ, **more}) as handler:
        answer: dict[str, Any] = handler(event, None)
        return answer


def plan(lake: Lake, run: str, **request: Any) -> dict[str, Any]:
    return call(lake, "plan_run", {"runId": run, "refresh": ["hourly", "daily"], "silver": True, **request})


def finish(lake: Lake, run: str, planned: dict[str, Any]) -> dict[str, str]:
    """Transforms and commits what was planned; table → status."""
    for batch in planned["batches"]:
        assert call(lake, "transform_partitions", {"runId": run, "batch": batch})["failed"] == 0
    return {
        table: call(lake, "commit_table", {"runId": run, "table": table})["status"]
        for table in call(lake, "commit_table", {"runId": run, "list": True})["tables"]
    }


def rows(lake: Lake) -> Counter[tuple[str, str]]:
    return Counter({(file.org, str(file.day)): file.rows for file in opened(lake).files()})


def test_a_late_event_opens_its_day_again_and_no_other(lake: Lake, bundle: Path) -> None:
    archive(lake, (1, ACME, DAY), (2, GLOBEX, DAY), (3, ACME, NEXT))
    assert finish(lake, "r1", plan(lake, "r1")) == {SILVER: "committed"}
    assert rows(lake) == {(ACME, FIRST): 1, (GLOBEX, FIRST): 1, (ACME, SECOND): 1}
    for row in pending.read(Table(lake.dynamodb, "Metadata")):
        assert pending.clear(Table(lake.dynamodb, "Metadata"), row.org, row.day, row.token)
    before = {file.path for file in opened(lake).files()}
    archive(lake, (4, ACME, DAY))
    planned = plan(lake, "r2")
    assert (planned["partitions"], len(planned["batches"])) == (1, 1)
    assert finish(lake, "r2", planned) == {SILVER: "committed"}
    assert rows(lake)[ACME, FIRST] == 2
    assert len(before - {file.path for file in opened(lake).files()}) == 1


def test_an_interval_again_gives_the_same_rows(lake: Lake, bundle: Path) -> None:
    archive(lake, (1, ACME, DAY), (2, GLOBEX, NEXT))
    finish(lake, "r1", plan(lake, "r1"))
    first = sorted(map(str, opened(lake).table.scan().to_arrow().to_pylist()))
    repeated = {"from": FIRST, "to": SECOND}
    assert finish(lake, "r2", plan(lake, "r2", **repeated)) == {SILVER: "committed"}
    assert sorted(map(str, opened(lake).table.scan().to_arrow().to_pylist())) == first


def test_of_two_runs_at_once_one_lands_and_what_came_meanwhile_stays_pending(
    lake: Lake, bundle: Path
) -> None:
    archive(lake, (1, ACME, DAY))
    older = plan(lake, "older")
    ((planned,),) = [pending.read(Table(lake.dynamodb, "Metadata"))]
    archive(lake, (2, ACME, DAY))
    newer = plan(lake, "newer")
    assert finish(lake, "newer", newer) == {SILVER: "committed"}
    assert finish(lake, "older", older) == {SILVER: "conflict"}, "it knows less than what is there"
    assert rows(lake) == {(ACME, FIRST): 2}
    assert not pending.clear(Table(lake.dynamodb, "Metadata"), ACME, FIRST, planned.token)
