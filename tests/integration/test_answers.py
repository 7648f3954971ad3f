"""Every route with bad requests of many kinds: each answer is one that the API's document lists, in the listed form."""

import io
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import pytest

from millrace.access.credentials import create_api_key
from millrace.core.http import ANY, AWS
from millrace.core.path_ids import segment
from millrace.core.table import Table
from tests.support import events
from tests.support.gateway import METHODS, Gateway
from tests.support.openapi import DOCUMENT
from tests.support.platform import ACME, GLOBEX, Platform, platform

CALLS = [
    (method, path)
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
    if method in METHODS
]
OPEN = ("get", "/v1/health")
# One value for each parameter of a path, and what else stands there.
LONG, EMOJI = "x" * 3000, "😀" * 256


class Api:
    """Calls through the gateway, each answer held against the document."""

    def __init__(self, running: Platform) -> None:
        self.running = running
        signed = "arn:aws:sts::111122223333:assumed-role/nobody/session"
        self._gateway = Gateway(DOCUMENT, running.functions, aws_caller=signed, remembers=True)
        self._few = {
            scope: create_api_key(Table(running.dynamodb, "Metadata"), org=ACME, name="few", scopes=[scope])
            for scope in ("catalog:read", "events:read")
        }

    def without(self, scope: str) -> str:
        """A key of the tenant that lacks a right."""
        return self._few["events:read" if scope == "catalog:read" else "catalog:read"]

    def ask(
        self,
        method: str,
        url: str,
        *,
        key: str | None = None,
        body: bytes = b"",
        content_type: str = "application/json",
    ) -> tuple[int, Any]:
        path, _, query = url.partition("?")
        environ = {
            "REQUEST_METHOD": method.upper(),
            "RAW_URI": path,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": content_type,
            "wsgi.input": io.BytesIO(body),
            **({"HTTP_AUTHORIZATION": f"Bearer {key}"} if key else {}),
        }
        started: list[Any] = []
        raw = b"".join(self._gateway(environ, lambda status, headers: started.append((status, headers))))
        return int(started[0][0].split()[0]), _read(raw, dict(started[0][1])["content-type"])

    def checked(self, method: str, template: str, url: str, **given: Any) -> tuple[int, Any]:
        """The answer, checked against the document."""
        status, (media_type, body) = self.ask(method, url, **given)
        responses = DOCUMENT["paths"][template][method]["responses"]
        assert str(status) in responses, (method, template, url[:100], status, body)
        response = responses[str(status)]
        if "$ref" in response:
            response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
        if "content" not in response:
            assert body is None, (method, template, status)
            return status, body
        assert media_type in response["content"], (method, template, status, media_type)
        _validator(json.dumps(response["content"][media_type]["schema"])).validate(body)
        return status, body


def _read(raw: bytes, content_type: str) -> tuple[str, Any]:
    media_type = content_type.partition(";")[0]
    if not raw:
        return media_type, None
    return media_type, raw.decode() if media_type == "text/plain" else json.loads(raw)


@cache
def _validator(schema: str) -> Any:
    return jsonschema_rs.Draft202012Validator({**json.loads(schema), "components": DOCUMENT["components"]})


@pytest.fixture(scope="module")
def api(bundle: Path) -> Iterator[Api]:
    with platform(bundle, scoring=True) as running:
        sent = [events.order(), events.transaction(), events.order(payload={"totalAmount": -1})]
        assert running.post(sent)["status"] == 207
        running.settle()
        yield Api(running)


def filled(template: str, value: str) -> str:
    parts = template.split("/")
    return "/".join(quote(value, safe="") if part.startswith("{") else part for part in parts)


@pytest.mark.parametrize(("method", "template"), CALLS)
def test_a_caller_without_the_right_is_refused(api: Api, method: str, template: str) -> None:
    url = filled(template, "x")
    if (method, template) == OPEN:
        assert api.checked(method, template, url)[0] == 200
        return
    if DOCUMENT["paths"][template][method]["x-millrace-function"] in ("collect", "receive_webhooks"):
        # A write key opens it, and neither nothing nor a bearer token does.
        for key in (None, api.running.keys[ACME]):
            assert api.checked(method, template, url, key=key)[0] in (
                (204,) if method == "options" else (400, 401)
            )
        return
    scope = DOCUMENT["paths"][template][method]["x-millrace-scope"]
    if scope == AWS:
        # Nobody has bound this role.
        for given in (None, api.running.keys[ACME]):
            assert api.checked(method, template, url, key=given)[0] == 403
        return
    assert api.checked(method, template, url)[0] == 401
    assert api.checked(method, template, url, key="mk_unknown")[0] == 403
    if scope == ANY:
        return
    lacking = api.without(scope)
    status, body = api.checked(method, template, url, key=lacking)
    assert (status, body["status"]) == (403, 403)


@pytest.mark.parametrize(("method", "template"), CALLS)
def test_a_query_that_cannot_be_read_is_a_400_everywhere(api: Api, method: str, template: str) -> None:
    key = api.running.keys[ACME]
    for query in ("limit=1&limit=2", "a=1&%61=1", "a=", "a", "a=%zz", "a=%ff", "a=%", "a=" + "x" * 9000):
        status, body = api.checked(method, template, f"{filled(template, 'x')}?{query}", key=key)
        assert status == 400, query
        assert "parameter" in body["detail"] or "query" in body["detail"]


@pytest.mark.parametrize(("method", "template"), CALLS)
def test_no_value_of_a_parameter_is_a_fault(api: Api, method: str, template: str) -> None:
    key = api.running.keys[ACME]
    strange = [
        LONG,
        EMOJI,
        "%",
        "#",
        "a+b",
        "?",
        "..",
        "a b",
        "\x00",
        "\x7f",
        "'\"`",
        "%00",
        "-1",
        "1e9",
        "x:y",
        ":",
    ]
    operation = DOCUMENT["paths"][template][method]
    named = [p for p in operation.get("parameters", []) if p.get("in") == "query"]
    named += [
        DOCUMENT["components"]["parameters"][p["$ref"].rpartition("/")[2]]
        for p in operation.get("parameters", [])
        if "$ref" in p
    ]
    for value in strange:
        if "{" in template and "/" not in value:
            api.checked(method, template, filled(template, value), key=key)
        for parameter in named:
            url = f"{filled(template, 'x')}?{parameter['name']}={quote(value, safe='')}"
            if parameter.get("in") == "query" and len(url) < 9000:
                status, _ = api.checked(method, template, url, key=key)
                assert status in (200, 400, 404), (url[:100], status)
    # Beside a valid filter.
    for name in ("from", "to", "limit", "cursor") if named else ():
        for value in strange:
            for first in ("eventType=order.created", "userId=u"):
                url = f"{template}?{first}&{name}={quote(value, safe='')}"
                if "{" not in template:
                    assert api.checked(method, template, url, key=key)[0] in (200, 400, 404)


BODIES = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"1",
    b'"x"',
    b"{",
    b"\xff",
    b'{"filter": {"all": true}, "patch": [{"op": "add"}]}',
    b'{"filter": {"all": true}, "patch": "x"}',
    b'{"filter": {"code": "minimum"}, "dryRun": true}',
    b'[{"transaction_id": 1}]',
    b"[" * 2000 + b"]" * 2000,
    b'{"a": ' * 400 + b"1" + b"}" * 400,
    b'"' + b"x" * 300_000 + b'"',
    b"[" + b",".join([b"1"] * 600) + b"]",
    b'{"a": "\\ud800"}',
]


@pytest.mark.parametrize(("method", "template"), [call for call in CALLS if call[0] == "post"])
def test_no_body_is_a_fault(api: Api, method: str, template: str) -> None:
    key = api.running.keys[ACME]
    for body in BODIES:
        for content_type in ("application/json", "application/yaml", "text/plain", ""):
            status, _ = api.checked(method, template, template, key=key, body=body, content_type=content_type)
            assert status < 500, (body[:60], content_type)


@pytest.mark.parametrize(("method", "template"), CALLS)
def test_a_store_that_does_not_answer_is_a_503(
    api: Api, method: str, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.client import BaseClient
    from botocore.exceptions import ConnectionError as Broken

    key, call = api.running.keys[ACME], BaseClient._make_api_call
    stored = api.running.rows("Events")[0]["eventId"]["S"].partition("#")[2]

    def broken(self: Any, name: str, request: Any) -> Any:
        # The authorizer still answers.
        asked = str(request)
        known = any(f"platform#{kind}" in asked for kind in ("credential", "tenant"))
        if known or "#granted" in asked:
            return call(self, name, request)
        raise Broken(error="gone")

    monkeypatch.setattr(BaseClient, "_make_api_call", broken)
    body = b'{"filter": {"all": true}}' if "quarantine" in template else json.dumps(events.order()).encode()
    query = "?userId=u" if template == "/v1/events" and method == "get" else ""
    query = "?transactionId=x" if template == "/v1/fraud/decisions" else query
    status, _ = api.checked(method, template, filled(template, stored) + query, key=key, body=body)
    assert status < 500 or status == 503


IDS = [
    "a/b",
    "/",
    "%",
    "%2F",
    "100%",
    "#",
    "a#b",
    "a+b",
    "a b",
    "?",
    "a?b=c&d",
    "..",
    ".",
    "../..",
    ":",
    "a:b",
    EMOJI,
    "é",
    "'",
    '"',
    "\\",
]


def test_every_id_that_is_accepted_is_read_by_every_call(api: Api) -> None:
    running, key = api.running, api.running.keys[ACME]
    sent: dict[str, dict[str, Any]] = {}
    for value in IDS:
        order = events.order(user=value, correlationId=value, sessionId=value, payload={"orderId": value})
        paid = events.transaction(payload={"transaction_id": value})
        answer = running.post([order, paid])
        assert answer["body"]["accepted"] == 2, (value, answer)
        sent[value] = order
    running.settle()
    for value, order in sent.items():
        text = quote(value, safe="")
        for query in (
            f"userId={text}",
            f"correlationId={text}",
            f"sessionId={text}",
            f"entity=order:{text}",
        ):
            status, body = api.checked("get", "/v1/events", f"/v1/events?{query}", key=key)
            assert [item["eventId"] for item in body["items"]] == [order["eventId"]], query
            assert status == 200
        for template in ("/v1/events/{eventId}", "/v1/events/{eventId}/trace"):
            assert api.checked("get", template, filled(template, order["eventId"]), key=key)[0] == 200
        decisions = "/v1/fraud/decisions"
        status, body = api.checked("get", decisions, f"{decisions}?transactionId={text}", key=key)
        assert (status, body.get("transactionId")) == (200, value)
        template = f"{decisions}/{{transactionId}}"
        url = f"{decisions}/{segment(value)}"
        status, body = api.checked("get", template, url, key=key)
        assert (status, body.get("transactionId")) == (200, value)
        # Another tenant has none of them.
        other = running.keys[GLOBEX]
        assert api.checked("get", decisions, f"{decisions}?transactionId={text}", key=other)[0] == 404
        assert api.checked("get", "/v1/events", f"/v1/events?userId={text}", key=other)[1]["items"] == []


def test_a_path_names_each_person_and_no_other(api: Api) -> None:
    running, key = api.running, api.running.keys[ACME]
    template, odd = (
        "/v1/subjects/{id}",
        ["100%", "100%25", "a/b", "a%2Fb", "~x", "~eA", "x", "é", " ", ".", "..", "?", "x?y", "#"],
    )
    assert running.post([events.order(user=one) for one in odd])["body"]["accepted"] == len(odd)
    numbers = {}
    for one in odd:
        status, body = api.checked("get", template, f"/v1/subjects/{segment(one)}", key=key)
        assert (status, body.get("userId")) == (200, one)
        numbers[one] = body["subject"]
    assert len({*numbers.values()}) == len(odd)
    for written in ("100%25", "100%2525", "a%252Fb", "~x", "~", "%7Ex"):
        assert api.checked("get", template, f"/v1/subjects/{written}", key=key)[0] == 400, written


def test_the_features_of_any_entity_can_be_read(api: Api) -> None:
    for value in [*IDS, LONG]:
        url = f"/v1/features?features=merchant_features:fraud_share_7d&merchant={quote(value, safe='')}"
        status, body = api.checked("get", "/v1/features", url, key=api.running.keys[ACME])
        assert (status, body["results"][0]["status"]) == (200, "missing")
