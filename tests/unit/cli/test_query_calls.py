"""Queries run in the platform's function, by whichever way; what it answers is what a person reads, to the digit."""

import io
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from cli import lake, query_calls
from cli.answers import ListAnswer, exactly
from cli.api import Api, ApiResponse
from cli.errors import CommandError, RefusedError, UsageError
from cli.target import Target
from millrace.core.plain import plain

TARGET = Target("local", "http://localhost:1", {"QueryFunction": "query"}, {"org_acme": "mk_1"})
QUESTION = {"sql": "select 1", "format": "either", "id": "q"}


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Calls of the API, each answered by the next of `answers`."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    return []


def by_api(called: list[Any], *answers: tuple[int, Any]) -> tuple[query_calls.Ask, query_calls.Cancel]:
    left = list(answers)

    def call(method: str, path: str, **more: Any) -> ApiResponse:
        called.append((method, path, more.get("body")))
        status, document = left.pop(0)
        return ApiResponse(status, document)

    refusal: Callable[[ApiResponse], RefusedError] = lambda answer: RefusedError(f"refused {answer.status}")  # noqa: E731
    api: Any = SimpleNamespace(call=call, refusal=refusal)
    return query_calls.by_api(api)


@pytest.mark.parametrize(
    ("status", "document", "error"),
    [
        (400, {"code": "sql", "detail": "there is no column x"}, UsageError),
        (403, {"code": "refused", "detail": "COPY is refused"}, RefusedError),
        (413, {"code": "too_large", "detail": "fewer days"}, RefusedError),
        (422, {"code": "timeout", "detail": "25 s"}, RefusedError),
        (409, {"code": "cancelled", "detail": "was cancelled"}, RefusedError),
    ],
)
def test_a_problem_is_its_sentence(
    called: list[Any], status: int, document: dict[str, str], error: type[CommandError]
) -> None:
    ask, _ = by_api(called, (status, document))
    with pytest.raises(error, match=document["detail"]) as raised:
        ask(QUESTION)
    assert type(raised.value) is error


def test_a_busy_platform_is_asked_again_and_a_refused_key_is_not(called: list[Any]) -> None:
    ask, cancel = by_api(called, (429, {"code": "busy"}), (503, {}), (200, {"rows": []}), (404, {}))
    assert ask(QUESTION) == {"rows": []}
    cancel("q")
    assert [(method, path) for method, path, _ in called] == [
        *[("POST", "/v1/query")] * 3,
        ("DELETE", "/v1/query/q"),
    ]
    assert orjson.loads(called[0][2]) == QUESTION
    ask, _ = by_api(called, (403, {"message": "Forbidden"}))
    with pytest.raises(RefusedError, match="refused 403"):
        ask(QUESTION)


def test_who_has_a_key_asks_the_api_and_an_operator_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILLRACE_API_KEY", raising=False)
    invoked: list[dict[str, Any]] = []

    def invoke(FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == "query"
        invoked.append(orjson.loads(Payload))
        body = orjson.dumps({"rows": [[1]], "columns": []}).decode()
        return {"Payload": io.BytesIO(orjson.dumps({"body": body}))}

    monkeypatch.setattr(Target, "client", lambda *_, **__: SimpleNamespace(invoke=invoke))
    posted: list[Any] = []

    def call(_: Api, *call: str, **__: Any) -> ApiResponse:
        posted.append(call)
        return ApiResponse(200, {"rows": []})

    monkeypatch.setattr(Api, "call", call)
    lake.calls(TARGET, "org_acme")[0](QUESTION)
    assert (posted, invoked) == ([("POST", "/v1/query")], [])
    lake.calls(TARGET, None)[0](QUESTION)
    lake.calls(TARGET, "org_other")[0](QUESTION)
    assert invoked == [QUESTION, {**QUESTION, "org": "org_other"}]


def test_an_error_of_the_function_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    answers = [
        {"body": orjson.dumps({"error": "busy", "message": "3 are running"}).decode()},
        {"body": orjson.dumps({"error": "sql", "message": "there is no table x"}).decode()},
        {"body": orjson.dumps({"error": "refused", "message": "COPY is refused"}).decode()},
        {"errorMessage": "out of memory"},
    ]
    faults = [{}, {}, {}, {"FunctionError": "Unhandled"}]

    def invoke(**_: Any) -> dict[str, Any]:
        return {"Payload": io.BytesIO(orjson.dumps(answers.pop(0))), **faults.pop(0)}

    monkeypatch.setattr(Target, "client", lambda *_, **__: SimpleNamespace(invoke=invoke))
    ask, _ = query_calls.by_operator(TARGET, None)
    for error, sentence in (
        (UsageError, "no table x"),
        (RefusedError, "COPY"),
        (RefusedError, "out of memory"),
    ):
        with pytest.raises(error, match=sentence):
            ask(QUESTION)


def test_values_are_what_the_lake_has() -> None:
    body = (
        b'{"columns":[{"name":"a","type":"DECIMAL(18,4)"},{"name":"b","type":"DOUBLE"},{"name":"c","type":"HUGEINT"},'
        b'{"name":"d","type":"TIMESTAMP WITH TIME ZONE"},{"name":"e","type":"DATE"},{"name":"f","type":"TIME"},'
        b'{"name":"g","type":"BLOB"},{"name":"h","type":"STRUCT(n DECIMAL(38,4))[]"},{"name":"i","type":"DECIMAL(38,0)"}],'
        b'"rows":[[1.5000,1e-7,170141183460469231731687303715884105727,"2026-11-20T23:00:00.000Z","2026-11-20",'
        b'"01:02:03","AP8=",[{"n":99999999999999999999.1230}],3],[null,null,null,null,null,null,null,null,null]]}'
    )
    document = exactly(body)
    answer = ListAnswer(document["columns"], document["rows"])
    first, nothing = answer.rows()
    assert first[:7] == (
        Decimal("1.5000"),
        1e-7,
        2**127 - 1,
        datetime(2026, 11, 20, 23, tzinfo=UTC),
        date(2026, 11, 20),
        time(1, 2, 3),
        b"\x00\xff",
    )
    assert nothing == (None,) * 9
    written = orjson.dumps(plain(first)).decode()
    assert written == (
        '[1.5000,1e-7,170141183460469231731687303715884105727,"2026-11-20T23:00:00.000Z","2026-11-20",'
        '"01:02:03","AP8=",[{"n":99999999999999999999.1230}],3]'
    )
    assert [len(part) for part in answer.parts(1)] == [1, 1]
