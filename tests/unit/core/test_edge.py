"""The edge of a function: nothing at import, everything at the first call, and once."""

import pytest
from aws_lambda_powertools import Logger

from millrace.core.custom_resource import ANSWER_SECONDS
from millrace.core.edge import Edge, Event, Handler, edge, seconds_left
from millrace.core.errors import PermanentError
from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """One field of its own."""

    events_table: str


class Context:
    """As Lambda's."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def counting(starts: list[str]) -> Edge[Settings]:
    @edge("count", Settings)
    def handler(settings: Settings, _: Logger) -> Handler:
        starts.append(settings.events_table)
        return lambda event, __: (settings.events_table, event)

    return handler


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("ENVIRONMENT", "local")
    monkeypatch.setenv("EVENTS_TABLE", "Events")
    return monkeypatch


def test_a_copy_starts_at_its_first_call_and_only_then(environ: pytest.MonkeyPatch) -> None:
    starts: list[str] = []
    handler = counting(starts)
    assert starts == []
    assert handler({"n": 1}, None) == ("Events", {"n": 1})
    environ.setenv("EVENTS_TABLE", "Other")
    assert handler({"n": 2}, None) == ("Events", {"n": 2})
    assert starts == ["Events"]


def test_a_restarted_handler_keeps_nothing(environ: pytest.MonkeyPatch) -> None:
    starts: list[str] = []
    handler = counting(starts)
    handler({}, None)
    environ.setenv("EVENTS_TABLE", "Other")
    restarted = handler.restarted()
    assert restarted.name == "count"
    assert restarted({}, None) == ("Other", {})
    assert handler({}, None) == ("Events", {})


def test_a_copy_that_cannot_start_raises_and_starts_at_a_later_call(environ: pytest.MonkeyPatch) -> None:
    handler = counting([])
    environ.delenv("EVENTS_TABLE")
    with pytest.raises(PermanentError, match="EVENTS_TABLE"):
        handler({}, None)
    environ.setenv("EVENTS_TABLE", "Events")
    assert handler({}, None) == ("Events", {})


def test_what_stands_around_answers_even_if_the_copy_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVENTS_TABLE", raising=False)

    def around(event: Event, call: object) -> str:
        assert callable(call)
        with pytest.raises(PermanentError):
            call()
        return f"failed: {event['n']}"

    @edge("around", Settings, around=around)
    def handler(_: Settings, __: Logger) -> Handler:
        raise AssertionError("it cannot start")

    assert handler({"n": 1}, None) == "failed: 1"
    assert handler.restarted()({"n": 2}, None) == "failed: 2"


def test_seconds_left_are_less_the_spare_ones() -> None:
    assert seconds_left(Context())() == 60
    assert seconds_left(Context(), ANSWER_SECONDS)() == 60 - ANSWER_SECONDS
