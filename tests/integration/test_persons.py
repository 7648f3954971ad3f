"""`GET /v1/subjects/{id}`: from a user's id to the number that the lake has, and back, for who may, each in the audit."""

import json
from pathlib import Path
from typing import Any

import pytest

from millrace.core.path_ids import named
from tests.support import events
from tests.support.platform import ACME, GLOBEX, Platform, platform
from tests.support.user_ids import number_of

ROUTE, BY_NUMBER = "/v1/subjects/{id}", {"by": "number"}


@pytest.fixture(scope="module")
def running(bundle: Path) -> Any:
    with platform(bundle, in_memory=True) as made:
        yield made


def lines(running: Platform, org: str = ACME) -> list[dict[str, Any]]:
    asked = running.get("/v1/audit", org=org, query={"action": "subjects.read"})["body"]["items"]
    return [json.loads(json.dumps(one)) for one in asked]


def test_an_id_leads_to_its_number_and_back_and_is_in_no_line_of_the_audit(running: Platform) -> None:
    sent = events.order(user="a/b#ann@x")
    assert running.post(sent)["status"] == 202
    number = number_of(running, "a/b#ann@x")
    expected = {"userId": "a/b#ann@x", "subject": number}
    assert running.get(ROUTE, id="a/b#ann@x")["body"] == expected
    assert running.get(ROUTE, id=number, query=BY_NUMBER)["body"] == expected
    assert running.get(ROUTE, id=number)["status"] == 404, "an id is an id"
    found = lines(running)
    assert [one["detail"] for one in found] == [{"subject": number}] * 2
    assert "ann" not in str(found)
    # The number is what the event has.
    (row,) = [one for one in running.rows("Events") if one["eventId"]["S"].endswith(sent["eventId"])]
    assert row["userKey"] == {"S": f"{ACME}#{number}"}


@pytest.mark.parametrize("user", ["requests", "holds", "signing-key", "..", "a b/ü"])
def test_an_id_that_is_a_word_of_another_path_is_named_by_its_code(running: Platform, user: str) -> None:
    number = number_of(running, user)
    for given, query in ((user, {}), (number, {"by": "number"})):
        answer = running.get(ROUTE, id=named(given), query=query)
        assert (answer["status"], answer["body"]) == (200, {"userId": user, "subject": number})
    assert running.get(ROUTE, id=named(user), org=GLOBEX)["status"] == 404


def test_nobody_else_is_told(running: Platform) -> None:
    number = number_of(running, "told")
    before = len(lines(running, GLOBEX))
    for name in ("told", number, "4" * 16, "holds?", "4503599627370497"):
        assert running.get(ROUTE, org=GLOBEX, id=name)["status"] == 404
        assert running.get(ROUTE, org=GLOBEX, id=name, query=BY_NUMBER)["status"] == 404
    assert running.get(ROUTE, id="told", scopes="events:read subjects:read")["status"] == 403
    assert len(lines(running, GLOBEX)) == before


def test_a_number_of_who_is_restricted_says_nobody(running: Platform) -> None:
    number = number_of(running, "shy")
    for row in running.rows("SubjectKeys"):
        if row.get("subject") == {"N": number}:
            running.dynamodb.put_item(TableName="SubjectKeys", Item={**row, "state": {"S": "restricted"}})
    assert running.get(ROUTE, id=number, query=BY_NUMBER)["status"] == 404
    assert running.get(ROUTE, id="shy")["body"] == {"userId": "shy", "subject": number}
