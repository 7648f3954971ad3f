"""Bad input at every door: whatever form events come in, one that is wrong harms itself alone, and is kept."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from millrace.core import clock, limits
from millrace.core.identity import identity_text
from tests.support import events
from tests.support.doors import PAGE, basic, knock, write_key
from tests.support.platform import ACME, Platform

Item = dict[str, Any]
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Door:
    """How one form of events is sent.

    Attributes:
        route: of the API.
        content_type: of a request.
        item: an event with this id, of this moment and product.
        body: a request of items, sent at a moment.
        is_open: whether a write key opens it, also for pages.
        holds_many: whether a request may hold several.
        corrects: whether a client's clock is corrected by the moment of sending.
    """

    route: str
    content_type: str
    item: Callable[[str, str, Any], Item]
    body: Callable[[list[Any], str], Any]
    is_open: bool = True
    holds_many: bool = True
    corrects: bool = False


def native(identifier: str, at: str, product: Any) -> Item:
    return {
        "eventId": identifier,
        "eventType": "product.viewed",
        "timestamp": at,
        "data": {"payload": {"productId": product, "userId": "usr_1"}},
    }


def cloudevent(identifier: str, at: str, product: Any) -> Item:
    data = {"productId": product, "userId": "usr_1"}
    return {
        "specversion": "1.0",
        "id": identifier,
        "type": "product.viewed",
        "source": "s",
        "time": at,
        "data": data,
    }


def track(identifier: str, at: str, product: Any) -> Item:
    return {
        "type": "track",
        "event": "Product Viewed",
        "messageId": identifier,
        "userId": "usr_1",
        "timestamp": at,
        "properties": {"productId": product},
    }


def payload(identifier: str, at: str, product: Any) -> Item:
    described = {"schema": "iglu:com.example/product_view/jsonschema/1-0-0", "data": {"productId": product}}
    whole = {
        "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
        "data": described,
    }
    millis = str(clock.epoch_millis(clock.parse(at)))
    return {
        "aid": "KEY",
        "e": "ue",
        "eid": identifier,
        "dtm": millis,
        "uid": "usr_1",
        "ue_pr": json.dumps(whole),
    }


def tracked(items: list[Any], sent_at: str) -> Any:
    stm = str(clock.epoch_millis(clock.parse(sent_at)))
    return {"schema": "iglu:…", "data": [{**i, "stm": stm} if isinstance(i, dict) else i for i in items]}


JSON = "application/json"
EVENTS = "POST /v1/events"
DOORS = {
    "events": Door(EVENTS, JSON, native, lambda items, _: items, is_open=False),
    "lines": Door(
        EVENTS, "application/x-ndjson", native, lambda items, _: b"\n".join(map(_line, items)), is_open=False
    ),
    "protobuf": Door(EVENTS, "application/protobuf+json", native, lambda items, _: items, is_open=False),
    "cloudevents": Door(
        EVENTS, "application/cloudevents-batch+json", cloudevent, lambda items, _: items, is_open=False
    ),
    "collect": Door("POST /v1/collect", "text/plain", native, lambda items, _: {"events": items}),
    "batch": Door(
        "POST /v1/batch", JSON, track, lambda items, sent: {"batch": items, "sentAt": sent}, corrects=True
    ),
    "beacon": Door(
        "POST /beacon/v1/batch",
        "text/plain",
        track,
        lambda items, sent: {"batch": items, "sentAt": sent},
        corrects=True,
    ),
    "one": Door(
        "POST /v1/track",
        JSON,
        track,
        lambda items, sent: {**items[0], "sentAt": sent},
        holds_many=False,
        corrects=True,
    ),
    "tracker": Door("POST /com.snowplowanalytics.snowplow/tp2", JSON, payload, tracked, corrects=True),
}
OPEN = [name for name, door in DOORS.items() if door.is_open]
MANY = [name for name, door in DOORS.items() if door.holds_many]


def _line(item: Any) -> bytes:
    return json.dumps(item).encode()


@dataclass
class Sender:
    """A door of a running platform."""

    running: Platform
    door: Door
    key: str

    def item(self, product: Any = "sku_1", *, at: str | None = None, identifier: str | None = None) -> Item:
        made = self.door.item(identifier or str(uuid4()), at or events.moment(), product)
        return {**made, "aid": self.key} if "aid" in made else made

    def send(self, *items: Any, sent_at: str | None = None, raw: bytes | None = None, **headers: str) -> int:
        """The status of the answer."""
        made = self.door.body(list(items), sent_at or events.moment()) if raw is None else raw
        body = made if isinstance(made, bytes) else json.dumps(made).encode()
        how = {"content_type": self.door.content_type, **headers}
        if self.door.is_open:
            how = {"authorization": basic(self.key), **how}
            return int(knock(self.running, self.door.route, body, None, **how)["status"])
        return int(self.running.request(body, **how)["status"])

    @property
    def stored(self) -> int:
        return len(self.running.rows("Events"))

    @property
    def codes(self) -> list[str]:
        """Of all that is in quarantine."""
        items = self.running.get("/v1/quarantine", query={"limit": "200"})["body"]["items"]
        return sorted({error["code"] for item in items for error in item["errors"]})

    @property
    def waiting(self) -> int:
        return len(self.running.get("/v1/quarantine", query={"limit": "200"})["body"]["items"])


@pytest.fixture
def at(warm: Platform) -> Callable[[str], Sender]:
    """A door, with emptied stores and new copies of the functions."""
    warm.empty()
    warm.restart_all()
    return lambda name: Sender(warm, DOORS[name], write_key(warm))


@pytest.mark.parametrize("name", MANY)
def test_half_a_batch_may_be_broken(at: Callable[[str], Sender], name: str) -> None:
    door = at(name)
    good = [door.item(), door.item()]
    broken: list[Any] = [7, None, [], "x", {}, door.item({"no": "text"}), door.item("x" * 300_000)]
    first = door.send(good[0], *broken, good[1])
    assert first in (200, 207)
    assert (door.stored, door.waiting) == (2, len(broken))
    assert "too_large" in door.codes
    # The same once more: what is stored is a duplicate, and what is broken is kept again, because it has no id to be known by.
    assert door.send(good[0], *broken, good[1]) == first
    assert door.stored == 2


@pytest.mark.parametrize("name", DOORS)
def test_a_repeated_id_is_one_event_and_another_content_waits(at: Callable[[str], Sender], name: str) -> None:
    door = at(name)
    item = door.item()
    assert door.send(item) in (200, 202)
    assert door.send(item) in (200, 202)
    assert (door.stored, door.waiting) == (1, 0)
    identifier = next(value for value in item.values() if isinstance(value, str) and len(value) == 36)
    other = {**door.item("sku_2", identifier=identifier)}
    # A public key is not told what there is of an id.
    assert door.send(other) in (200, 202 if name == "collect" else 400)
    assert (door.stored, door.codes) == (1, ["conflict"])
    if door.door.holds_many:
        again = door.item()
        door.send(again, again, {**again})
        assert door.stored == 2
        assert door.running.stored(ACME, identity_text(identifier))


@pytest.mark.parametrize("name", DOORS)
def test_a_wrong_clock_is_corrected_where_the_form_says_when_it_sent(
    at: Callable[[str], Sender], name: str
) -> None:
    door, now = at(name), clock.now()
    for wrong in (timedelta(days=-200), timedelta(days=3)):
        item = door.item(at=clock.utc_text(now + wrong - HOUR))
        door.send(item, sent_at=clock.utc_text(now + wrong))
        if door.door.corrects:
            # Sent once more, later: another moment of sending makes no other event.
            door.send(item, sent_at=clock.utc_text(now + wrong + timedelta(minutes=7)))
    assert "conflict" not in door.codes
    if door.door.corrects:
        assert (door.stored, door.waiting) == (2, 0)
    else:
        assert door.codes == ["timestamp_range"]


@pytest.mark.parametrize(
    "moment", ["", "yesterday", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z", "∞", 7, None]
)
@pytest.mark.parametrize("name", ["batch", "one"])
def test_what_is_no_moment_of_sending_corrects_nothing(
    at: Callable[[str], Sender], name: str, moment: Any
) -> None:
    door = at(name)
    item = {**door.item(), "sentAt": moment}
    body = item if name == "one" else {"batch": [item], "sentAt": moment}
    assert door.send(raw=json.dumps(body).encode()) == 200
    assert door.stored + door.waiting == 1


@pytest.mark.parametrize("name", DOORS)
def test_content_types_and_encodings(at: Callable[[str], Sender], name: str) -> None:
    door = at(name)
    for odd in (
        "",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/json;charset=latin-1",
        "é",
        "/",
    ):
        assert door.send(door.item(), content_type=odd) in (200, 202, 400, 415), odd
    for encoding in ("br", "deflate", "gzip, gzip"):
        assert door.send(door.item(), content_encoding=encoding) == 415, encoding
    for raw in (b"\x1f\x8b", b"", b"{}"):
        assert door.send(raw=raw, content_encoding="gzip") == 400, raw


@pytest.mark.parametrize("name", DOORS)
def test_what_is_too_large(at: Callable[[str], Sender], name: str) -> None:
    door = at(name)
    assert door.send(raw=b" " * (limits.BYTES_PER_REQUEST + 1)) == 413
    if door.door.is_open:
        assert door.send(raw=b" " * (limits.BYTES_PER_PAGE_REQUEST + 1), origin=PAGE) == 413
    if door.door.holds_many:
        items = [door.item() for _ in range(limits.EVENTS_PER_REQUEST + 1)]
        assert door.send(*items) == 413
    assert (door.stored, door.waiting) == (0, 0)


BYTES = [
    b"\xff\xfe{}",
    b"\xef\xbb\xbf{}",
    b"{" * 100_000,
    b"[" * 100_000,
    b'{"batch": [NaN], "events": [NaN], "data": [NaN]}',
    b'{"batch": "x", "events": "x", "data": "x"}',
    b'{"batch": [{"type": ["track"]}], "events": [{"eventType": {}}], "data": [{"e": []}]}',
    b'"\\ud800"',
    b'{"writeKey": "\\ud800", "batch": [{"messageId": "\\ud800"}]}',
    b"9" * 5000,
    b'{"batch": [1e999], "events": [1e999], "data": [1e999]}',
    b"null",
]


@pytest.mark.parametrize("name", DOORS)
def test_odd_bytes_are_answered(at: Callable[[str], Sender], name: str) -> None:
    door = at(name)
    for raw in BYTES:
        assert door.send(raw=raw) < 500, raw[:60]
    assert door.stored == 0
    assert door.send(door.item()) in (200, 202), "and the next request is taken"


@pytest.mark.parametrize("name", OPEN)
def test_hostile_origins(at: Callable[[str], Sender], name: str) -> None:
    door = at(name)
    for origin in (
        "https://evil.example",
        "https://SHOP.example",
        "https://shop.example/",
        "https://shop.example:443",
        "https://shop.example, https://evil.example",
        "https://shop.example.evil.example",
        "http://shop.example",
        "null",
        "",
        "*",
        "file://",
    ):
        how = {"authorization": basic(door.key), "content_type": door.door.content_type, "origin": origin}
        body = json.dumps(door.door.body([door.item()], events.moment())).encode()
        answer = knock(door.running, door.door.route, body, None, **how)
        assert answer["status"] == 403, origin
        assert "access-control-allow-origin" not in answer["headers"], origin
    assert (door.stored, door.waiting) == (0, 0)
    assert door.send(door.item(), origin=PAGE) in (200, 202)


@pytest.mark.parametrize("name", OPEN)
def test_a_key_that_is_none_opens_nothing(at: Callable[[str], Sender], name: str) -> None:
    door = at(name)
    for key in ("mk_" + "x" * 43, "", "mk_", door.running.keys[ACME]):
        item = {**door.item(), **({"aid": key} if "aid" in door.item() else {})}
        assert door.send(item, authorization=basic(key)) in (401, 403), key
    assert (door.stored, door.waiting) == (0, 0)


URIS = [
    "iglu:",
    "iglu:com.example/unknown/jsonschema/1-0-0",
    "iglu:com.example/product_view/jsonschema/x",
    "iglu:com.example/product_view/jsonschema/99999999999999999999-0-0",
    "iglu:com.example/a/b/c/jsonschema/1-0-0",
    "iglu:../../etc/passwd/jsonschema/1-0-0",
    "iglu:com.example/" + "x" * 5000 + "/jsonschema/1-0-0",
    "iglu:com.exämple/ü\u202e/jsonschema/1-0-0",
    "http://iglucentral.example/schemas/x",
    "order.created",
    "",
    7,
    None,
]


def test_unknown_iglu_uris_wait(at: Callable[[str], Sender]) -> None:
    door = at("tracker")
    for number, uri in enumerate(URIS, start=1):
        whole = {"schema": "iglu:…", "data": {"schema": uri, "data": {"productId": "sku_1"}}}
        assert door.send({**door.item(), "ue_pr": json.dumps(whole)}) == 200, uri
        assert (door.stored, door.waiting) == (0, number), uri


NAMES = [
    "",
    "unknown",
    "order.created",
    "track:Product Viewed",
    "x" * 5000,
    "a\nb",
    "ü\u202e",
    7,
    None,
    {},
    ["a"],
]


def test_unknown_names_of_tracks_wait(at: Callable[[str], Sender]) -> None:
    door = at("batch")
    for number, event in enumerate(NAMES, start=1):
        assert door.send({**door.item(), "event": event}) == 200, event
        assert (door.stored, door.waiting) == (0, number), event
