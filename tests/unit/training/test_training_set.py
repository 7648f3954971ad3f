"""A training set: who was served what an earlier hour had counted is trained on just that, and on one tenant's rows."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.contracts import registry
from millrace.core.errors import PermanentError
from millrace.lake.duck import connect
from millrace.lake.sources import LeftOut
from millrace.training import transactions
from millrace.training.errors import InsufficientDataError
from millrace.training.locations import upload
from millrace.training.training_set import TrainingSetRequest
from millrace.warehouse import project
from millrace.warehouse.persons import person_columns
from tests.support.training_sets import FACTS, REQUEST, RUN, TODAY, Row, Stage, history, transaction


@pytest.fixture
def stage(bundle: Path, tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_a_set_has_a_row_a_labelled_transaction_and_says_what_it_is_of(stage: Stage) -> None:
    rows = history()
    stage.keep("org_acme", rows)
    built = stage.build()
    assert (str(built.split.train), str(built.split.test)) == (
        "2026-10-23…2026-11-07",
        "2026-11-15…2026-11-21",
    )
    made, result = stage.rows(), stage.request()
    assert len(made) == len(rows) == 600
    assert {"is_fraud", "user_id", "event_timestamp", "transaction_features__amount"} <= set(made[0])
    assert [one["event_timestamp"] for one in made] == sorted(one["event_time"] for one in rows)
    assert (result.run_id, result.org, result.data) == (RUN, "org_acme", "lake")
    assert result.days() == built.split
    assert result.sources == {name: 7 if name == FACTS else None for name in stage.views.sources()}
    assert set(made[0]) == {"is_fraud", "user_id", "event_timestamp"} | {
        name.replace(":", "__") for name in result.features
    }
    # Derived features are made of the user's, whose views are pinned too.
    assert {"user_features", "user_spending", "transaction_features"} <= set(result.views)
    for name, pin in result.views.items():
        assert (pin.version, pin.digest) == (stage.views.view(name).version, stage.views.view(name).digest)
    assert built.rows == 23 * 20
    assert built.frauds == 23 * 2


def test_nothing_is_learned_from_who_has_withdrawn_that(stage: Stage) -> None:
    stage.keep("org_acme", history())
    stage.keep("org_globex", history("org_globex"))
    persons = person_columns(registry.load(), project.load())
    stage.left_out["org_acme"] = LeftOut(["3", "5"], persons)
    assert {row["user_id"] for row in history()} == set(range(1, 9))
    for org, users in (("org_acme", {1, 2, 4, 6, 7, 8}), ("org_globex", set(range(1, 9)))):
        stage.build(replace(REQUEST, org=org))
        assert {row["user_id"] for row in stage.rows(org)} == users


def test_built_again_it_is_the_same_to_the_byte(stage: Stage) -> None:
    stage.keep("org_acme", history())
    stage.build()
    first = dict(stage.s3.objects)
    stage.build()
    assert stage.s3.objects == first


def test_another_tenants_rows_change_nothing(stage: Stage) -> None:
    stage.keep("org_acme", history())
    stage.build()
    alone = stage.rows()
    stage.keep("org_globex", history("org_globex", a_day=50, seed=2))
    stage.build()
    assert stage.rows() == alone
    stage.build(replace(REQUEST, org="org_globex"))
    assert len(stage.rows("org_globex")) == 1500


def test_what_is_trained_on_is_what_the_run_of_the_hour_before_had_counted(stage: Stage) -> None:
    """At 12:05 the last rows online are those of 11:00: from ten past the hour the run of that hour is there."""
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    minutes = (-61, -59, -1, 5, 9, 10, 30, 59)
    stage.keep(
        "org_acme",
        [*history(a_day=20), *(transaction(noon + timedelta(minutes=minute), 777) for minute in minutes)],
    )
    stage.build()
    counted = [
        one["transaction_features__user_transactions_1d"] - 1 for one in stage.rows() if one["user_id"] == 777
    ]
    # Strictly before 09:00, 10:00, 11:00, 11:00, 11:00, 12:00, 12:00, 12:00.
    assert counted == [0, 0, 1, 1, 1, 3, 3, 3]


def test_a_transaction_without_a_label_is_no_row_but_counts_in_features(stage: Stage) -> None:
    day = datetime(2026, 11, 20, 3, tzinfo=UTC)
    unknown = transaction(day, 777, is_fraud=None)
    stage.keep("org_acme", [*history(), unknown, transaction(day + timedelta(hours=5), 777)])
    stage.build()
    (one,) = [row for row in stage.rows() if row["user_id"] == 777]
    assert one["event_timestamp"] == day + timedelta(hours=5)
    assert one["transaction_features__user_transactions_1d"] == 2


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (lambda: [], "org_acme has no transaction"),
        (lambda: history(days=20), "first transaction is of 2026-11-02"),
        (lambda: [{**row, "is_fraud": False} for row in history()], "days to train on.*no fraud"),
        (
            lambda: [
                {**row, "is_fraud": row["is_fraud"] and row["event_time"].day < 15}
                for row in history(days=21)
            ],
            "days to judge by.*no fraud",
        ),
        (lambda: [{**row, "is_fraud": True} for row in history()], "nothing but fraud"),
        (lambda: [{**row, "is_fraud": None} for row in history()], "no transaction with a label"),
    ],
)
def test_what_makes_no_set_is_refused(stage: Stage, rows: Callable[[], list[Row]], says: str) -> None:
    if given := rows():
        stage.keep("org_acme", given)
    with pytest.raises(InsufficientDataError, match=says):
        stage.build()
    assert stage.s3.objects == {}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"model": "churn"}, "there is no model churn"),
        ({"org": "../org_globex"}, "not a valid name of a tenant"),
        ({"split": {"trainFrom": "2026-10-01"}}, "a split needs"),
        ({"data": "s3://lake/processed/ml-datasets/org=org_globex/source/x/"}, "data is a folder below"),
    ],
)
def test_an_invalid_request_is_refused(stage: Stage, changed: Row, says: str) -> None:
    stage.keep("org_acme", history())
    with pytest.raises(PermanentError, match=says):
        stage.build(replace(REQUEST, **changed))
    assert stage.s3.objects == {}


def test_requested_days_are_used(stage: Stage) -> None:
    stage.keep("org_acme", history(days=60))
    split = {
        "trainFrom": "2026-10-01",
        "trainTo": "2026-10-10",
        "testFrom": "2026-10-18",
        "testTo": "2026-10-19",
    }
    built = stage.build(replace(REQUEST, split=split))
    assert str(built.split.test) == "2026-10-18…2026-10-19"
    assert max(one["event_timestamp"] for one in stage.rows()) < datetime(2026, 10, 20, tzinfo=UTC)


def uploaded_rows(stage: Stage, **columns: Any) -> TrainingSetRequest:
    """Thirty days of transactions, uploaded with these columns instead of their own."""
    rows = history(days=30)
    names = {"timestamp": "event_time", "customer_id": "user_id", "terminal_id": "merchant"}
    given = {name: [row[names.get(name, name)] for row in rows] for name in transactions.COLUMNS}
    given["timestamp"] = [at.replace(tzinfo=None) for at in given["timestamp"]]
    made = {name: (change(given[name]) if callable(change) else change) for name, change in columns.items()}
    pq.write_table(pa.table({**given, **made}), stage.uploads / "a.parquet")
    return replace(REQUEST, data=f"s3://lake/{upload('org_acme', 'ab' * 32)}")


def test_what_is_not_a_number_in_files_teaches_nothing(stage: Stage) -> None:
    """NaN is not a merchant called nan, no amount above all, no customer and no fraud."""

    def first(values: list[Any], *odd: float) -> list[Any]:
        return [*odd, *map(float, values[len(odd) :])]

    stage.build(
        uploaded_rows(
            stage,
            customer_id=lambda held: first(held, math.nan, math.inf),
            amount=lambda held: first(held, 1.0, 1.0, math.nan, math.inf, -math.inf),
            is_fraud=lambda held: first(held, 0.0, 0.0, 0.0, 0.0, 0.0, math.nan),
            terminal_id=[math.nan, math.inf, *(float(n % 5) for n in range(598))],
        )
    )
    with connect(memory_mb=500, threads=2, temp_dir=stage.folder) as connection:
        transactions.open_files(connection, [str(stage.uploads / "a.parquet")], (), "org_acme")
        found = connection.execute(f"SELECT merchant, count(*) FROM {FACTS} GROUP BY 1").fetchall()
    assert {merchant for merchant, _ in found} == {None, "0", "1", "2", "3", "4"}
    assert dict(found)[None] == 2
    assert len(stage.rows()) == 600 - 6


def test_files_of_several_tenants_are_refused(stage: Stage) -> None:
    request = uploaded_rows(stage, org_id=["org_acme", "org_globex"] * 300)
    with pytest.raises(PermanentError, match="rows of org_globex: bring those of org_acme alone"):
        stage.build(request)
    assert stage.build(uploaded_rows(stage, org_id=["org_acme"] * 600)).rows > 0


def test_a_file_of_something_else_is_refused_in_a_sentence(stage: Stage) -> None:
    with pytest.raises(PermanentError, match=r"rows that are not transactions: .*much"):
        stage.build(uploaded_rows(stage, amount=["much"] * 600))


def test_uploaded_files_are_read_instead_of_the_lake(stage: Stage) -> None:
    digest = "ab" * 32
    data = replace(REQUEST, data=f"s3://lake/{upload('org_acme', digest)}")
    rows = history(days=30)
    stage.keep("org_acme", history(seed=5))
    names = {"timestamp": "event_time", "customer_id": "user_id", "terminal_id": "merchant"}
    columns = {
        name: [row[names.get(name, name)] for row in rows]
        for name in transactions.COLUMNS
        if name != "timestamp"
    }
    # Long ago: files end on their last day.
    stamps = [row["event_time"].replace(tzinfo=None) - timedelta(days=1000) for row in rows]
    pq.write_table(pa.table({**columns, "timestamp": stamps}), stage.uploads / "a.parquet")
    built = stage.build(data)
    assert str(built.split.test) == f"{TODAY - timedelta(days=1007)}…{TODAY - timedelta(days=1001)}"
    result = stage.request()
    assert (result.data, result.sources) == (f"file:{digest}", {})
    assert len(stage.rows()) == 600


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (None, "no Parquet file"),
        (
            pa.table({"amount": [1.0]}),
            "no column customer_id, is_fraud, terminal_id, timestamp, transaction_id",
        ),
    ],
)
def test_files_of_another_shape_are_refused(stage: Stage, table: pa.Table | None, says: str) -> None:
    if table is not None:
        pq.write_table(table, stage.uploads / "a.parquet")
    with pytest.raises(PermanentError, match=says):
        stage.build(replace(REQUEST, data=f"s3://lake/{upload('org_acme', 'ab' * 32)}"))


def test_an_order_is_written_last(stage: Stage) -> None:
    """A channel with an order is a whole one."""
    stage.keep("org_acme", history())
    stage.build()
    assert [key.rpartition("/")[2] for key in stage.s3.objects] == ["rows.parquet", "training.json"]
    assert orjson.loads(next(reversed(stage.s3.objects.values())))["runId"] == RUN
