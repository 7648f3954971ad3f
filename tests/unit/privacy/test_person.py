"""Whom an event is about."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts import registry
from millrace.privacy.person import name_of

PLATFORM = {"orgId": "org_acme", "day": "2026-11-30"}


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ({"data": {"payload": {"who": 42}}, "userId": "other"}, "user:42"),
        ({"data": {"payload": {"who": 42.0}}}, "user:42"),
        ({"data": {"payload": {"who": "session:s"}}}, "user:session:s"),
        ({"data": {"payload": {"who": ""}}, "userId": "usr", "sessionId": "s"}, "user:usr"),
        ({"data": {"payload": {"who": [1]}}, "sessionId": "s"}, "session:s"),
        ({"data": {"payload": {}}}, "nobody:2026-11"),
    ],
)
def test_the_subject_else_the_user_else_the_session_else_nobody(
    bundle: Path, event: dict[str, Any], name: str
) -> None:
    contract = replace(registry.load().find("user.registered"), subject="/data/payload/who")
    assert name_of({**event, "platform": PLATFORM}, contract) == name


def test_without_a_subject_the_envelope_says_who(bundle: Path) -> None:
    contract = replace(registry.load().find("user.registered"), subject=None)
    assert name_of({"data": {"payload": {}}, "userId": "7", "platform": PLATFORM}, contract) == "user:7"
