"""Change data capture against a real PostgreSQL: snapshot, changes, kills at each step, and what has to be told to a person."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from millrace.cdc import reader as reading
from millrace.cdc.database import Database as Capture
from millrace.cdc.postgres import connect
from millrace.cdc.states import SNAPSHOT, STOPPED, STREAMING
from millrace.compiler import table_changes
from millrace.compiler.event_contracts import compile_document
from millrace.contracts import undeclared
from millrace.contracts.validator import Validator
from millrace.core.errors import PermanentError, RetryableError
from tests.support.change_source import ChangeSource, Killed, Steps
from tests.support.postgres import Database, Server, database

TABLE = "CREATE TABLE a (id int PRIMARY KEY, note text)"
PUBLICATION = "CREATE PUBLICATION millrace FOR TABLE a"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = Server()
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.fixture
def shop(server: Server) -> Iterator[Database]:
    with database(server) as found:
        found.run(TABLE, PUBLICATION)
        yield found


def rows_of(shop: Database, table: str = "a") -> dict[Any, dict[str, Any]]:
    return {key: {"id": key, "note": note} for key, note in shop.rows(f"SELECT id, note FROM {table}")}


def change(shop: Database) -> None:
    """A bit of everything, in three transactions."""
    shop.transaction(
        [
            "INSERT INTO a VALUES (20, 'new'), (21, NULL)",
            "UPDATE a SET note = 'changed' WHERE id IN (1, 2)",
            "UPDATE a SET id = 30 WHERE id = 3",
        ]
    )
    shop.run("DELETE FROM a WHERE id IN (4, 21)", "UPDATE a SET note = 'again' WHERE id = 1")


def test_rows_that_are_there_and_every_later_change_are_events(shop: Database) -> None:
    shop.run("INSERT INTO a SELECT n, 'row ' || n FROM generate_series(1, 10) n")
    source = ChangeSource(shop)
    report = source.run()
    assert (report.status, report.message, report.outcomes) == (STREAMING, "", {"accepted": 10})
    assert source.state_of("a") == rows_of(shop)
    change(shop)
    report = source.run()
    assert report.status == STREAMING
    assert source.intake.operations() == {"snapshot": 10, "insert": 2, "update": 4, "delete": 2}
    assert source.state_of("a") == rows_of(shop)
    assert source.run().outcomes == {}


def test_changes_during_the_snapshot_win_over_its_rows(shop: Database) -> None:
    shop.run("INSERT INTO a SELECT n, 'row ' || n FROM generate_series(1, 10) n")
    source = ChangeSource(shop)
    left = iter([600.0, 600.0, 0.0])
    assert source.run(seconds=lambda: next(left, 0.0)).status == SNAPSHOT
    assert 0 < source.intake.operations()["snapshot"] < 10
    change(shop)
    assert source.run().status == STREAMING
    change_again = "UPDATE a SET note = 'last'"
    shop.run(change_again)
    source.run()
    assert source.state_of("a") == rows_of(shop)


def killed_at_each_step(shop: Database, source: ChangeSource) -> int:
    """Kills the n-th run at its n-th step until one comes through; the number of kills."""
    for step in range(1, 500):
        try:
            source.run(steps=Steps(step))
        except Killed:
            source.later()
        else:
            return step - 1
    raise AssertionError("no run has come to its end")


def test_a_process_killed_at_each_step_loses_nothing_and_brings_nothing_twice(shop: Database) -> None:
    shop.run("INSERT INTO a SELECT n, 'row ' || n FROM generate_series(1, 7) n")
    source = ChangeSource(shop)
    source.intake.refuses = lambda event: (event["data"]["payload"].get("after") or {}).get("id") in (2, 20)
    kills = killed_at_each_step(shop, source)
    assert kills > 20
    change(shop)
    assert killed_at_each_step(shop, source) > 20
    # Rows 2 and 20 are refused: one of the snapshot, one insert, one update, each kept in quarantine under one name.
    assert len(source.intake.refused) == 3
    assert source.intake.operations() == {"snapshot": 6, "insert": 1, "update": 3, "delete": 2}
    assert source.state_of("a") == {key: row for key, row in rows_of(shop).items() if key not in (2, 20)}


def test_a_large_transaction_is_taken_in_batches_and_goes_on_inside(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", 50)
    source = ChangeSource(shop)
    source.run()
    shop.run("INSERT INTO a SELECT n, 'x' FROM generate_series(1, 500) n")
    left = iter([600.0] * 4 + [0.0])
    source.run(seconds=lambda: next(left, 0.0))
    assert source.intake.operations() == {"insert": 150}
    calls = source.intake.calls
    source.run()
    assert source.intake.operations() == {"insert": 500}
    assert source.intake.calls - calls == 7
    assert {one["index"] for one in source.intake.payloads()} == set(range(500))
    assert len({one["lsn"] for one in source.intake.payloads()}) == 1


def test_a_store_that_does_not_answer_leaves_the_rest_to_the_next_run_at_once(shop: Database) -> None:
    source = ChangeSource(shop)
    source.run()
    change(shop)
    source.intake.unavailable = 1
    with pytest.raises(RetryableError, match="store"):
        source.run()
    # The lease was released with the error: nobody waits for its end.
    assert source.run().status == STREAMING
    assert source.intake.operations() == {"insert": 2, "delete": 1}


def test_one_reader_has_a_slot(shop: Database) -> None:
    source = ChangeSource(shop)
    lease = source.states.acquire(source.source.org, source.source.name, "another", source.now, 60)
    assert lease is not None
    assert source.run().status == reading.BUSY
    lease.release()
    assert source.run().status == STREAMING


def test_the_crash_of_the_server_loses_nothing_and_brings_nothing_twice(shop: Database) -> None:
    source = ChangeSource(shop)
    source.run()
    change(shop)
    source.run()
    before = source.intake.operations()
    shop.server.crash()
    with pytest.raises(RetryableError):
        source.run()
    shop.server.start()
    assert source.run().status == STREAMING
    assert source.intake.operations() == before
    shop.run("INSERT INTO a VALUES (99, 'after')")
    source.run()
    assert source.intake.operations() == before + Counter(insert=1)
    assert source.state_of("a") == rows_of(shop)


def test_a_slot_that_was_dropped_is_told_and_not_made_anew(shop: Database) -> None:
    source = ChangeSource(shop)
    source.run()
    shop.run(f"SELECT pg_drop_replication_slot('{source.source.slot}')", "INSERT INTO a VALUES (1, 'lost')")
    for _ in range(2):
        report = source.run()
        assert report.status == STOPPED
        assert f"the slot {source.source.slot} was dropped" in report.message
        assert "the source shop has to begin anew" in report.message
    assert source.states.read("org_acme", "shop").message == report.message
    source.states.forget("org_acme", "shop")
    assert source.run().status == STREAMING
    assert source.state_of("a") == rows_of(shop)


def test_a_slot_that_somebody_else_has_read_is_told(shop: Database) -> None:
    source = ChangeSource(shop)
    source.run()
    shop.run("INSERT INTO a VALUES (1, 'taken by another')")
    shop.run(f"SELECT pg_replication_slot_advance('{source.source.slot}', pg_current_wal_flush_lsn())")
    report = source.run()
    assert (report.status, "somebody else has read" in report.message) == (STOPPED, True)


def test_tables_without_a_key_or_a_contract_are_told_before_anything_is_read(shop: Database) -> None:
    shop.run("CREATE TABLE b (id int, note text)", "ALTER PUBLICATION millrace ADD TABLE b")
    source = ChangeSource(shop)
    assert "public.b has no primary key" in source.run().message
    shop.run("ALTER TABLE b ADD PRIMARY KEY (id)")
    source.has_contract = lambda kind: kind != "public.b.changed"
    assert "public.b has no contract public.b.changed" in source.run().message
    assert source.intake.events == {}
    source.has_contract = lambda _: True
    assert source.run().status == STREAMING


def test_a_table_published_later_is_read_from_its_beginning(shop: Database) -> None:
    source = ChangeSource(shop)
    source.run()
    shop.run(
        "CREATE TABLE b (id int PRIMARY KEY, note text)",
        "INSERT INTO b SELECT n, 'b' FROM generate_series(1, 5) n",
        "ALTER PUBLICATION millrace ADD TABLE b",
        "DELETE FROM b WHERE id = 2",
    )
    assert source.run().status == STREAMING
    assert source.state_of("b") == rows_of(shop, "b")
    shop.run("ALTER PUBLICATION millrace DROP TABLE b", "INSERT INTO b VALUES (9, 'unseen')")
    assert source.run().status == STREAMING
    assert 9 not in source.state_of("b")


def test_a_publication_that_is_gone_is_told(shop: Database) -> None:
    source = ChangeSource(shop)
    source.run()
    shop.run("DROP PUBLICATION millrace")
    assert "there is no publication millrace" in source.run().message
    # PostgreSQL decodes as of the past: what was written without the publication cannot be read with it.
    shop.run(PUBLICATION, "INSERT INTO a VALUES (1, 'x')")
    assert source.run().status == STREAMING
    assert source.state_of("a") == rows_of(shop)


def test_traffic_of_other_tables_does_not_hold_the_log_of_the_server(shop: Database) -> None:
    shop.run("CREATE TABLE other (n int)")
    source = ChangeSource(shop)
    source.run()
    before = source.states.read("org_acme", "shop").confirmed
    shop.run("INSERT INTO other SELECT generate_series(1, 10000)")
    report = source.run()
    assert source.states.read("org_acme", "shop").confirmed > before
    assert report.slot is not None
    assert report.slot.lag_bytes < 10_000


def test_a_composite_key_of_texts_is_walked_in_the_order_of_its_types(server: Server) -> None:
    with database(server) as shop:
        shop.run(
            'CREATE TABLE "Odd: One" ("b:c" bpchar(3), id numeric, note text, PRIMARY KEY (id, "b:c"))',
            "INSERT INTO \"Odd: One\" SELECT chr(97 + n % 3), n / 3 - 5, 'x' FROM generate_series(1, 40) n",
            'CREATE PUBLICATION millrace FOR TABLE "Odd: One"',
        )
        source = ChangeSource(shop)
        assert source.run().status == STREAMING
        (found,) = {event["eventType"] for event in source.intake.events.values()}
        assert found == "public.odd_one.changed"
        keys = [(one["after"]["id"], one["after"]["b:c"]) for one in source.intake.payloads()]
        assert len(set(keys)) == len(keys) == 40


TYPES = """CREATE TABLE a (
  id int PRIMARY KEY, note text, n numeric, ts timestamptz, d date, i int[], m mood, p price, b bytea,
  j jsonb, f float8[], u uuid, v interval, r int4range, t text[]
)"""
ROW = """(1, repeat('x', 5000), 12345678901234567890.10, '2024-02-29 23:59:59.000001+02', 'infinity', '{1,2}',
  'so so', 1.10, '\\x00ff', '{"a": 1.10}', '{1.5,NaN}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '1 year 2 days', '[1,5)',
  '{NULL,"a b"}')"""


def test_values_are_the_same_to_the_digit_in_the_snapshot_and_in_changes(server: Server) -> None:
    with database(server) as shop:
        shop.run(
            "CREATE TYPE mood AS ENUM ('ok', 'so so')",
            "CREATE DOMAIN price AS numeric(10,2)",
            TYPES,
            "ALTER TABLE a ALTER note SET STORAGE EXTERNAL",
            f"INSERT INTO a VALUES {ROW}",
            PUBLICATION,
        )
        source = ChangeSource(shop)
        source.run()
        shop.run("DELETE FROM a", f"INSERT INTO a VALUES {ROW}", "UPDATE a SET n = 'NaN'")
        source.run()
        read, deleted, inserted, updated = source.intake.payloads()
        assert read["after"] == inserted["after"] == {
            "id": 1,
            "note": "x" * 5000,
            "n": "12345678901234567890.10",
            "ts": "2024-02-29T21:59:59.000001Z",
            "d": None,
            "i": [1, 2],
            "m": "so so",
            "p": "1.10",
            "b": "AP8=",
            "j": '{"a": 1.10}',
            "f": None,
            "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "v": "P1Y2D",
            "r": "[1,5)",
            "t": None,
        }  # fmt: skip
        special = {"d": "infinity", "f": "{1.5,NaN}", "t": '{NULL,"a b"}'}
        assert read["special"] == inserted["special"] == {"after": special}
        assert deleted["before"] == {"id": 1}
        assert updated["unchanged"] == ["note"]
        assert updated["special"] == {"after": {**special, "n": "NaN"}}


def test_the_contract_of_a_table_accepts_whatever_the_table_holds(server: Server) -> None:
    with database(server) as shop:
        shop.run(
            "CREATE TYPE mood AS ENUM ('ok', 'so so')",
            "CREATE DOMAIN price AS numeric(10,2)",
            TYPES,
            'ALTER TABLE a ADD email text, ADD moods mood[], ADD x point[], ADD ok bool, ADD "time" timestamp',
            f"INSERT INTO a VALUES {ROW}",
            "UPDATE a SET email = 'maria@example.org', moods = '{ok}', x = '{\"(1,2)\"}', ok = true, \"time\" = now()",
            "ALTER TABLE a REPLICA IDENTITY FULL",
            PUBLICATION,
        )
        source = ChangeSource(shop)
        session = source.connect()
        capture = Capture(session)
        (table,) = capture.tables("millrace")
        rows = [values for _, values, _ in capture.chunk(table, None, 100)]
        made = table_changes.contract(
            table, capture.types(table), rows, domain="shop", moment="2024-02-29T12:00:00Z"
        )
        session.close()
        source.run()
        shop.run(
            "INSERT INTO a (id) VALUES (2)",
            "UPDATE a SET n = 'NaN', i = '{{1},{2}}', f = '{}', ts = '0044-03-15 BC', \"time\" = '-infinity'",
            "DELETE FROM a WHERE id = 2",
            "TRUNCATE a",
        )
        source.run()
        contract = compile_document(made.document, "the contract")
        validator = Validator(contract)
        events = list(source.intake.events.values())
        assert Counter(event["data"]["payload"]["operation"] for event in events) == Counter(
            snapshot=1, insert=1, update=2, delete=1, truncate=1
        )
        for event in [*events, *made.golden]:
            assert validator.errors(event) == []
            assert undeclared.without(event, contract)[1] == []
        assert made.event_type == "public.a.changed"
        assert [guess for guess in made.guesses if "email" in guess]
        assert "maria@example.org" not in made.text + str(made.golden)
        for image in ("before", "after"):
            assert contract.classification[f"/data/payload/{image}/email"] == "confidential"


def test_a_whole_row_before_is_told_where_the_table_says_so(shop: Database) -> None:
    shop.run("ALTER TABLE a REPLICA IDENTITY FULL")
    source = ChangeSource(shop)
    source.run()
    shop.run("INSERT INTO a VALUES (1, 'was')", "UPDATE a SET note = 'is'", "TRUNCATE a")
    source.run()
    _, updated, emptied = source.intake.payloads()
    assert (updated["before"], updated["after"]) == ({"id": 1, "note": "was"}, {"id": 1, "note": "is"})
    assert emptied["operation"] == "truncate"
    assert source.state_of("a") == {}


def test_the_watermark_stays_while_somebody_is_under_way(shop: Database) -> None:
    source = ChangeSource(shop)
    session = source.connect()
    capture = Capture(session)
    known = capture.watermark(0)
    assert known > 0
    busy = shop.server.connect(shop.name)
    busy.run("BEGIN")
    busy.run("INSERT INTO a VALUES (1, 'not yet')")
    assert capture.watermark(known) == known
    busy.run("COMMIT")
    busy.close()
    assert capture.watermark(known) > known
    session.close()


def test_a_server_without_tls_is_refused(shop: Database) -> None:
    with pytest.raises(PermanentError, match="offers no TLS, which is required outside local"):
        connect(
            host=str(shop.server.folder),
            port=5432,
            database=shop.name,
            user="postgres",
            passwords=(),
        )
