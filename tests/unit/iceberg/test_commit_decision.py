"""What a commit changes, decided from facts: the fence, the files, the properties."""

from dataclasses import replace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from millrace.iceberg.commit_decision import CommitFacts, decide, recover
from millrace.iceberg.commit_request import CommitRequest, LeftOut
from millrace.iceberg.data_file import DataFile, Partition, by_partition, total_rows
from millrace.runs.documents import Part

TABLE = "marts.t"
ORGS, DAYS = ("a", "b", "c"), ("2026-11-20", "2026-11-21")


def file(org: str, day: str = DAYS[0], rows: int = 5, name: str = "old") -> DataFile:
    return DataFile(f"s3://lake/{org}-{day}-{name}", org, day, rows, 100, cast(Any, None))


def part(made: DataFile) -> Part:
    return Part(TABLE, made.org, made.day, made.path, made.rows, made.rows)


def request(*made: DataFile, **more: Any) -> CommitRequest:
    parts = {(one.org, one.day): (part(one),) for one in made}
    return CommitRequest(cast(Any, parts), (), "s3://base", **more)


def facts(*now: DataFile, base: Any = (), new: tuple[DataFile, ...] = (), **more: Any) -> CommitFacts:
    """Of a table with the files `now`; `base` as well where it is not given."""
    held = by_partition(now)
    then = held if base == () else None if base is None else by_partition(base)
    return CommitFacts(held, then, {one.path: one for one in new}, **more)


def left_out(left: tuple[LeftOut, ...]) -> list[tuple[Partition, str]]:
    return [(one.partition, one.reason) for one in left]


def test_a_partition_is_exchanged_as_a_whole_and_no_other() -> None:
    new = file("a", rows=7, name="new")
    decision = decide(request(new), facts(file("a"), file("a", name="other"), file("b"), new=(new,)))
    assert {one.path for one in decision.removed} == {file("a").path, file("a", name="other").path}
    assert decision.added == (new,)
    assert (decision.makes_snapshot, total_rows(decision.files)) == (True, 12)


def test_what_somebody_else_changed_since_the_run_started_is_a_conflict() -> None:
    new = (file("a", name="new"), file("b", name="new"))
    changed = facts(file("a", name="theirs"), file("b"), base=(file("a"), file("b")), new=new)
    decision = decide(request(*new), changed)
    assert left_out(decision.request.left_out) == [(("a", DAYS[0]), "conflict")]
    assert decision.added == (new[1],)
    gone = decide(request(*new), facts(file("b"), base=(file("a"), file("b")), new=new))
    assert left_out(gone.request.left_out) == [(("a", DAYS[0]), "conflict")]


def test_without_the_metadata_of_the_start_everything_is_a_conflict() -> None:
    new = file("a", name="new")
    decision = decide(request(new), facts(file("a"), base=None, new=(new,)))
    assert left_out(decision.request.left_out) == [(("a", DAYS[0]), "conflict")]
    assert not decision.makes_snapshot


def test_a_file_that_is_not_what_its_worker_said_is_left_out() -> None:
    made = [file(org, name="new") for org in ORGS]
    known = facts(new=tuple(made))
    strange: dict[str, DataFile | str] = {
        made[0].path: "its file is missing",
        made[1].path: file("x", name="new"),
        made[2].path: replace(made[2], rows=4),
    }
    decision = decide(request(*made), replace(known, footers=strange))
    assert [one.error for one in decision.request.left_out] == [
        "its file is missing",
        f"its file is of x {DAYS[0]}",
        "its file has 4 rows, not 5",
    ]
    assert not decision.makes_snapshot


def test_what_foreign_code_refuses_is_left_out_and_the_rest_is_committed() -> None:
    made = (file("a", name="new"), file("b", name="new"))
    refused: dict[Partition, str] = {("a", DAYS[0]): "too wide", ("z", DAYS[0]): "not asked for"}
    decision = decide(request(*made), facts(new=made, refused=refused))
    assert [(one.partition, one.error) for one in decision.request.left_out] == [(("a", DAYS[0]), "too wide")]
    assert decision.added == (made[1],)


def test_a_definition_is_remembered_where_a_snapshot_leads_to_what_is_unfinished() -> None:
    new = file("a", name="new")
    query = request(new, definition="d2")
    some = query.without([LeftOut(("b", DAYS[0]), "failed", "memory")])
    nothing = some.without([LeftOut(("a", DAYS[0]), "failed", "memory")])
    known = facts(new=(new,), properties={"millrace.definition": "d1"})
    assert decide(some, known).properties == {"millrace.definition": "d2"}
    assert decide(nothing, known).properties == {}
    assert decide(request(definition="d2", whole=True), known).properties == {"millrace.definition": "d2"}


def test_only_properties_that_change_are_set() -> None:
    new = file("a", name="new")
    known = facts(new=(new,), properties={"millrace.definition": "d", "more": "x"})
    assert decide(request(new, definition="d"), known).properties == {}
    assert decide(request(new), known).properties == {}


def test_a_commit_that_nobody_heard_of_is_read_from_its_snapshot() -> None:
    made = (file("a", name="new"), file("b", name="new"))
    empty = Part(TABLE, "c", DAYS[0], None, 0, 0)
    parameters = request(*made)
    parameters = replace(parameters, parts={**parameters.parts, ("c", DAYS[0]): (empty,)})
    assert recover(parameters, [*made]) == parameters
    lacking = recover(parameters, [made[0], file("c")])
    assert left_out(lacking.left_out) == [(("b", DAYS[0]), "conflict"), (("c", DAYS[0]), "conflict")]


partitions = st.tuples(st.sampled_from(ORGS), st.sampled_from(DAYS))


@given(st.sets(partitions), st.sets(partitions), st.sets(partitions), st.booleans())
def test_whatever_is_asked_each_partition_is_old_or_new(
    present: set[tuple[str, str]], asked: set[tuple[str, str]], theirs: set[tuple[str, str]], whole: bool
) -> None:
    """And those that others have changed since stay as they are."""
    base = [file(*one) for one in present]
    now = [file(*one) for one in present - theirs] + [file(*one, name="theirs") for one in theirs]
    new = tuple(file(*one, name="new", rows=3) for one in sorted(asked))
    decision = decide(request(*new, whole=whole), facts(*now, base=base, new=new))
    after = by_partition({*now} - {*decision.removed} | {*decision.added})
    for one in {*present, *asked, *theirs}:
        if one in theirs:
            wanted = [file(*one, name="theirs")]
        elif one in asked:
            wanted = [file(*one, name="new", rows=3)]
        else:
            wanted = [] if whole else [file(*one)] if one in present else []
        assert after.get(one, []) == wanted
    assert total_rows(decision.files) == sum(held.rows for files in after.values() for held in files)
