"""Files dropped in the lake become events, each row judged as a posted event is; whatever happens on the way."""

import base64
import csv
import gzip
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.core import limits
from millrace.core.objects import Objects
from millrace.eventstore.append import AppendResult, TableAppender
from millrace.imports import importing, kept
from millrace.imports.assemble import box
from millrace.imports.kept import Kept
from tests.support import events
from tests.support.dropping import Drops
from tests.support.erasing import Requests
from tests.support.platform import ACME, GLOBEX, LAKE, Platform
from tests.support.state_machine import Call, Killed

COUNTS = ("rows", "accepted", "duplicates", "rejected")


def payment(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "timestamp": events.moment(),
        "paymentId": f"pay_{number}",
        "orderId": f"ord_{number}",
        "amount": "12.50",
        "currency": "EUR",
        "method": "card",
        "provider": "stripe",
        "capturedAt": events.moment(),
        **changes,
    }


def as_csv(rows: Sequence[dict[str, Any]], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def counts(one: dict[str, Any]) -> tuple[int, ...]:
    return tuple(one[name] for name in COUNTS)


def drop(drops: Drops, body: bytes, name: str = "a.csv", **how: Any) -> dict[str, Any]:
    return drops.drop(body, name, event_type="payment.captured", **how)


def payments(drops: Drops) -> list[dict[str, Any]]:
    return sorted(
        (event["data"]["payload"] for event in drops.events(event_type="payment.captured")),
        key=lambda payload: str(payload["paymentId"]),
    )


def refused(running: Platform, one: dict[str, Any]) -> bytes:
    settings: Any = type(
        "Settings",
        (),
        {"metadata_table": "Metadata", "lake_bucket": LAKE, "tenant_key_id": running.kms_key},
    )
    parts = Kept(Objects(running.s3, LAKE), box(settings), one["org"], one["import_id"])
    return b"".join(body for _, body in parts.refused())


def test_a_csv_is_events_and_its_refused_rows_are_a_file_to_repair(running: Platform) -> None:
    drops = Drops(running)
    rows = [payment(1), payment(2, amount="-3"), payment(3, amount="0.1001", provider="=1+1")]
    one = drop(drops, as_csv(rows))
    assert (one["state"], *counts(one)) == ("done", 3, 2, 0, 1)
    assert one["codes"] == {"minimum": 1}
    first, third = payments(drops)
    assert (first["amount"], third["amount"], third["provider"]) == (12.5, 0.1001, "=1+1")
    (event, _) = drops.events(event_type="payment.captured")
    assert event["platform"]["orgId"] == ACME
    assert running.get("/v1/quarantine")["body"]["items"] == []
    file = refused(running, one)
    assert file.splitlines() == [as_csv(rows).splitlines()[at] for at in (0, 2)]
    again = drop(drops, file.replace(b"-3", b"3"), "b.csv")
    assert counts(again) == (1, 1, 0, 0)


def test_the_same_file_twice_changes_nothing_and_a_row_more_is_one_event_more(running: Platform) -> None:
    drops = Drops(running)
    one, two = payment(1), payment(2)
    assert counts(drop(drops, as_csv([one, one, two]))) == (3, 3, 0, 0)
    assert counts(drop(drops, as_csv([one, one, two]), "other.csv")) == (3, 0, 3, 0)
    assert counts(drop(drops, as_csv([one, two, one, one]))) == (4, 1, 3, 0)
    reordered = [dict(reversed(row.items())) for row in (two, one)]
    assert counts(drop(drops, as_csv(reordered))) == (2, 0, 2, 0)
    assert len(running.rows("Events")) == 4


@pytest.mark.parametrize(
    "name", ["a.csv", "a.csv.gz", "a.json", "a.ndjson", "a.json.gz", "a.parquet", "noname"]
)
def test_every_form_is_the_same_events(running: Platform, name: str) -> None:
    rows = [payment(1), payment(2)]
    typed = [{**row, "amount": 12.5} for row in rows]
    body = {
        "csv": as_csv(rows),
        "json": json.dumps(typed, indent=1).encode(),
        "ndjson": b"\n".join(json.dumps(row).encode() for row in typed),
        "parquet": _parquet(typed),
        "noname": as_csv(rows, ";"),
    }[name.removesuffix(".gz").rpartition(".")[2]]
    drops = Drops(running)
    one = drop(drops, gzip.compress(body) if name.endswith(".gz") else body, name)
    assert (one["state"], *counts(one)) == ("done", 2, 2, 0, 0), one
    assert [payload["amount"] for payload in payments(drops)] == [12.5, 12.5]


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def test_declared_columns_ids_decimals_and_dates(running: Platform) -> None:
    drops = Drops(running)
    now = datetime.now(UTC).replace(microsecond=0)
    told = now.strftime("%d.%m.%Y %H:%M:%S")
    rows = [
        {
            "Wann": told,
            "Beleg Nr": "7",
            "Bestellung": "ord_1",
            "Betrag": "1.234,5",
            "Währung": "EUR",
            "Art": "-",
        },
        {
            "Wann": told,
            "Beleg Nr": "8",
            "Bestellung": "ord_2",
            "Betrag": "1.23",
            "Währung": "EUR",
            "Art": "card",
        },
    ]
    payload = "/data/payload/"
    declared: dict[str, Any] = {
        "encoding": "cp1252",
        "decimal": ",",
        "dates": "%d.%m.%Y %H:%M:%S",
        "id": "Beleg Nr",
        "nulls": ["-"],
        "columns": {
            "Wann": "/timestamp",
            "Beleg Nr": f"{payload}paymentId",
            "Bestellung": f"{payload}orderId",
            "Betrag": f"{payload}amount",
            "Währung": f"{payload}currency",
            "Art": f"{payload}method",
        },
    }
    filled = {"provider": "bank", "capturedAt": told}
    body = as_csv([{**row, **filled, "Art": "card"} for row in rows], ";").decode().encode("cp1252")
    one = drop(drops, body, **declared)
    # A point between digits that are not three is no group of thousands.
    assert (counts(one), one["codes"]) == ((2, 1, 0, 1), {"type": 1})
    (event,) = drops.events(event_type="payment.captured")
    moment = now.isoformat().replace("+00:00", "Z")
    assert (event["timestamp"], event["data"]["payload"]["capturedAt"]) == (moment, moment)
    assert event["data"]["payload"]["amount"] == 1234.5
    # The id column names the row: the same id with other content is a conflict.
    assert drop(drops, body.replace(b"1.234,5", b"1.234,6"), "b.csv", **declared)["codes"] == {
        "conflict": 1,
        "type": 1,
    }
    missing = as_csv([{**rows[0], **filled}], ";").decode().encode("cp1252")
    assert drop(drops, missing, "c.csv", **declared)["codes"] == {"missing": 1}


@pytest.mark.parametrize(
    ("body", "name", "declared", "reason"),
    [
        (b"", "a.csv", {}, "no_rows"),
        (b"paymentId,amount\n", "a.csv", {}, "no_rows"),
        (b"nothing,known\n1,2\n", "a.csv", {}, "columns"),
        (b"paymentId\n1\n", "a.csv", {"id": "no"}, "options"),
        (b"paymentId\n1\n", "a.csv", {"odd": 1}, "options"),
        (b"paymentId\n1\n", "a.csv.gz", {}, "not_gzip"),
        (b"PAR1 and no more", "a.parquet", {}, "not_parquet"),
        (b"[]", "a.json", {}, "no_rows"),
        (gzip.compress(b"x" * (1 << 20), mtime=0) * 80, "a.ndjson.gz", {"dryRun": True}, "inflates_too_far"),
    ],
)
def test_a_file_that_cannot_be_taken_is_answered(
    running: Platform, body: bytes, name: str, declared: dict[str, Any], reason: str
) -> None:
    one = drop(Drops(running), body, name, **declared)
    assert (one["state"], one["reason"]) == ("refused", reason), one
    assert running.rows("Events") == []
    assert running.objects("imports/") == {}


def test_types_that_nobody_may_send_are_refused_as_a_whole(running: Platform) -> None:
    drops = Drops(running)
    for event_type in ("alert.raised", "fraud.decision.made", "no.such"):
        one = drops.drop(b"a\n1\n", event_type=event_type)
        assert (one["state"], one["reason"]) == ("refused", "unknown_type")


def test_a_gzip_that_breaks_leaves_the_rows_before_and_says_so(running: Platform) -> None:
    drops = Drops(running)
    packed = gzip.compress(as_csv([payment(n) for n in range(300)]))
    one = drop(drops, packed[: len(packed) // 2], "a.csv.gz")
    assert (one["state"], one["reason"]) == ("refused", "not_gzip")
    assert 0 < one["accepted"] == len(running.rows("Events")) < 300


def test_a_tenant_gets_its_own_rows_alone(running: Platform) -> None:
    drops = Drops(running)
    drop(drops, as_csv([payment(1)]), org=GLOBEX)
    assert payments(drops) == []
    assert len(drops.events(GLOBEX, "payment.captured")) == 1


def test_nothing_of_a_file_lies_in_clear(running: Platform) -> None:
    drops = Drops(running)
    drop(drops, as_csv([payment(1, provider="needle-one"), payment(2, provider="needle-two", amount="x")]))
    for key, body in running.objects("").items():
        assert b"needle" not in body, key
    for row in running.rows("Metadata"):
        assert "needle" not in json.dumps(row, default=str)


STEPS = ("begin", "keep", "take")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_any_step_ends_the_same(running: Platform, step: str, when: str) -> None:
    killed: list[str] = []

    def hook(call: Call) -> None:
        if call.payload["step"] == step and call.when == when and not killed:
            killed.append(step)
            raise Killed

    drops = Drops(running, hook)
    notice = drops.put(as_csv([payment(1), payment(2, amount="-1")]), event_type="payment.captured")
    assert drops.run(notice).status == "ABORTED"
    execution = drops.run(notice)
    assert execution.status == "SUCCEEDED", execution.cause
    one = drops.kept(execution.output["importId"])
    assert (one["state"], *counts(one)) == ("done", 2, 1, 0, 1)
    assert running.objects("imports/") == {}


@pytest.mark.parametrize("fails", range(1, 6))
def test_a_kill_between_groups_and_in_one_counts_each_row_once(
    running: Platform, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    monkeypatch.setattr(importing, "GROUP_ROWS", 3)
    monkeypatch.setattr(limits, "EVENTS_PER_REQUEST", 2)
    original, calls = TableAppender.append, [0]

    def append(self: TableAppender, items: list[Any]) -> list[AppendResult]:
        done = original(self, items)
        calls[0] += 1
        if calls[0] == fails:
            raise KeyboardInterrupt
        return done

    drops = Drops(running)
    rows = [payment(n) for n in range(8)]
    rows[2] = {**rows[1], "amount": "12.5"}
    body = as_csv([*rows, payment(9, amount="no")])
    notice = drops.put(body, event_type="payment.captured", id="paymentId")
    monkeypatch.setattr(TableAppender, "append", append)
    with pytest.raises(KeyboardInterrupt):
        drops.run(notice)
    running.restart_all()
    execution = drops.run(notice)
    one = drops.kept(execution.output["importId"])
    assert (one["state"], *counts(one)) == ("done", 9, 7, 1, 1)
    assert len(running.rows("Events")) == 7
    assert refused(running, one).count(b"\n") == 2


def test_the_same_notice_twice_is_one_import(running: Platform) -> None:
    drops = Drops(running)
    notice = drops.put(as_csv([payment(1)]), event_type="payment.captured")
    first, second = drops.run(notice), drops.run(notice)
    assert first.output["importId"] == second.output["importId"]
    later = drops.run({**notice, "time": events.moment()})
    assert (later.status, later.output["state"]) == ("SUCCEEDED", "none")
    assert len(running.rows("Events")) == 1


def test_a_file_that_is_replaced_before_it_is_read_is_answered(running: Platform) -> None:
    drops = Drops(running)
    old = drops.put(as_csv([payment(1)]), event_type="payment.captured")
    new = drops.put(as_csv([payment(2)]), event_type="payment.captured")
    one = drops.kept(drops.run(old).output["importId"])
    assert (one["state"], one["reason"]) == ("refused", "replaced")
    assert counts(drops.kept(drops.run(new).output["importId"])) == (1, 1, 0, 0)
    assert [payload["paymentId"] for payload in payments(drops)] == ["pay_2"]


def test_a_file_that_is_replaced_while_it_is_sealed_is_answered(running: Platform) -> None:
    newer: list[Any] = []

    def hook(call: Call) -> None:
        if call.payload["step"] == "keep" and call.when == "before" and not newer:
            newer.append(drops.put(as_csv([payment(2)]), event_type="payment.captured"))

    drops = Drops(running, hook)
    one = drop(drops, as_csv([payment(1)]))
    assert (one["state"], one["reason"]) == ("refused", "replaced")
    assert counts(drops.kept(drops.run(newer[0]).output["importId"])) == (1, 1, 0, 0)


def test_an_unavailable_store_is_tried_again_and_then_told(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "FIRST_PAUSE_SECONDS", 0.0)
    original, left = TableAppender.append, [3]

    def append(self: TableAppender, items: list[Any]) -> list[AppendResult]:
        left[0] -= 1
        return [AppendResult.UNAVAILABLE] * len(items) if left[0] >= 0 else original(self, items)

    monkeypatch.setattr(TableAppender, "append", append)
    drops = Drops(running)
    assert counts(drop(drops, as_csv([payment(1), payment(2)]))) == (2, 2, 0, 0)
    left[0] = 10_000
    execution = drops.run(drops.put(as_csv([payment(3)]), event_type="payment.captured"))
    assert (execution.status, execution.error) == ("FAILED", "Millrace.ImportFailed")
    (failed,) = [
        json.loads(row["document"]["S"])
        for row in running.rows("Metadata")
        if "document" in row and "failed" in row["document"]["S"]
    ]
    assert failed["state"] == "failed"


def test_an_erasure_removes_what_is_kept_of_the_tenants_files(running: Platform) -> None:
    drops, asked = Drops(running), Requests(running)
    running.post(events.shipped_order(user="u-1"))
    for org in (ACME, GLOBEX):
        drop(drops, as_csv([payment(1), payment(2, amount="x")]), org=org)
    before = set(running.objects("raw/external-data/"))
    assert {key.split("/")[2] for key in before if "/files/" in key} == {f"org={ACME}", f"org={GLOBEX}"}
    running.settle()
    # Left there by imports that failed, or not begun yet.
    for org in (ACME, GLOBEX):
        drops.put(b"userId\nu-1\n", "left.csv", org=org)
    asked.erased("u-1")
    assert [key.split("/")[1] for key in running.objects("imports/")] == [GLOBEX]
    left = set(running.objects("raw/external-data/"))
    assert before - left == {key for key in before if f"org={ACME}/files/" in key}


def test_refused_rows_of_who_was_erased_are_given_to_nobody(running: Platform) -> None:
    """Whatever is wrong with them, unless they say that they happened later; and no reason quotes a user."""
    drops, asked = Drops(running), Requests(running)
    running.post(events.shipped_order(user="vera@example.org"))
    running.settle()
    asked.erased("vera@example.org")
    vera, bob = {"userId": "vera@example.org"}, {"userId": "bob@example.org"}
    before = events.moment(timedelta(hours=2))
    rows = [
        payment(1, amount="-1", **vera) | {"timestamp": before},
        payment(2, amount="-2", **bob) | {"timestamp": before},
        # A name of the moment of its own, and an open field that quotes what it has got.
        payment(3, amount="-3", **vera) | {"timestamp": "no moment"},
        payment(4, currency="vera@example.org", **vera) | {"timestamp": before},
        payment(5, currency="bob@example.org", **bob),
        payment(6, amount="-6", **vera) | {"timestamp": events.moment(timedelta(seconds=-1))},
    ]
    one = drop(drops, as_csv(rows))
    assert counts(one) == (6, 0, 0, 6)
    lines = as_csv(rows).splitlines()
    assert refused(running, one).splitlines() == [lines[at] for at in (0, 2, 5, 6)]
    told = running.get("/v1/imports/{id}", id=one["import_id"])["body"]
    assert [row["line"] for row in told["refused"]] == [2, 3, 4, 5, 6, 7]
    assert "example.org" not in json.dumps(told)


def test_a_file_that_is_removed_while_it_is_read_is_answered(running: Platform) -> None:
    def hook(call: Call) -> None:
        if call.payload["step"] == "take":
            for key in running.objects("raw/external-data/"):
                running.s3.delete_object(Bucket=LAKE, Key=key)

    one = drop(Drops(running, hook), as_csv([payment(1)]))
    assert (one["state"], one["reason"]) == ("refused", "removed")


def _put(running: Platform, upload: dict[str, Any], body: bytes) -> str:
    """What S3 does with a file that is put at the address: the key of the address, the headers as metadata."""
    key = unquote(urlsplit(upload["url"]).path).lstrip("/").removeprefix(f"{LAKE}/")
    metadata = {name.removeprefix("x-amz-meta-"): value for name, value in upload["headers"].items()}
    etag: str = running.s3.put_object(Bucket=LAKE, Key=key, Body=body, Metadata=metadata)["ETag"]
    return etag


def test_a_file_is_sent_through_the_api_and_its_report_read(running: Platform) -> None:
    drops = Drops(running)
    rows = [payment(1), payment(2, amount="-1"), payment(3)]
    asked = {"eventType": "payment.captured", "name": "C:\\a/b é.txt", "options": {"nulls": ["-é"]}}
    begun = running.call("/v1/imports", asked, function="post_events", principal="shöp")["body"]
    import_id, upload = begun["importId"], begun["upload"]
    assert running.get("/v1/imports/{id}", id=import_id)["status"] == 404
    assert parse_qs(urlsplit(upload["url"]).query)["X-Amz-SignedHeaders"] == [
        "host;x-amz-meta-options;x-amz-meta-principal"
    ]
    etag = _put(running, upload, as_csv(rows))
    (key,) = running.objects("imports/")
    assert key == f"imports/{ACME}/payment.captured/{import_id}/b _.txt"
    notice = {"key": key, "etag": etag, "time": events.moment()}
    assert drops.run(notice).output["importId"] == import_id
    report = running.get("/v1/imports/{id}", id=import_id)["body"]
    assert (report["state"], report["file"], report["codes"]) == ("done", "b _.txt", {"minimum": 1})
    (told,) = report["refused"]
    assert (told["line"], told["errors"][0]["pointer"]) == (3, "/data/payload/amount")
    assert {event["eventSource"] for event in drops.events(event_type="payment.captured")} == {"shöp"}
    (listed,) = running.get("/v1/imports")["body"]["items"]
    assert listed == {**report, "refused": []}
    page = running.get("/v1/imports/{id}/refused", id=import_id)["body"]
    assert page["cursor"] is None
    assert base64.b64decode(page["content"]).splitlines() == [as_csv(rows).splitlines()[n] for n in (0, 2)]
    assert running.get("/v1/imports/{id}", org=GLOBEX, id=import_id)["status"] == 404
    denied = running.get("/v1/imports/{id}/refused", id=import_id, scopes="quarantine:read")
    assert denied["status"] == 403
    # Another file at the same address is no part of the import.
    etag = _put(running, upload, as_csv([payment(9)]))
    assert drops.run({**notice, "etag": etag}).output["state"] == "none"
    assert len(drops.events(event_type="payment.captured")) == 2


def test_refused_rows_come_in_pages(running: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "REFUSED_PART", 400)
    drops = Drops(running)
    rows = [payment(n, amount="x") for n in range(10)]
    one = drop(drops, as_csv(rows))
    pages: bytes = b""
    query: dict[str, str] = {}
    while True:
        page = running.get("/v1/imports/{id}/refused", query=query, id=one["import_id"])["body"]
        pages += base64.b64decode(page["content"])
        if page["cursor"] is None:
            break
        query = {"cursor": page["cursor"]}
    assert query
    assert pages == as_csv(rows)


@pytest.mark.parametrize(
    "asked",
    [
        {"eventType": "no.such", "name": "a"},
        {"eventType": "alert.raised", "name": "a"},
        {"eventType": "payment.captured", "name": "a", "options": {"odd": 1}},
        {"eventType": "payment.captured", "name": "a", "options": {"nulls": ["x" * 2000]}},
    ],
)
def test_an_address_is_given_for_what_can_be_imported(running: Platform, asked: dict[str, Any]) -> None:
    assert running.call("/v1/imports", asked, function="post_events")["status"] == 400


def test_a_dry_run_stores_nothing(running: Platform) -> None:
    drops = Drops(running)
    one = drop(drops, as_csv([payment(1), payment(2, amount="x")]), dryRun=True)
    assert counts(one) == (2, 1, 0, 1)
    assert running.rows("Events") == []
    assert refused(running, one) == b""
