"""Refused events as metrics: by type, and without a client's own words."""

import json
from pathlib import Path

import pytest

from millrace.eventstore.append import AppendResult
from millrace.intake import refusals
from millrace.intake.case import EventResult


def results() -> list[EventResult]:
    return [
        EventResult(0, "a", "order.created", AppendResult.ACCEPTED),
        EventResult(1, "b", "order.created", AppendResult.REJECTED),
        EventResult(2, "c", "order.created", AppendResult.CONFLICT),
        EventResult(3, "d", "order.created", AppendResult.UNAVAILABLE),
        EventResult(4, "e", "no.such_type_17", AppendResult.REJECTED),
        EventResult(5, None, None, AppendResult.REJECTED),
    ]


def test_only_refused_ones_count_and_unknown_types_are_one() -> None:
    assert refusals.by_type(results(), {"order.created"}) == {"order.created": 2, "unknown": 2}


def test_a_line_a_type_and_none_for_a_good_request(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refusals.emit_metrics(results()[:1], "dev")
    assert capsys.readouterr().out == ""
    refusals.emit_metrics(results(), "dev")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["eventType"], line["EventsRefused"]) for line in lines] == [
        ("order.created", [2.0]),
        ("unknown", [2.0]),
    ]
    refusals.emit_metrics(results()[1:3], "dev")
    assert json.loads(capsys.readouterr().out)["EventsRefused"] == [2.0]
    assert set(lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0]) == {
        "environment",
        "eventType",
        "service",
    }
