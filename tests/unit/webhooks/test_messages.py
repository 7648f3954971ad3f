"""What becomes of messages: ids that every delivery has, moments, and nothing of a person that no rule asks for."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from millrace.core import bundle as bundles
from millrace.feeders.binding import Binding, Webhook
from millrace.intake.parse import Candidate
from millrace.webhooks.delivery import Delivery
from millrace.webhooks.mapping import Provider
from millrace.webhooks.messages import Reader, batches

SAMPLES = Path(__file__).parents[3] / "schemas" / "webhooks" / "samples"
AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def providers(bundle: Path) -> dict[str, Provider]:
    found = map(Provider.from_json, bundles.document(bundle, bundles.WEBHOOKS))
    return {one.name: one for one in found}


def reader(
    provider: Provider | None = None, name: str = "shop", org: str = "org_acme", **said: Any
) -> Reader:
    webhook = Webhook("standard", **said)
    return Reader(Binding(name, org, "webhook", ("local",), webhook=webhook), webhook, provider)


def read(reader: Reader, body: Any, received_at: datetime = AT, **headers: str) -> list[Candidate]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return reader.candidates(Delivery("POST", "", named, raw), raw, received_at)


def samples(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((SAMPLES / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize("name", ["stripe", "sendgrid", "hubspot"])
def test_nothing_of_a_person_is_kept_that_no_rule_asks_for(name: str, bundle: Path) -> None:
    events = [
        one.event for one in read(reader(providers(bundle)[name]), [s["message"] for s in samples(name)])
    ]
    assert len(events) == len(samples(name))
    for event in events:
        if event["eventType"] != "mail.reported":
            assert "vera" not in json.dumps(event).lower(), event
        else:
            # The address has a field of its own, which is protected, and stands nowhere else.
            assert json.dumps(event).count("vera@shop.example") == 1


def test_what_is_kept_as_it_comes_names_nobody() -> None:
    for message, pointer in (
        ({"id": 1, "who": {"mail": "vera@shop.example"}}, "/data/payload/payload/who/mail"),
        ({"lines": [{"card": "4242 4242 4242 4242"}]}, "/data/payload/payload/lines/0/card"),
        ({"vera@shop.example": 1}, "/data/payload/payload/*"),
    ):
        (one,) = read(reader(), message)
        assert one.error is not None
        assert (one.error.pointer, one.error.code) == (pointer, "rule")
        assert "vera" not in one.error.message
        assert one.event["data"]["payload"]["payload"] == message, "it can be repaired"
        (again,) = read(reader(), message, AT.replace(hour=13))
        assert again.event["eventId"] == one.event["eventId"]
        (kept,) = read(reader(personal_data="keep"), message)
        (typed,) = read(reader(event_type="order.created"), message)
        assert (kept.error, typed.error) == (None, None)
    (one,) = read(reader(), {"id": 1, "build": "passed"})
    assert one.error is None


def test_amounts_are_decimals_of_their_currency(bundle: Path) -> None:
    stripe = providers(bundle)["stripe"]
    charge = next(s["message"] for s in samples("stripe") if s["message"]["type"] == "charge.captured")

    def amount(units: Any, currency: str) -> Any:
        message = json.loads(json.dumps(charge))
        message["data"]["object"] |= {"amount_captured": units, "currency": currency}
        return stripe.event(message, "s")["data"]["payload"]["amount"]

    assert amount(1999, "eur") == 19.99
    assert amount(1999, "jpy") == 1999
    assert amount(1999, "kwd") == 1.999
    assert amount(2000, "eur") == 20
    assert orjson.dumps(amount(99999999999999, "usd")) == b"999999999999.99"
    assert amount(500, "isk") == 5
    for wrong in ("1999", True, 19.99):
        assert amount(wrong, "eur") is wrong, "the contract says what is wrong with it"


def test_the_id_is_of_source_and_provider_and_the_same_each_time(bundle: Path) -> None:
    message = samples("stripe")[0]["message"]
    stripe = providers(bundle)["stripe"]
    (first,) = read(reader(stripe), message)
    (again,) = read(reader(stripe), {**message, "pending_webhooks": 0})
    assert first.event == again.event
    others = [read(reader(stripe, name="b"), message), read(reader(stripe, org="org_b"), message)]
    assert len({first.event["eventId"], *(one.event["eventId"] for (one,) in others)}) == 3
    assert first.event["eventId"][14] == "4"


def test_a_second_attempt_of_hubspot_is_the_same_and_another_object_is_not(bundle: Path) -> None:
    message = samples("hubspot")[0]["message"]
    hubspot = reader(providers(bundle)["hubspot"])
    first, again, other = read(
        hubspot, [message, {**message, "attemptNumber": 3}, {**message, "objectId": 124}]
    )
    assert first.event == again.event
    assert first.event["eventId"] != other.event["eventId"]


def test_a_message_without_its_id_is_refused_and_no_other(bundle: Path) -> None:
    message = samples("stripe")[0]["message"]
    nameless = {name: value for name, value in message.items() if name != "id"}
    bad, good, text = read(reader(providers(bundle)["stripe"]), [nameless, message, "text"])
    assert (bad.error and bad.error.code) == "missing"
    assert good.error is None
    assert (text.error and text.error.code) == "type"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"a=b&c=d", b"[1,", b"NaN"])
def test_what_is_not_json_is_one_refused_message_that_is_kept(body: bytes) -> None:
    (one,) = read(reader(), body)
    assert (one.error and one.error.code) == "malformed"
    assert one.raw_bytes() == body


def test_an_empty_list_is_no_message() -> None:
    assert read(reader(), []) == []


def test_a_message_without_a_moment_is_of_when_it_came_and_comes_again_as_the_same() -> None:
    later = AT.replace(hour=13)
    (first,) = read(reader(id_header="webhook-id"), {"a": 1}, webhook_id="m1")
    (again,) = read(reader(id_header="webhook-id"), {"a": 1}, later, webhook_id="m1")
    assert first.event["timestamp"] != again.event["timestamp"]
    assert first.sent == again.sent
    assert first.sent is not None
    assert "timestamp" not in first.sent
    (other,) = read(reader(id_header="webhook-id"), {"a": 1}, webhook_id="m2")
    assert other.event["eventId"] != first.event["eventId"]


def test_messages_of_a_delivery_that_has_one_id_are_named_by_their_places() -> None:
    named = read(reader(id_header="webhook-id"), [{"a": 1}, {"a": 1}], webhook_id="m1")
    assert len({one.event["eventId"] for one in named}) == 2
    by_content = read(reader(), [{"a": 1}, {"a": 1}])
    assert len({one.event["eventId"] for one in by_content}) == 1


def test_a_source_may_name_the_type_and_the_path_of_the_id() -> None:
    (one,) = read(reader(event_type="order.completed", id_path="order.id"), {"order": {"id": 7}})
    assert one.event["eventType"] == "order.completed"
    assert one.event["data"]["payload"] == {"order": {"id": 7}}
    (bad,) = read(reader(id_path="order.id"), {"order": {}})
    assert bad.error is not None


def test_a_large_delivery_is_taken_in_batches() -> None:
    found = read(reader(), [{"a": number} for number in range(1201)])
    assert [len(batch) for batch in batches(found)] == [500, 500, 201]
    assert [one.index for one in found] == list(range(1201))


def test_an_integer_beyond_64_bits_is_refused_not_rounded() -> None:
    (one,) = read(reader(), b'{"a": 123456789012345678901234567890}')
    assert (one.error and one.error.code) == "malformed"
