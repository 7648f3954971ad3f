"""A creator reads rows of their own: those that have the creator's number, as intake writes it in place of the id."""

from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from millrace.api.query import QueryApi
from millrace.api.route import Call
from millrace.core.http import Caller
from millrace.privacy.identities import LEAST
from millrace.queries.reader import Reader
from tests.support.user_ids import KnownUsers

TABLE, COLUMNS = "silver.asset_created_v1", ("org_id", "creator_id", "asset_id")
ANN = LEAST + 1
PEOPLE = KnownUsers({"ann": ANN, "bob": LEAST + 2, str(ANN): LEAST + 3})
ROWS = [
    ("org_acme", str(ANN), "of ann"),
    ("org_acme", str(LEAST + 2), "of bob"),
    ("org_other", str(ANN), "of another tenant's person with that number"),
    ("org_acme", "carl", "of before users were numbers"),
]


class Queries:
    """Keeps who has asked."""

    def __init__(self) -> None:
        self.readers: list[Reader] = []

    def ask(self, reader: Reader, *_: object) -> dict[str, Any]:
        self.readers.append(reader)
        return {}


def asked_by(who: str, *scopes: str, numbers: Any = PEOPLE.numbers) -> Reader:
    queries = Queries()
    asked: Any = queries
    caller = Caller("org_acme", "somebody", frozenset(scopes or ("query:run", "own:silver.*")), "user", who)
    request: Any = SimpleNamespace(authenticated=caller)
    QueryApi(asked, numbers).ask(Call(request, {}, {"sql": "SELECT 1", "limit": 1, "format": "json"}))
    (reader,) = queries.readers
    return reader


def rows(reader: Reader) -> list[str]:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE assets (org_id VARCHAR, creator_id VARCHAR, asset_id VARCHAR)")
        connection.executemany("INSERT INTO assets VALUES (?, ?, ?)", ROWS)
        found = connection.execute(f"SELECT asset_id FROM assets WHERE {reader.where(TABLE, COLUMNS)}")
        return [one for (one,) in found.fetchall()]


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("ann", ["of ann"]),
        ("bob", ["of bob"]),
        # An id that is Ann's number, and one whom no event has named.
        (str(ANN), []),
        ("dora", []),
        ("carl", []),
        ("", []),
    ],
)
def test_a_creator_reads_the_rows_of_their_number(who: str, expected: list[str]) -> None:
    assert rows(asked_by(who)) == expected


def test_who_reads_all_rows_is_not_looked_up() -> None:
    def numbers(*_: object) -> Any:
        pytest.fail("nobody is to be looked up")

    reader = asked_by("ann", "query:run", "dataset:*", numbers=numbers)
    assert len(rows(reader)) == 3
