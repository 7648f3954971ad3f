"""Which tables a statement names, and that nothing but their names is touched."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.queries.errors import SqlError
from millrace.queries.references import Moment, no_such_table, rewrite


def test_a_statement_without_a_past_stays_as_it_is() -> None:
    sql = 'select a.x, "silver"."b" from silver.a join Gold.B as g using (x) -- silver.c\n where y = \'marts.d\''
    assert rewrite(sql)[0] == sql
    assert {reference.table for reference in rewrite(sql)[1]} == {"silver.a", "silver.b", "gold.b"}


@pytest.mark.parametrize(
    ("behind", "moment"),
    [
        ("AS OF 7008894928788525185", Moment(snapshot=7008894928788525185)),
        ("as of '2026-11-21T10:00:00Z'", Moment(at=datetime(2026, 11, 21, 10, tzinfo=UTC))),
        ("AS OF '2026-11-21T10:00:00.5Z'", Moment(at=datetime(2026, 11, 21, 10, 0, 0, 500_000, tzinfo=UTC))),
        ("AS OF '2026-11-21'", Moment(at=datetime(2026, 11, 21, tzinfo=UTC))),
        ("AS OF TIMESTAMP '2026-11-21 11:00:00+01:00'", Moment(at=datetime(2026, 11, 21, 10, tzinfo=UTC))),
        ("FOR VERSION AS OF 5", Moment(snapshot=5)),
        ("FOR TIMESTAMP AS OF '2026-11-21'", Moment(at=datetime(2026, 11, 21, tzinfo=UTC))),
        ("for system_time as of '2026-11-21'", Moment(at=datetime(2026, 11, 21, tzinfo=UTC))),
    ],
)
@pytest.mark.parametrize(
    ("after", "alias"),
    [
        ("", ' AS "x"'),
        (" where n > 1", ' AS "x"'),
        (" t where t.n > 1", ""),
        (" AS t", ""),
        (' "t"', ""),
        (" JOIN marts.y ON true", ' AS "x"'),
    ],
)
def test_a_moment_becomes_a_view_of_its_own(behind: str, moment: Moment, after: str, alias: str) -> None:
    text, (found, *_) = rewrite(f"select * from silver.x {behind}{after}")
    assert (found.table, found.moment) == ("silver.x", moment)
    assert found.view.count(".") == 1, "a schema and a name"
    assert text == f'select * from silver."{found.view.removeprefix("silver.")}"{alias}{after}'


def test_now_and_then_in_one_statement() -> None:
    text, found = rewrite(
        "select count(*) from silver.x AS OF 1 a, silver.x AS OF 2 b, silver.x c, (select 1 from silver.x AS OF 1)"
    )
    assert [one.view for one in found] == ["silver.x@1", "silver.x@2", "silver.x"]
    assert text == (
        'select count(*) from silver."x@1" a, silver."x@2" b, silver.x c, (select 1 from silver."x@1" AS "x")'
    )


@pytest.mark.parametrize(
    "sql",
    [
        "select 'from silver.x AS OF 1'",
        "select 1 -- from silver.x AS OF 1",
        "select 1 /* from silver.x\nAS OF 1 */",
        "select $$silver.x AS OF 1$$, $t$ gold.y $t$",
        "select 'it''s silver.x AS OF 1'",
        'select "silver.x AS OF 1" from t',
    ],
)
def test_texts_and_comments_are_left_alone(sql: str) -> None:
    assert rewrite(sql) == (sql, [])


@pytest.mark.parametrize("behind", ["AS OF", "AS OF now()", "AS OF 'yesterday'", "FOR VERSION AS OF x"])
def test_what_is_no_moment_is_said(behind: str) -> None:
    with pytest.raises(SqlError, match="AS OF"):
        rewrite(f"select * from silver.x {behind}")


def test_an_alias_of_and_other_schemas_are_no_moments_or_tables() -> None:
    for sql in ("select * from other.x AS OF 1", "select a.b from t a", "select db.silver.x from t"):
        assert rewrite(sql) == (sql, [])


@given(st.text(alphabet="silver.x 'asof12\"-/*$\n", max_size=60))
def test_any_text_is_rewritten_or_refused(text: str) -> None:
    try:
        made, _ = rewrite(text)
    except SqlError:
        return
    assert rewrite(made)[0] == made, "what was rewritten names no past any more"


def test_a_missing_table_is_answered_with_those_there_are() -> None:
    assert str(no_such_table("gold.z", lambda: ["raw.events", "gold.a"])) == (
        "there is no table gold.z; there are gold.a, raw.events"
    )
    known = ["gold.merchant_10min", "marts.orders_enriched", "silver.order_created_v1"]
    for wrong, meant in (
        ("gold.merchant_10mn", "gold.merchant_10min"),
        ("silver.orders", "marts.orders_enriched or silver.order_created_v1"),
        ("merchant_10min", "gold.merchant_10min"),
    ):
        assert f"did you mean {meant}?" in str(no_such_table(wrong, lambda: known))
