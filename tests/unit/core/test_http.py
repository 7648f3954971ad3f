"""The gateway's event as a request: what it may leave out, and what no gateway should send but answers all the same."""

from typing import Any

import pytest

from millrace.core.http import Problem, answer, problem_answer, read_request


def test_what_the_gateway_leaves_out_is_empty() -> None:
    request = read_request({})
    assert (request.request_id, request.route, request.body, request.caller) == ("", "", b"", None)
    assert dict(request.headers) == dict(request.query) == dict(request.path) == {}


@pytest.mark.parametrize("context", [{}, {"org": ""}, {"principal": "shop", "scopes": "events:read"}])
def test_without_a_tenant_there_is_no_caller(context: dict[str, str]) -> None:
    request = read_request({"requestContext": {"authorizer": {"lambda": context}}})
    assert request.caller is None
    with pytest.raises(Problem) as raised:
        _ = request.authenticated
    assert raised.value.status == 401


def test_header_names_are_lower_case_and_a_body_is_bytes() -> None:
    request = read_request({"headers": {"Content-Type": "a"}, "body": "aé", "isBase64Encoded": False})
    assert request.headers == {"content-type": "a"}
    assert request.body == "aé".encode()
    assert read_request({"body": "AAEC", "isBase64Encoded": True}).body == b"\x00\x01\x02"


@pytest.mark.parametrize("body", ["A", "AA=A", "not base64", "\x80", "😀", "\ud800", "AAAA\n"])
def test_a_body_that_is_no_base64_is_a_bad_request(body: str) -> None:
    event: dict[str, Any] = {"body": body, "isBase64Encoded": True}
    with pytest.raises(Problem) as raised:
        read_request(event)
    assert raised.value.status == 400


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3(", b"a\x80b\x80", b"\xf8\x88\x80\x80\x80"])
def test_bytes_that_the_gateway_replaced_are_no_text(bad: bytes) -> None:
    sent = b'{"a":"' + bad + b'","b":"\xef\xbf\xbd"}'
    event = {"headers": {"Content-Length": str(len(sent))}, "body": sent.decode("utf-8", "replace")}
    with pytest.raises(UnicodeDecodeError):
        read_request(event).body.decode()


@pytest.mark.parametrize("length", [True, False])
def test_a_replacement_character_that_was_sent_stays(length: bool) -> None:
    sent = '{"a":"\ufffd"}'.encode()
    headers = {"content-length": str(len(sent))} if length else {}
    assert read_request({"headers": headers, "body": sent.decode()}).body == sent
    assert read_request({"headers": {"content-length": "many"}, "body": sent.decode()}).body == sent


@pytest.mark.parametrize(
    "made",
    [
        answer("r", {}),
        answer("r", b"GIF89a", content_type="image/gif", headers={"x-other": "1"}),
        problem_answer("r", Problem(404, "there is no such call", headers={"retry-after": "1"})),
    ],
)
def test_every_answer_is_kept_nowhere_framed_nowhere_and_taken_for_what_it_says(made: dict[str, Any]) -> None:
    headers = made["headers"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    seconds = int(headers["strict-transport-security"].partition("=")[2].partition(";")[0])
    assert seconds >= 365 * 86_400
    assert headers["x-request-id"] == "r"


def test_what_a_call_says_of_its_own_answer_stands() -> None:
    headers = answer("r", {}, headers={"cache-control": "max-age=60"})["headers"]
    assert headers["cache-control"] == "max-age=60"
