"""The hunt: marked values and ids of people go in by every way, and are nowhere in clear, before an erasure and after it.

`make hunt` sends 5,000.
"""

import base64
import copy
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from millrace.eventstore.tables import TABLES
from millrace.privacy import identities, places
from tests.support.clear_text import Hunt, hunted, marked, refused, user
from tests.support.doors import basic, knock, write_key
from tests.support.erasing import Requests
from tests.support.platform import ACME, GLOBEX, Platform, platform
from tests.support.raw_files import RawFiles
from tests.support.silver_runs import run
from tests.support.user_ids import number_of

ERASED = user(1)
EVENTS = int(os.environ.get("MILLRACE_HUNT", "240"))


def test_no_value_is_in_clear_anywhere(
    bundle: Path, files: RawFiles, capfd: pytest.CaptureFixture[str]
) -> None:
    registry = Registry(bundle)
    contracts = hunted(registry)
    assert len(contracts) >= 20
    now = datetime.now(UTC)
    hunt = Hunt(registry)
    with platform(bundle, in_memory=True, scoring=True) as running:
        turns = max(1, EVENTS // len(contracts) // 2)
        for org in (ACME, GLOBEX):
            for contract in contracts:
                _send(running, org, contract, _sent(contract, turns, org, now))
        knock(
            running,
            "POST /v1/collect",
            {"events": [marked(contracts[0], 1_000_000, ACME, now), {"note": "zqx7mark"}]},
            authorization=basic(write_key(running)),
        )
        running.settle()
        _read(running)
        _search(running, hunt)
        named = [
            (one, ERASED in identities.of(contract).mentioned(one))
            for contract in contracts
            for one in _sent(contract, turns, ACME, now)
            if ERASED in identities.of(contract).users(one)
        ]
        gone = [one for one, is_mention in named if not is_mention]
        assert len(gone) > len(named) / 2
        _erase(running, gone)
        _refuse_again(running, contracts, now)
        _search(running, hunt)
        codec = Codec(registry.dictionary)
        stored = [from_item(row, codec) for row in running.rows("Events")]
    assert len(stored) >= turns * len(contracts) * 2
    protected = [one for one in contracts if places.of(one)]
    assert sum("sealed" in event.envelope["platform"] for event in stored) >= turns * len(protected) * 2
    _silver(files, registry, stored)
    for path in files.root.rglob("*"):
        if path.is_file():
            hunt.data(str(path), path.read_bytes())
    out, err = capfd.readouterr()
    hunt.data("logs", (out + err).encode())
    assert hunt.bytes > 100_000
    assert hunt.found == [], "\n".join(hunt.found[:10])


def _sent(contract: Contract, turns: int, org: str, now: datetime) -> list[dict[str, Any]]:
    return [marked(contract, number, org, now) for number in range(turns)]


def _search(running: Platform, hunt: Hunt) -> None:
    for model in TABLES:
        for row in running.rows(model.Meta.table_name):
            hunt.row(model.Meta.table_name, row)
    for key, data in running.objects("").items():
        hunt.data(key, data)
    for message in running.messages():
        hunt.data("bus", orjson.dumps(message))
    for record in running.log_records():
        hunt.data("log", record)


def _erase(running: Platform, events: list[dict[str, Any]]) -> None:
    """Erases a person; what comes again of theirs is taken by nobody, and what is there shows nothing to anybody."""
    number = number_of(running, ERASED)
    assert Requests(running).erased(ERASED)["state"] == "done"
    running.restart_all()
    for start in range(0, len(events), 100):
        answer = running.post(events[start : start + 100])["body"]
        assert {one["status"] for one in answer["results"]} == {"rejected"}
    running.settle()
    shown = running.get("/v1/events", query={"eventType": events[0]["eventType"], "limit": "100"})["body"][
        "items"
    ]
    assert number in [one.get("userId") for one in shown]
    shown = [one for one in shown if one.get("userId") == number]
    assert b"zqx7mark" not in orjson.dumps(shown)
    assert running.get("/v1/events", query={"userId": ERASED})["body"]["items"] == []


def _send(running: Platform, org: str, contract: Contract, some: list[dict[str, Any]]) -> None:
    """Accepted once; then duplicates, conflicts, and what is refused for each kind of reason."""
    for start in range(0, len(some), 100):
        part = some[start : start + 100]
        answer = running.post(part, org=org)
        assert answer["status"] == 202, answer
    first = some[0]
    conflict = {**first, "correlationId": "other"}
    unknown = {**copy.deepcopy(first), "eventType": "no.such"}
    broken = copy.deepcopy(first)
    broken["data"]["payload"] = {"zqx7mark": "zqx7mark"}
    torn = orjson.dumps(first)[:-20]
    for number in (1, 2):
        kept = _refused(running, org, refused(contract, number, org, datetime.now(UTC)))
        assert all("quarantineId" in one for one in kept)
    for body in ([first, conflict], [unknown, broken], torn):
        said = orjson.dumps(running.post(body, org=org)["body"])
        assert b"zqx7mark " not in said, "an answer says no value"


def _refused(running: Platform, org: str, bodies: list[bytes]) -> list[dict[str, Any]]:
    """The results of bodies that are refused, whose errors say no value."""
    results = []
    for body in bodies:
        answered = running.post(body, org=org)["body"]["results"]
        assert {one["status"] for one in answered} == {"rejected"}, body
        results += answered
    for one in results:
        assert b"zqx7mark" not in orjson.dumps(one["errors"]).lower(), one
    return results


def _refuse_again(running: Platform, contracts: list[Contract], now: datetime) -> None:
    """What is refused of who was erased is kept nowhere; of others it is, and of both nothing is in clear."""
    assert user(1) == ERASED
    for contract in contracts:
        gone = _refused(running, ACME, refused(contract, 1, ACME, now))
        assert not any("quarantineId" in one for one in gone)
        assert all("quarantineId" in one for one in _refused(running, ACME, refused(contract, 2, ACME, now)))
    running.settle()


def _read(running: Platform) -> None:
    """What reads leave behind: lines of the audit."""
    for row in running.rows("Events")[:20]:
        org, _, event_id = row["eventId"]["S"].partition("#")
        running.get("/v1/events/{eventId}", eventId=event_id, org=org)
    listed = running.get("/v1/quarantine", query={"limit": "500"})["body"]["items"]
    for item in listed:
        assert b"zqx7mark" not in orjson.dumps(item).lower(), item
    for item in listed[:20]:
        running.get("/v1/quarantine/{id}", id=item["quarantineId"])


def _silver(files: RawFiles, registry: Registry, stored: list[Any]) -> None:
    days: dict[tuple[str, str], list[Any]] = {}
    for event in stored:
        days.setdefault((event.org, event.day), []).append(event)
    for (org, day), some in days.items():
        files.put(org, day, some)
    done = run(files, registry)
    assert sum(part.rows for one in done.values() for part in one.parts) > 0


@pytest.mark.parametrize("packing", ["plain", "base64", "zstd", "both", "url"])
def test_the_hunt_finds_what_is_there(bundle: Path, packing: str) -> None:
    text = b'{"note": "ZQX7MARK 1, and what stands around it"}'
    packed = zstandard.ZstdCompressor().compress(text)
    data = {
        "plain": text,
        "base64": b'{"a": "' + base64.b64encode(text) + b'"}',
        "zstd": packed,
        "both": b'{"a": "' + base64.b64encode(packed) + b'"}',
        "url": base64.urlsafe_b64encode(text).rstrip(b"="),
    }[packing]
    hunt = Hunt(Registry(bundle))
    hunt.data("object", data)
    hunt.row("table", {"body": {"B": data}, "n": {"N": "1"}})
    assert len(hunt.found) == 2
