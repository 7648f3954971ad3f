"""What a caller sees of tables, rows and columns follows from its scopes alone."""

import pytest

from millrace.access import actions
from millrace.access.visibility import EVENTS, RowFilter, column, row_filter, table_access
from millrace.queries.reader import Reader

MART, MART_OF_OTHERS = "marts.fct_transactions", "marts.fct_orders"


def caller(*scopes: str, org: str = "org_acme", who: str = "4503599627370497") -> Reader:
    return Reader(org, "somebody", frozenset(scopes), who)


@pytest.mark.parametrize(
    ("scope", "read", "refused"),
    [
        ("dataset:marts.fct_transactions", MART, MART_OF_OTHERS),
        ("dataset:marts.*", MART_OF_OTHERS, "gold.daily"),
        ("dataset:*", "raw.events", "raw"),
        ("own:silver.*", "silver.asset_created_v1", MART),
    ],
)
def test_a_dataset_is_read_by_those_whose_scopes_name_it(scope: str, read: str, refused: str) -> None:
    assert table_access(caller(scope), read)
    assert not table_access(caller(scope), refused)


def test_rights_name_no_dataset() -> None:
    assert not table_access(caller("query:run", "personal:read", "*", "marts.*"), MART)


@pytest.mark.parametrize("personal", [(), ("personal:read",)])
def test_a_query_never_shows_a_protected_value(personal: tuple[str, ...]) -> None:
    reader = caller("query:run", "dataset:*", *personal)
    shown = {
        name: column(reader, MART, name) for name in ("public", "internal", "confidential", "restricted")
    }
    assert shown == {"public": "clear", "internal": "clear", "confidential": "token", "restricted": "absent"}


def test_a_class_that_nobody_knows_is_taken_for_the_strictest() -> None:
    assert column(caller("dataset:*"), MART, "secret") == "absent"
    assert column(caller("events:read"), EVENTS, "secret") == "masked"


def test_events_are_unsealed_with_the_right_to_personal_data_only() -> None:
    without, with_it = caller("events:read"), caller("events:read", "personal:read")
    assert [column(without, EVENTS, name) for name in ("internal", "confidential", "restricted")] == [
        "clear",
        "token",
        "masked",
    ]
    assert column(with_it, EVENTS, "restricted") == "clear"
    assert column(caller("personal:read"), EVENTS, "public") == "absent", "the right alone reads no event"


def test_rows_are_those_of_the_tenant() -> None:
    columns = ("org_id", "creator_id", "amount")
    assert row_filter(caller("dataset:*"), MART, columns) == RowFilter((("org_id", "org_acme"),))
    assert row_filter(caller("dataset:*"), MART, ("amount",)) is None, "nothing says whose a row is"
    assert row_filter(caller("dataset:*", org=""), MART, columns) is None
    assert row_filter(caller("query:run"), MART, columns) is None


def test_own_rows_have_the_callers_number_in_the_column_of_the_owner() -> None:
    reader, table = caller("own:silver.*"), "silver.asset_created_v1"
    both = RowFilter((("org_id", "org_acme"), ("creator_id", "4503599627370497")))
    assert row_filter(reader, table, ("org_id", "creator_id", "owner")) == both
    assert row_filter(reader, table, ("org_id", "amount")) is None, (
        "a table without an owner has none of theirs"
    )
    assert row_filter(caller("own:silver.*", who=""), table, ("org_id", "creator_id")) is None


@pytest.mark.parametrize(
    ("scope", "known"),
    [
        ("events:read", True),
        ("query:run", True),
        ("dataset:marts.*", True),
        ("own:silver.asset_created_v1", True),
        ("dataset:*", True),
        ("dataset:", False),
        ("dataset:nowhere.*", False),
        ("dataset:marts.Fct", False),
        ("dataset:marts.*\n", False),
        ("events:*", False),
        ("", False),
    ],
)
def test_scopes_are_actions_and_datasets(scope: str, known: bool) -> None:
    assert actions.is_scope(scope) is known


def test_a_credential_names_as_many_datasets_as_the_gateway_carries() -> None:
    short, long = (
        [f"dataset:marts.t{n}" for n in range(50)],
        [f"dataset:marts.{'t' * 99}{n}" for n in range(28)],
    )
    assert actions.too_many([*short, "events:read", short[0]]) is None
    assert actions.too_many([*short, "dataset:marts.more"]) is not None
    assert actions.too_many(long) is not None
    assert actions.too_many(long[:20]) is None
