"""What a table is built anew for: what its inputs hold now and did not when it was made."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from millrace.contracts.columns import Column, Scalar
from millrace.contracts.tables import Grain, LakeTable
from millrace.core.errors import PermanentError
from millrace.lake import table_portions
from millrace.lake.prepare_table import Preparer
from millrace.runs.documents import Committed, Failure, Input, InputFile, Part, Plan, Prepared, Summary, Work
from millrace.runs.plan_parts import PlanIndex, split
from millrace.warehouse.project import Project, Transform

pytestmark = pytest.mark.unit


@dataclass
class File:
    path: str
    org: str
    day: str | None
    rows: int = 1
    bytes: int = 10


@dataclass
class Snapshot:
    properties: dict[str, str]


@dataclass
class Table:
    """What the catalog answers for a table."""

    held: list[File] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    snapshot_id: int | None = 1
    metadata_location: str = "s3://lake/m.json"

    def files(self) -> list[File]:
        return self.held

    def snapshots(self) -> list[Snapshot]:
        # The last is a compaction's: it is of no run.
        return [*(Snapshot({"millrace.run": run}) for run in self.runs), Snapshot({})]


class Store:
    """The documents of runs, in memory."""

    def __init__(self) -> None:
        self.plans: dict[str, Plan] = {}
        self.prepared_: dict[tuple[str, str], Prepared] = {}
        self.committed_: dict[tuple[str, str], Committed] = {}
        self.died: set[str] = set()

    def plan_index(self, run: str) -> PlanIndex:
        levels = (("marts.fact",), ("ml_features.user",))
        return split(Plan(run, "", ("hourly", "daily"), (), (), levels, {}), "v")[0]

    def prepared(self, run: str, table: str) -> Prepared:
        if (run, table) not in self.prepared_:
            raise PermanentError("none")
        return self.prepared_[run, table]

    def put_prepared(self, prepared: Prepared) -> None:
        self.prepared_[prepared.run, prepared.table] = prepared

    def summary(self, run: str) -> Summary | None:
        return None if run in self.died else Summary(run, "done", "", "", (), (), ())

    def committed(self, run: str, table: str) -> Committed | None:
        return self.committed_.get((run, table))


def contract(name: str, grain: Grain) -> LakeTable:
    layer, _, bare = name.partition(".")
    columns = tuple(Column(c, None, Scalar("string"), True, "") for c in ("org_id", "event_id"))
    time = "event_time" if grain == "day" else None
    return LakeTable(layer, bare, columns, grain, time, "hourly", "", "")  # type: ignore[arg-type]


def transform(name: str, inputs: tuple[str, ...], grain: Grain, level: int) -> Transform:
    layer, _, bare = name.partition(".")
    return Transform(layer, bare, "", inputs, (), grain, "hourly", f"def of {name}", level, (), {})  # type: ignore[arg-type]


GRAINS: dict[str, Grain] = {
    "silver.a": "day",
    "silver.b": "day",
    "marts.fact": "day",
    "ml_features.user": "org",
}
TABLES = {name: contract(name, grain) for name, grain in GRAINS.items()}
PROJECT = Project(
    [
        transform("marts.fact", ("silver.a",), "day", 0),
        transform("ml_features.user", ("marts.fact", "silver.b"), "org", 1),
    ],
    [],
)


class World:
    """A lake, its runs, and a preparer over both."""

    def __init__(self) -> None:
        self.store, self.tables = Store(), {"silver.a": Table(), "silver.b": Table()}
        self.tables["silver.a"].held = [File("a1", "acme", "2026-11-01"), File("a2", "globex", "2026-11-02")]

    def prepare(self, run: str, name: str = "marts.fact") -> Prepared:
        opened: Any = self.tables.get
        store: Any = self.store
        return Preparer(store, opened, PROJECT, TABLES).prepare(run, name)

    def commit(self, prepared: Prepared, left_out: tuple[tuple[str, str | None], ...] = ()) -> None:
        """As the commit does: files and the run in the table, landed parts in the document."""
        todo = [(work.org, work.day) for works_ in prepared.chunks for work in works_]
        committed = [part for part in todo if part not in left_out]
        table = self.tables.setdefault(prepared.table, Table())
        kept = [file for file in table.held if (file.org, file.day) not in committed]
        table.held = kept + [File(f"{prepared.run}-{org}-{day}", org, day) for org, day in committed]
        table.runs.append(prepared.run)
        if not left_out:
            table.properties["millrace.definition"] = prepared.definition
        parts = tuple(Part(prepared.table, org, day, "f", 1, 1) for org, day in committed)
        out = tuple(Failure(org, day, "no") for org, day in left_out)
        self.store.committed_[prepared.run, prepared.table] = Committed(
            prepared.run, prepared.table, "committed", "", landed=parts, left_out=out
        )


def works_of(prepared: Prepared) -> set[tuple[str, str | None]]:
    return {(work.org, work.day) for chunk in prepared.chunks for work in chunk}


def test_a_table_that_is_not_there_is_made_whole() -> None:
    world = World()
    prepared = world.prepare("r1")
    assert prepared.status == "ready"
    assert prepared.whole
    assert prepared.base is None
    assert works_of(prepared) == {("acme", "2026-11-01"), ("globex", "2026-11-02")}


def test_nothing_new_is_no_work() -> None:
    world = World()
    world.commit(world.prepare("r1"))
    prepared = world.prepare("r2")
    assert (prepared.status, prepared.chunks) == ("unchanged", ())


def test_a_changed_day_is_the_only_work() -> None:
    world = World()
    world.commit(world.prepare("r1"))
    world.tables["silver.a"].held[0] = File("a1-again", "acme", "2026-11-01")
    prepared = world.prepare("r2")
    assert works_of(prepared) == {("acme", "2026-11-01")}
    assert not prepared.whole
    assert prepared.base == "s3://lake/m.json"


def test_a_day_that_went_is_work() -> None:
    world = World()
    world.commit(world.prepare("r1"))
    del world.tables["silver.a"].held[0]
    assert works_of(world.prepare("r2")) == {("acme", "2026-11-01")}


def test_what_runs_that_did_not_come_here_brought_is_found() -> None:
    """An hourly run leaves a daily table alone, and a run may break off before it comes to a table."""
    world = World()
    world.commit(world.prepare("r1"))
    world.tables["silver.a"].held[0] = File("a1-r2", "acme", "2026-11-01")
    world.tables["silver.a"].held.append(File("a3-r3", "globex", "2026-11-03"))
    assert works_of(world.prepare("r4")) == {("acme", "2026-11-01"), ("globex", "2026-11-03")}


def test_what_was_left_out_is_tried_again() -> None:
    world = World()
    world.commit(world.prepare("r1"))
    world.tables["silver.a"].held = [File("b1", "acme", "2026-11-01"), File("b2", "globex", "2026-11-02")]
    world.commit(world.prepare("r2"), left_out=(("acme", "2026-11-01"),))
    assert works_of(world.prepare("r3")) == {("acme", "2026-11-01")}


def test_what_a_run_made_that_was_not_published_is_made_again() -> None:
    world = World()
    world.commit(world.prepare("r1"))
    world.tables["silver.a"].held[0] = File("a1-again", "acme", "2026-11-01")
    world.commit(world.prepare("r2"))
    world.store.died.add("r2")
    prepared = world.prepare("r3")
    assert works_of(prepared) == {("acme", "2026-11-01")}
    assert not prepared.whole
    world.commit(prepared)
    assert world.prepare("r4").status == "unchanged"


def test_what_was_made_as_a_whole_and_not_published_is_so_again() -> None:
    world = World()
    world.commit(world.prepare("r1"))
    world.store.died.add("r1")
    assert world.prepare("r2").whole


def test_another_definition_makes_everything_anew() -> None:
    world = World()
    world.commit(world.prepare("r1"))
    world.tables["marts.fact"].properties["millrace.definition"] = "older"
    prepared = world.prepare("r2")
    assert prepared.whole
    assert len(works_of(prepared)) == 2


def test_without_the_last_run_s_documents_everything_is_made_anew() -> None:
    world = World()
    world.commit(world.prepare("r1"))
    world.store.prepared_.clear()
    assert world.prepare("r2").whole


def test_asked_again_it_answers_the_same() -> None:
    world = World()
    first = world.prepare("r1")
    world.tables["silver.a"].held.append(File("late", "acme", "2026-11-09"))
    assert world.prepare("r1") == first


def test_a_table_of_tenants_follows_days_of_what_it_reads() -> None:
    world = World()
    world.commit(world.prepare("r1"))
    world.commit(world.prepare("r1", "ml_features.user"))
    world.tables["silver.a"].held[0] = File("a1-again", "acme", "2026-11-01")
    world.commit(world.prepare("r2"))
    assert works_of(world.prepare("r2", "ml_features.user")) == {("acme", None)}


@pytest.mark.parametrize("status", ["failed", "blocked", "conflict"])
def test_a_table_waits_for_what_it_reads(status: Any) -> None:
    world = World()
    world.store.committed_["r1", "marts.fact"] = Committed("r1", "marts.fact", status, "")
    world.prepare("r1")
    prepared = world.prepare("r1", "ml_features.user")
    assert prepared.status == "skipped"
    assert prepared.reason == f"marts.fact is {status}"


def test_a_table_goes_on_without_the_days_that_its_input_left_out_by_name() -> None:
    """Else one tenant's poisoned day, alone in an hour's run, would keep all others' rows from the table."""
    world = World()
    world.commit(world.prepare("r1"))
    world.commit(world.prepare("r1", "ml_features.user"))
    world.tables["silver.b"].held.append(File("b1", "globex", "2026-11-02"))
    world.tables["silver.a"].held[0] = File("a1-again", "acme", "2026-11-01")
    out = (Failure("acme", "2026-11-01", "failed: odd"),)
    prepared = world.prepare("r2")
    assert not prepared.whole
    failed = Committed("r2", "marts.fact", "failed", "", left_out=out)
    world.store.committed_["r2", "marts.fact"] = failed
    found = world.prepare("r2", "ml_features.user")
    assert (found.status, works_of(found)) == ("ready", {("globex", None)})
    # Made as a whole, the table would be of another definition.
    world.store.prepared_["r2", "marts.fact"] = replace(prepared, whole=True)
    del world.store.prepared_["r2", "ml_features.user"]
    assert world.prepare("r2", "ml_features.user").reason == "marts.fact is failed"


def test_a_table_waits_for_what_broke_off() -> None:
    world = World()
    world.prepare("r1")
    assert world.prepare("r1", "ml_features.user").reason == "marts.fact did not come to an end"


def test_an_unchanged_table_is_no_reason_to_wait() -> None:
    world = World()
    world.commit(world.prepare("r1"))
    assert world.prepare("r2").status == "unchanged"
    assert world.prepare("r2", "ml_features.user").status == "ready"


def test_no_such_table() -> None:
    with pytest.raises(PermanentError, match=r"marts\.nothing"):
        World().prepare("r1", "marts.nothing")


def test_portions_are_bounded_in_works_and_bytes() -> None:
    days = [f"2026-{month:02}-{day:02}" for month in range(1, 5) for day in range(1, 29)]
    files = tuple(InputFile(f"f{day}", "acme", day, 1, 1) for day in days)
    inputs = (Input("silver.a", 1, (), files),)
    found = table_portions.chunks({("acme", day) for day in days}, "day", inputs, {"silver.a": "day"})
    assert [len(chunk) for chunk in found] == [50, 50, 12]
    assert [work for chunk in found for work in chunk] == [Work("acme", day) for day in days]
    large = tuple(InputFile(f"f{day}", "acme", day, 1, 400_000_000) for day in days[:5])
    found = table_portions.chunks(
        {("acme", day) for day in days[:5]}, "day", (Input("silver.a", 1, (), large),), {"silver.a": "day"}
    )
    assert [len(chunk) for chunk in found] == [2, 2, 1]


@pytest.mark.parametrize("sizes", [[1], [400_000_000], [1, 999_999_999], [600_000_000, 10, 10, 600_000_000]])
def test_a_table_made_anew_for_many_tenants_and_days_has_a_bounded_number_of_chunks(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int]
) -> None:
    monkeypatch.setattr(table_portions, "MAX_CHUNKS", 20)
    todo = sorted((f"org_{number:03}", f"2026-11-{day:02}") for number in range(40) for day in range(1, 29))
    files = tuple(
        InputFile(f"{org}{day}", org, day, 1, sizes[number % len(sizes)])
        for number, (org, day) in enumerate(todo)
    )
    found = table_portions.chunks(todo, "day", (Input("silver.a", 1, (), files),), {"silver.a": "day"})
    assert len(found) <= 20
    assert [(work.org, work.day) for chunk in found for work in chunk] == todo


def test_a_tenant_s_table_without_days_touches_all_its_days() -> None:
    inputs = (
        Input(
            "silver.a", 1, (), (InputFile("x", "acme", "2026-11-01"), InputFile("y", "acme", "2026-11-02"))
        ),
        Input("marts.o", 1, (), (InputFile("z", "acme", None),)),
    )
    grains: dict[str, Grain] = {"silver.a": "day", "marts.o": "org"}
    assert table_portions.touched(
        "day", {"silver.a": set(), "marts.o": {("acme", None)}}, inputs, grains
    ) == {
        ("acme", "2026-11-01"),
        ("acme", "2026-11-02"),
    }
