"""The client for producers against the platform's own API, and the types that it writes for the platform's contracts."""

import io
import subprocess
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from millrace.client import Client
from millrace.client.__main__ import main
from tests.support.openapi import DOCUMENT
from tests.support.platform import ACME, GLOBEX, Platform, platform
from tests.support.served import served

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
EVENTS = 1200
REPEATED = "5f0c7a52-3b7e-4f0c-9d7e-0c8f3d9a1b2c"
WRITTEN = """from shop_events import Events, OrderCreatedV1


def order(number: int) -> OrderCreatedV1:
    return {
        "orderId": f"ord_{number}",
        "userId": "usr_1",
        "items": [{"productId": "sku_1", "quantity": 2, "price": 10.5}],
        "totalAmount": 21,
        "currency": "EUR",
    }


def sends(url: str, key: str) -> int:
    with Events(url, key) as events:
        for number in range(3):
            events.order_created_v1(order(number), user_id="usr_1", metadata={"paymentMethod": "card"})
        assert events.flush(30)
    return events.counts.taken
"""
MISTAKEN = """
def forgets(events: Events) -> None:
    events.order_created_v1({"orderId": "ord_1", "totalAmount": "21"})
"""


@pytest.fixture(scope="module")
def running(bundle: Path) -> Any:
    with platform(bundle, in_memory=True) as one, served(DOCUMENT, one.functions) as url:
        yield one, url


def order(number: int, **changes: Any) -> dict[str, Any]:
    items = [{"productId": "sku_1", "quantity": 2, "price": 10.5}]
    return {
        "orderId": f"ord_{number}",
        "userId": "usr_1",
        "items": items,
        "totalAmount": 21,
        "currency": "EUR",
        **changes,
    }


def test_two_tenants_events_are_stored_and_refused_ones_are_told(
    running: tuple[Platform, str], tmp_path: Path
) -> None:
    one, url = running
    for org in (ACME, GLOBEX):
        refused: list[tuple[str, str, str]] = []
        with Client(
            url,
            one.keys[org],
            buffer=tmp_path / f"{org}.sqlite",
            on_refused=lambda event, result, told=refused: told.append(  # type: ignore[misc]
                (event["eventId"], result["status"], result["errors"][0]["code"])
            ),
        ) as events:
            sent = [events.send("order.created", order(n), user_id="usr_1") for n in range(EVENTS)]
            bad = events.send("order.created", order(1, totalAmount=-3), user_id="usr_1")
            # The same event twice is stored once, and both are taken.
            moment = datetime.now(UTC)
            again = [
                events.send("order.created", order(7), user_id="usr_1", event_id=REPEATED, timestamp=moment)
                for _ in range(2)
            ]
            assert events.flush(60)
        assert (events.counts.taken, events.counts.refused) == (EVENTS + 2, 1)
        assert refused == [(bad, "rejected", "minimum")]
        assert all(one.stored(org, event_id) for event_id in (sent[0], sent[-1], sent[600], again[0]))


def test_a_wrong_key_keeps_the_events_for_the_right_one(
    running: tuple[Platform, str], tmp_path: Path
) -> None:
    one, url = running
    file = tmp_path / "events.sqlite"
    events = Client(url, "mk_wrong", buffer=file)
    sent = events.send("order.created", order(1), user_id="usr_1")
    events.close(0.5)
    with Client(url, one.keys[ACME], buffer=file) as events:
        assert events.flush(30)
    assert one.stored(ACME, sent)


def test_the_written_types_check_and_send(running: tuple[Platform, str], tmp_path: Path) -> None:
    one, url = running
    written = io.StringIO()
    with redirect_stdout(written):
        assert main(["types", "--url", url, "--key", one.keys[ACME]]) == 0
    (tmp_path / "shop_events.py").write_text(written.getvalue())
    (tmp_path / "right.py").write_text(WRITTEN)
    (tmp_path / "wrong.py").write_text(WRITTEN + MISTAKEN)
    assert _mypy(tmp_path, "right.py", "shop_events.py") == "Success: no issues found in 2 source files\n"
    assert 'Missing keys ("currency", "items", "userId")' in _mypy(tmp_path, "wrong.py")
    code = f"import right; print(right.sends({url!r}, {one.keys[ACME]!r}))"
    ended = _python(tmp_path, "-c", code)
    assert (ended.stdout, ended.stderr) == ("3\n", "")


def test_types_without_a_right_is_a_sentence(
    running: tuple[Platform, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["types", "--url", running[1], "--key", "mk_wrong"]) == 1
    assert "/v1/schemas?limit=500 answered 40" in capsys.readouterr().err


def _path(folder: Path) -> dict[str, str]:
    parts = [folder, ROOT / "clients/python", ROOT / "layers/millrace/python"]
    return {"PYTHONPATH": ":".join(map(str, parts)), "MYPYPATH": f"{folder}:{ROOT / 'clients/python'}"}


def _mypy(folder: Path, *files: str) -> str:
    strictly = ("--strict", "--namespace-packages", "--explicit-package-bases", "--cache-dir", "cache")
    return _python(folder, "-m", "mypy", *strictly, *files).stdout


def _python(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """What a user's program says, in a folder of its own."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=_path(folder),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
