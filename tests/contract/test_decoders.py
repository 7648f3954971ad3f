"""What a decoder of Avro or Protocol Buffers gives back is the event that was encoded: accepted, and of the original a duplicate."""

import io
import json
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest
from google.protobuf import json_format  # type: ignore[import-untyped]

from millrace.compiler.exports import avro
from millrace.contracts.contract import Contract
from millrace.core import clock
from millrace.intake import protobuf_json
from millrace.intake.enrich import Origin
from millrace.intake.parse import JSON, PROTOBUF, candidates
from tests.contract.test_exports import (
    GOLDEN,
    message_name,
    messages,
    ref,
    to_avro,
    with_decimals_as_texts,
    without_nulls,
)
from tests.support import events
from tests.unit.intake.test_accept import World

__all__ = ["messages"]  # a fixture
Post = Callable[..., dict[str, Any]]
# Lists and maps that are empty, which other languages' decoders write by default.
EVERY_LIST = {"always_print_fields_with_no_presence": True}
TEXTS = {"type": ["array", "null"], "items": {"type": "string"}}
SENT = [(made, event) for made, event in GOLDEN if not made.derived]


@pytest.fixture
def post(bundle: Path) -> Post:
    world = World()

    def post(event: Any, content_type: str = JSON) -> dict[str, Any]:
        """The result of one event, a minute after it happened."""
        moment = event["timestamp"] if isinstance(event, dict) else event[0]["timestamp"]
        world.requests += 1
        origin = Origin("org_acme", "shop", str(world.requests), clock.parse(moment) + timedelta(minutes=1))
        (result,) = world.intake.accept(candidates(json.dumps(event).encode(), content_type), origin)
        return {
            "status": str(result.outcome),
            "errors": [(error.pointer, error.code) for error in result.errors],
            "raw": [entry.raw for entry in world.kept.entries],
            "stored": world.table.rows,
        }

    return post


@pytest.mark.parametrize(("made", "event"), SENT, ids=ref)
def test_what_avro_gives_back(
    made: Contract, event: dict[str, Any], post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fastavro.read.LOGICAL_READERS, "string-json", lambda text, *_: json.loads(text))
    schema, buffer = fastavro.parse_schema(avro.export(made)), io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, to_avro(avro.export(made), event))
    buffer.seek(0)
    decoded = json.loads(json.dumps(fastavro.schemaless_reader(buffer, schema, None), default=_written))
    assert post(decoded)["status"] == "accepted"
    assert post(event)["status"] == "duplicate"


def _written(value: Any) -> Any:
    assert isinstance(value, (Decimal, date))
    return float(value) if isinstance(value, Decimal) else value.isoformat()


@pytest.mark.parametrize("form", [{}, {"preserving_proto_field_name": True}, EVERY_LIST], ids=str)
@pytest.mark.parametrize(("made", "event"), SENT, ids=ref)
def test_what_protobuf_gives_back(
    made: Contract, event: dict[str, Any], post: Post, messages: dict[str, Any], form: dict[str, bool]
) -> None:
    kind = messages[message_name(made)]
    message = json_format.ParseDict(with_decimals_as_texts(without_nulls(event), made.data_schema), kind())
    message = kind.FromString(message.SerializeToString())
    decoded = json_format.MessageToDict(message, **form)
    assert post([decoded], PROTOBUF)["status"] == "accepted"
    assert post(event)["status"] == "duplicate"


def test_a_null_of_an_optional_field_makes_no_other_event(post: Post) -> None:
    event = events.order()
    event = {**event, "data": {**event["data"], "metadata": {}}}
    optional = ("eventSource", "version", "correlationId", "userId", "sessionId", "environment", "region")
    nulls = {**event, **{name: None for name in optional if name not in event}}
    nulls["data"] = {**event["data"], "metadata": {"paymentMethod": None}}
    assert post(nulls)["status"] == "accepted"
    assert post(event)["status"] == post(nulls)["status"] == "duplicate"
    other = {**event, "data": {**event["data"], "metadata": {"paymentMethod": "card"}}}
    assert post(other)["status"] == "conflict"


def test_what_protobuf_leaves_out_is_missing_and_never_zero(post: Post) -> None:
    event = events.order()
    items = [
        {name: value for name, value in item.items() if name != "quantity"}
        for item in event["data"]["payload"]["items"]
    ]
    payload = {**event["data"]["payload"], "items": items}
    found = post({**event, "data": {**event["data"], "payload": payload}}, PROTOBUF)
    assert found["errors"] == [
        (f"/data/payload/items/{index}/quantity", "missing") for index in range(len(items))
    ]
    none = {name: value for name, value in payload.items() if name != "items"}
    refused = post({**event, "data": {**event["data"], "payload": none}}, PROTOBUF)
    # An empty list is not written in Protobuf, so its absence is an empty list, and the contract wants one item.
    assert ("/data/payload/items", "minimum") in refused["errors"]


def test_texts_that_are_no_numbers_stay_and_are_refused_and_kept_as_sent(post: Post) -> None:
    event = events.order()
    for wrong in ("", "Infinity", "NaN", "0x10", " 1", "1,5", "true", "9" * 500):
        payload = {**event["data"]["payload"], "totalAmount": wrong}
        sent = {**event, "data": {**event["data"], "payload": payload}}
        found = post([sent], PROTOBUF)
        assert found["errors"] == [("/data/payload/totalAmount", "type")], wrong
        assert json.loads(found["raw"][-1]) == sent


def test_an_optional_list_that_is_empty_is_one_that_is_absent() -> None:
    schema = {
        "type": "object",
        "required": ["lines"],
        "properties": {
            "tags": TEXTS,
            "lines": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["codes"],
                    "properties": {"codes": TEXTS, "notes": TEXTS},
                },
            },
            "grid": {"type": ["array", "null"], "items": TEXTS},
            "origin": {"type": ["object", "null"], "properties": {"via": TEXTS}},
            "free": {"type": ["object", "null"]},
        },
    }
    sent = {
        "tags": [],
        "lines": [{"codes": [], "notes": []}, {"notes": ["a"]}],
        "grid": [{"items": []}, {}],
        "origin": {"via": []},
        "free": {"via": [], "empty": {}},
    }
    assert protobuf_json._value(sent, schema) == {
        "lines": [{"codes": []}, {"codes": [], "notes": ["a"]}],
        "grid": [[], []],
        "origin": {},
        "free": {"via": [], "empty": {}},
    }
    assert protobuf_json._value({"grid": [], "tags": None}, schema) == {"tags": None, "lines": []}
