"""Whatever goes wrong with one tenant's day is that day's alone: named, still pending, and nothing to anybody else."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.table.update.snapshot import _SnapshotProducer

from millrace.core.errors import RetryableError
from millrace.core.table import Table
from millrace.eventstore import failed_days, pending, receipts
from millrace.iceberg import manifest_entries
from millrace.lake.raw_to_silver import SilverTransform
from millrace.runs.documents import Summary
from tests.support.emulator import Lake, fresh
from tests.support.many_tenants import ManyTenants, Rows
from tests.support.raw_files import event
from tests.support.silver_runs import CONTRACTS, TRANSACTION

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
ACME, GLOBEX, POISON = "org_acme", "org_globex", "org_poison"
DAY, NEXT = "2026-11-20", "2026-11-21"
BOTH = (TRANSACTION, CONTRACTS["user.registered.v1"])
FACTS = "marts.fct_transactions"


def others(many: ManyTenants) -> None:
    for org in (ACME, GLOBEX):
        many.usual(org, DAY, BOTH)
    many.usual(ACME, NEXT, BOTH)


@pytest.fixture(scope="module")
def alone(emulator: str, bundle: Path) -> Iterator[dict[str, Rows]]:
    """What the others have where nobody is poisoned."""
    from tests.support.emulator import pointed_at

    with pointed_at(emulator):
        many = ManyTenants(fresh(emulator))
        others(many)
        assert many.run("r1", [FACTS]).failures == ()
        yield many.tables()


@dataclass
class Case:
    """A way in which a day is poisoned, and what its failure says."""

    error: str
    patch: Callable[[pytest.MonkeyPatch], None]
    tables: int = 1


def _object(many: ManyTenants, org: str, body: bytes | None) -> None:
    (key,) = [key for key in many.lake.keys("raw/") if org in key and "day=20" in key]
    if body is None:
        many.lake.s3.delete_object(Bucket=many.lake.bucket, Key=key)
    else:
        many.lake.s3.put_object(Bucket=many.lake.bucket, Key=key, Body=body)


def _cut(many: ManyTenants, org: str) -> None:
    (key,) = [key for key in many.lake.keys("raw/") if org in key and "day=20" in key]
    held = many.lake.s3.get_object(Bucket=many.lake.bucket, Key=key)["Body"].read()
    _object(many, org, held[: len(held) // 2])


def _manifest(many: ManyTenants, org: str) -> None:
    name = receipts.partition(org, receipts.MANIFEST, DAY)
    row = {"entityTypeKey": {"S": name}, "entityId": {"S": "0"}, "object": {"S": "s3://x/y"}}
    many.lake.dynamodb.put_item(TableName="Metadata", Item=row)


# What is wrong with a tenant's day in raw, and what its failure says; each of a tenant of its own.
DAMAGED: dict[str, tuple[Callable[[ManyTenants, str], None], str]] = {
    "org_object_gone": (lambda many, org: _object(many, org, None), "p.parquet"),
    "org_no_parquet": (lambda many, org: _object(many, org, b"not Parquet"), "p.parquet"),
    "org_object_cut": (_cut, "p.parquet"),
    "org_odd_manifest": (_manifest, "its manifest cannot be read"),
}


def _is_poison(path: str) -> bool:
    return POISON in path and DAY in path


def _odd_footer(patch: pytest.MonkeyPatch) -> None:
    entry = manifest_entries.entry

    def odd(metadata: Any, path: str, footer: Any) -> Any:
        if _is_poison(path):
            raise OverflowError("date value out of range")
        return entry(metadata, path, footer)

    patch.setattr(manifest_entries, "entry", odd)


def _broken_file(patch: pytest.MonkeyPatch) -> None:
    """Its footer is not Thrift, of which pyarrow says OSError, as it does of a store that does not answer."""
    fetch = manifest_entries.fetch

    def broken(store: Any, path: str) -> Any:
        found = fetch(store, path)
        if not _is_poison(path):
            return found
        return manifest_entries.Footer(found.size, bytes(len(found.stored) - 8) + found.stored[-8:])

    patch.setattr(manifest_entries, "fetch", broken)


def _unwritable(patch: pytest.MonkeyPatch) -> None:
    append = _SnapshotProducer.append_data_file

    def odd(producer: Any, file: Any) -> Any:
        if _is_poison(file.file_path):
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        return append(producer, file)

    patch.setattr(_SnapshotProducer, "append_data_file", odd)


def _killed(patch: pytest.MonkeyPatch) -> None:
    """A worker that is ended from outside has no time to say why."""
    unit = SilverTransform._made

    def killed(mine: Any, run: str, one: Any, *more: Any) -> Any:
        if (one.org, one.day) == (POISON, DAY):
            raise KeyboardInterrupt
        return unit(mine, run, one, *more)

    patch.setattr(SilverTransform, "_made", killed)
    tried = ManyTenants.call

    def call(many: ManyTenants, stem: str, payload: dict[str, Any]) -> Any:
        try:
            return tried(many, stem, payload)
        except KeyboardInterrupt as error:
            raise RetryableError("the function ended") from error

    patch.setattr(ManyTenants, "call", call)


def _engine(patch: pytest.MonkeyPatch) -> None:
    unit = SilverTransform._made

    def odd(mine: Any, run: str, one: Any, *more: Any) -> Any:
        if (one.org, one.day) == (POISON, DAY):
            raise MemoryError
        return unit(mine, run, one, *more)

    patch.setattr(SilverTransform, "_made", odd)


CASES = {
    "its values have no place in Python": Case("date value out of range", _odd_footer, tables=2),
    "its file is broken": Case("does not fit the table", _broken_file, tables=2),
    "its entry cannot be written": Case("surrogates not allowed", _unwritable, tables=2),
    "its worker is killed": Case("did not come to an end over it", _killed),
    "its worker has no memory": Case("MemoryError", _engine),
}


def failures_of(summary: Summary) -> set[tuple[Any, ...]]:
    return {(one["org"], one["day"]) for one in summary.failures}


def test_days_damaged_in_raw_are_left_out_by_name_and_nothing_else(
    lake: Lake, bundle: Path, alone: dict[str, Rows]
) -> None:
    many = ManyTenants(lake)
    others(many)
    for org, (damage, _) in DAMAGED.items():
        many.usual(org, DAY, BOTH)
        many.usual(org, NEXT, BOTH)
        damage(many, org)
    summary = many.run("r1", [FACTS])

    days = [(org, DAY) for org in DAMAGED]
    assert many.tables(*DAMAGED) == alone
    assert sorted((one["org"], one["day"]) for one in summary.failures) == sorted(days)
    assert all(DAMAGED[one["org"]][1] in one["error"] for one in summary.failures)
    metadata = Table(lake.dynamodb, "Metadata")
    assert sorted((row.org, row.day) for row in pending.read(metadata)) == sorted(days)
    failed = failed_days.read(metadata)
    assert sorted((one.org, one.day) for one in failed) == sorted(days)
    assert {(one.state, one.run) for one in failed} == {("pending", "r1")}
    assert all(DAMAGED[one.org][1] in one.reasons[0].error for one in failed)
    # Their other day has landed; a transaction that is told twice is one row of a table of transactions.
    landed = {name: [len(rows[org]) for org in DAMAGED] for name, rows in many.tables().items()}
    assert {count for name, counts in landed.items() if name != FACTS for count in counts} == {4}
    assert min(landed[FACTS]) > 0


@pytest.mark.parametrize("name", CASES)
def test_a_poisoned_day_is_left_out_by_name_and_nothing_else(
    lake: Lake, bundle: Path, alone: dict[str, Rows], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, many = CASES[name], ManyTenants(lake)
    others(many)
    many.usual(POISON, DAY, BOTH)
    many.usual(POISON, NEXT, BOTH)
    with monkeypatch.context() as patch:
        case.patch(patch)
        summary = many.run("r1", [FACTS])

    assert many.tables(POISON) == alone
    assert failures_of(summary) == {(POISON, DAY)}
    assert len(summary.failures) == case.tables
    assert all(case.error in one["error"] for one in summary.failures)
    assert [(row.org, row.day) for row in pending.read(Table(lake.dynamodb, "Metadata"))] == [(POISON, DAY)]
    (failed,) = failed_days.read(Table(lake.dynamodb, "Metadata"))
    assert (failed.org, failed.day, failed.state, failed.run) == (POISON, DAY, "pending", "r1")
    assert case.error in failed.reasons[0].error
    # Its other day has landed.
    assert {len(rows[POISON]) for rows in many.tables().values()} == {4}

    # The cause is gone: the next run takes it in, and nothing tells of it any more.
    assert many.run("r2", [FACTS]).failures == ()
    assert {len(rows[POISON]) for rows in many.tables().values()} == {8}
    assert failed_days.read(Table(lake.dynamodb, "Metadata")) == []
    assert pending.read(Table(lake.dynamodb, "Metadata")) == []


def test_values_at_the_ends_land_or_are_one_dead_letter_each(
    lake: Lake, bundle: Path, alone: dict[str, Rows]
) -> None:
    import random

    many, rng = ManyTenants(lake), random.Random(7)
    others(many)
    ends = {"merchant": "a" * 15 + "\ud7ff" + "z" * 9}
    bad = ("9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00")
    odd = [event(TRANSACTION, POISON, DAY, rng, timestamp=moment) for moment in bad]
    lands = [event(TRANSACTION, POISON, DAY, rng, **change) for change in (ends, {}, {"merchant": ""})]
    lands.append(event(TRANSACTION, POISON, DAY, rng, timestamp="9999-12-31T23:59:59.999999Z"))
    many.put(POISON, DAY, [*odd, *lands])
    summary = many.run("r1", [FACTS])

    assert (summary.status, summary.failures, summary.dead) == ("done", (), 2)
    assert many.tables(POISON) == alone
    (rows,) = [
        found[POISON] for name, found in many.tables().items() if name == "silver.transaction_created_v1"
    ]
    assert len(rows) == len(lands)
    (key,) = lake.keys("dead-letters/")
    body = lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read().decode()
    assert body.count("timestamp: no timestamptz") == 2
    assert all(one.event_id in body for one in odd)


def test_a_table_that_fails_for_one_tenant_is_built_for_the_others(
    lake: Lake, bundle: Path, alone: dict[str, Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    from millrace.lake.build_table import TableBuilder

    many = ManyTenants(lake)
    others(many)
    many.usual(POISON, DAY, BOTH)
    keep = TableBuilder._keep

    def odd(runner: Any, table: Any, run: str, work: Any) -> Any:
        if work.org == POISON:
            # The database is at an end for whoever shares it.
            runner._connection.close()
            raise OverflowError("date value out of range")
        return keep(runner, table, run, work)

    with monkeypatch.context() as patch:
        patch.setattr(TableBuilder, "_keep", odd)
        summary = many.run("r1", [FACTS])
    assert many.tables(POISON) == alone
    assert [(one["table"], one["org"], one["day"]) for one in summary.failures if one["step"] == "model"] == [
        (FACTS, POISON, DAY)
    ]
    summary = many.run("r2", [FACTS])
    assert [one for one in summary.failures if one["table"] == FACTS] == []
    assert len(many.tables()[FACTS][POISON]) == 4
