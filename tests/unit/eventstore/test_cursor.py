"""A cursor continues the list that it was made for, and no other."""

import pytest

from millrace.eventstore.cursor import BadCursorError, decode, encode

ORG, QUERY, POSITION = (
    "org_acme",
    {"eventType": "order.created", "from": None},
    "2026-11-21T06:00:00.000000Z#a",
)


def test_it_continues_its_own_list() -> None:
    assert decode(ORG, dict(reversed(QUERY.items())), encode(ORG, QUERY, POSITION)) == POSITION


@pytest.mark.parametrize(
    ("org", "query"), [("org_globex", QUERY), (ORG, {**QUERY, "from": "2026"}), (ORG, {})]
)
def test_of_another_tenant_or_query_it_is_none(org: str, query: dict[str, object]) -> None:
    with pytest.raises(BadCursorError):
        decode(org, query, encode(ORG, QUERY, POSITION))


@pytest.mark.parametrize("text", ["", "x", "é", "bnVsbA", "WzEsMl0", "=" * 8])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursorError):
        decode(ORG, QUERY, text)
