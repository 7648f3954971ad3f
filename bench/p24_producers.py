"""P24: an event in another producer's form costs at most 1.3 times what it costs in ours.

The handler over clients whose calls do nothing, for 100 events: those of the demo as CloudEvents, and page views as
Segment's SDKs and Snowplow's trackers send them, against the events that the mapping makes of them. Below boto3, whose
calls are the same for both, the factor is nearer to 1. Of webhooks one delivery is one event, as providers send them: a charge of Stripe's of 3 KB,
verified and mapped, against the same payment in our form.
"""

from typing import Any

import orjson

from bench import edge, sent
from bench.figure import Figure, ratio
from millrace.core import clock
from millrace.intake.parse import Candidate
from millrace.producers import cloudevents, segment, snowplow
from millrace.webhooks.delivery import Delivery
from millrace.webhooks.sources import readers
from tests.support.webhooks import STRIPE, charge, gateway_event, of_stripe

COUNT = 100
_URL = "https://shop.example/products/sku_1?campaign=autumn"


def measure() -> list[Figure]:
    """Each form against ours."""
    batch = orjson.dumps([_cloudevent(event) for event in sent.events(COUNT)])
    messages = [_message(number) for number in range(COUNT)]
    payloads = [_payload(number) for number in range(COUNT)]
    pages = segment.candidates(_read(messages), None, {}, sent.NOW)
    views = snowplow.candidates(_read(payloads), sent.NOW)
    return [
        _figure(
            "CloudEvents",
            edge.call(batch, content_type=cloudevents.BATCH),
            [one.event for one in cloudevents.candidates(batch, {}, cloudevents.BATCH)],
        ),
        _figure(
            "Segment",
            edge.call(
                orjson.dumps({"batch": messages, "writeKey": "mk", "sentAt": clock.utc_text(sent.NOW)}),
                route="POST /v1/batch",
            ),
            [one.event for one in pages],
        ),
        _figure(
            "Snowplow",
            edge.call(orjson.dumps({"data": payloads}), route="POST /com.snowplowanalytics.snowplow/tp2"),
            [one.event for one in views],
        ),
        *_webhooks(),
    ]


def _webhooks() -> list[Figure]:
    secret = "whsec_of_the_bench"  # noqa: S105  it opens nothing
    bodies = [orjson.dumps(charge(number)) for number in range(COUNT)]
    deliveries = [gateway_event(STRIPE, body, of_stripe(body, secret)) for body in bodies]
    (reader,) = [one for one in readers("local") if one.binding.name == STRIPE]
    made = [reader.candidates(Delivery("POST", "", {}, body), body, clock.now())[0].event for body in bodies]
    native = [edge.call(orjson.dumps(event)) for event in made]
    with edge.post_events(None) as post, edge.receive_webhooks(secret) as receive:
        _check(post(native[0], None))
        _check(receive(deliveries[0], None))

        def hooks() -> None:
            for one in deliveries:
                receive(one, None)

        def posts() -> None:
            for one in native:
                post(one, None)

        measured = ratio(hooks, posts)
    return [
        Figure(
            "P24",
            f"{COUNT} calls of Stripe's / the same payments in our form, stores do nothing",
            measured,
            1.3,
        )
    ]


def _figure(name: str, mapped: dict[str, Any], native: list[dict[str, Any]]) -> Figure:
    ours = edge.call(sent.body(native))
    with edge.post_events(None) as post:
        _check(post(ours, None))
        if mapped["routeKey"] == ours["routeKey"]:
            measured = ratio(lambda: post(mapped, None), lambda: post(ours, None))
        else:
            with edge.collect() as collect:
                _check(collect(mapped, None))
                measured = ratio(lambda: collect(mapped, None), lambda: post(ours, None))
    return Figure("P24", f"{COUNT} events as {name} / the same in our form, stores do nothing", measured, 1.3)


def _check(answer: dict[str, Any]) -> None:
    if answer["statusCode"] not in (200, 202):
        raise AssertionError(answer["body"][:500])


def _read(items: list[dict[str, Any]]) -> list[Candidate]:
    return [Candidate(number, item) for number, item in enumerate(items)]


def _cloudevent(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event["eventId"],
        "type": event["eventType"],
        "source": "shop",
        "time": event["timestamp"],
        "data": event["data"]["payload"],
    }


def _message(number: int) -> dict[str, Any]:
    return {
        "type": "page",
        "messageId": f"node-next-1668208232027-743be593-7789-4b74-8078-{number:012}",
        "userId": f"usr_{number}",
        "anonymousId": "a3c5e7f9-1b2d-4f6a-8c0e-2b4d6f8a0c1e",
        "name": "Product",
        "timestamp": clock.utc_text(sent.NOW),
        "properties": {"url": _URL, "path": "/products/sku_1", "title": "Coffee", "variant": "b"},
        "context": {"library": {"name": "@segment/analytics-node", "version": "3.1.0"}, "ip": "203.0.113.7"},
    }


def _payload(number: int) -> dict[str, str]:
    at = str(clock.epoch_millis(sent.NOW))
    return {
        **{"aid": "mk", "e": "pv", "eid": f"743be593-7789-4b74-8078-{number:012}", "dtm": at, "stm": at},
        **{
            "url": _URL,
            "page": "Coffee",
            "uid": f"usr_{number}",
            "duid": "a3c5e7f9-1b2d-4f6a-8c0e-2b4d6f8a0c1e",
        },
        **{
            "tv": "js-4.8.0",
            "tna": "shop",
            "p": "web",
            "lang": "pt-PT",
            "res": "1920x1080",
            "vp": "1200x900",
        },
    }
