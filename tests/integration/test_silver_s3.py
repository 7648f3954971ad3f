"""transform_partitions against a lake on the emulator: what it reads, writes, keeps and answers."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from millrace.compiler.bundle import assemble_contracts
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.objects import Objects
from millrace.lake import duck
from millrace.runs.documents import Plan, Unit
from millrace.runs.store import RunStore
from tests.support.contracts import FILES, SCHEMAS, compiled
from tests.support.emulator import Lake
from tests.support.functions import function
from tests.support.raw_files import RawFiles, again, event

pytestmark = pytest.mark.integration

DAY, NEXT = "2026-11-20", "2026-11-21"
TRANSACTION = compiled(next(path for path in FILES if path.parent.name == "transaction.created"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    assemble_contracts(SCHEMAS, folder)
    return folder


@pytest.fixture
def environ(lake: Lake, bundle: Path) -> dict[str, str]:
    names = {"ENVIRONMENT", "LAKE_BUCKET", "LOG_LEVEL"}
    given = {name: value for name, value in lake.environ.items() if name in names}
    return {**given, "MEMORY_MB": "700", "MILLRACE_BUNDLE": str(bundle)}


def planned(lake: Lake, files: RawFiles) -> RunStore:
    """Uploads the objects and keeps a plan with one batch a tenant-day."""
    for path in files.root.rglob("*.parquet"):
        lake.s3.put_object(Bucket=lake.bucket, Key=str(path.relative_to(files.root)), Body=path.read_bytes())
    days = files.days()
    store = RunStore(Objects(lake.s3, lake.bucket))
    batches = tuple((Unit(day.org, day.day, 0, 1),) for day in days)
    store.put_plan(Plan("run-1", "2026-11-21T09:00:00Z", ("hourly",), days, batches, (), {}))
    return store


def invoke(environ: dict[str, str], batch: int) -> dict[str, Any]:
    with function("transform_partitions", environ) as handler:
        answer: dict[str, Any] = handler({"runId": "run-1", "batch": batch}, None)
        return answer


def test_a_batch_lands_and_its_neighbour_with_a_missing_object_is_named(
    lake: Lake, environ: dict[str, str], tmp_path: Path
) -> None:
    rng, files = random.Random(1), RawFiles(tmp_path)
    events = [event(TRANSACTION, "org_acme", DAY, rng) for _ in range(30)]
    files.put("org_acme", DAY, events)
    files.put("org_acme", DAY, [again(events[0], 60)])
    bad = event(TRANSACTION, "org_acme", DAY, rng, amount="much")
    files.put("org_acme", DAY, [bad])
    gone = files.put("org_acme", NEXT, [event(TRANSACTION, "org_acme", NEXT, rng)])
    store = planned(lake, files)
    lake.s3.delete_object(Bucket=lake.bucket, Key=gone)

    assert invoke(environ, 0) == {"parts": 1, "failed": 0}
    assert invoke(environ, 1) == {"parts": 0, "failed": 1}

    first, second = sorted(store.silver("run-1"), key=lambda made: made.batch)
    (failed,) = second.failures
    assert (failed.org, failed.day) == ("org_acme", NEXT)
    assert gone in failed.error
    (part,) = first.parts
    assert (part.rows_in, part.rows, part.duplicates, part.dead) == (32, 30, 1, 1)
    assert part.file is not None
    assert part.file.startswith(
        f"s3://{lake.bucket}/processed/analytics/transaction_created_v1/data/run-1/org_acme/{DAY}-0-"
    )
    key = part.file.removeprefix(f"s3://{lake.bucket}/")
    assert lake.s3.head_object(Bucket=lake.bucket, Key=key)["ContentLength"] == part.size
    with duck.connect(
        memory_mb=200, threads=1, temp_dir=tmp_path, s3=duck.S3Access.from_environment()
    ) as connection:
        read = connection.execute(f"SELECT count(*), sum(amount) FROM {duck.parquet([part.file])}").fetchone()
        assert read is not None
        assert read[0] == 30
    assert lake.keys("dead-letters/") == [
        f"dead-letters/transform_partitions/run-1/org_acme/{DAY}-0-silver.transaction_created_v1.ndjson"
    ]
    assert second.parts == ()


def test_a_retry_writes_the_same_rows_and_never_over_a_file_that_may_be_committed(
    lake: Lake, environ: dict[str, str], tmp_path: Path
) -> None:
    """A worker whose answer was lost goes on writing when its retry's file is in the table already."""
    rng, files = random.Random(2), RawFiles(tmp_path)
    files.put("org_acme", DAY, [event(TRANSACTION, "org_acme", DAY, rng) for _ in range(5)])
    store = planned(lake, files)
    invoke(environ, 0)
    (first,) = store.silver("run-1")
    invoke(environ, 0)
    assert store.silver("run-1") == [first], "what came to an end is not done again"
    # It was not kept yet when the retry began.
    lake.s3.delete_object(Bucket=lake.bucket, Key="runs/run-1/silver/0.json")
    invoke(environ, 0)
    (second,) = store.silver("run-1")
    (one,), (other,) = first.parts, second.parts
    assert one.file != other.file
    assert replace(one, file=None, size=0) == replace(other, file=None, size=0)
    assert {f"s3://{lake.bucket}/{key}" for key in lake.keys("processed/")} == {one.file, other.file}


def test_a_batch_that_no_plan_has_is_for_nobody(lake: Lake, environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="has no plan"):
        invoke(environ, 0)
    planned(lake, RawFiles(tmp_path))
    with pytest.raises(PermanentError, match="has no batch 0"):
        invoke(environ, 0)


def test_a_lake_that_does_not_answer_is_asked_again(
    lake: Lake, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, files = random.Random(3), RawFiles(tmp_path)
    files.put("org_acme", DAY, [event(TRANSACTION, "org_acme", DAY, rng)])
    planned(lake, files)
    # Only DuckDB is sent to where nobody listens: the plan must be readable.
    closed = duck.S3Access("test", "test", "us-east-1", endpoint="http://127.0.0.1:9")
    monkeypatch.setattr(duck.S3Access, "from_environment", lambda: closed)
    with pytest.raises(RetryableError, match="silver of org_acme"):
        invoke(environ, 0)
