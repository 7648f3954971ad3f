"""What the audit keeps of a query: its shape, and nothing that somebody wrote for a value."""

import pytest

from millrace.queries.masking import masked

MARK = "ann@marked.example"


@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        ("select a from silver.x_v1 where b = 'ann@marked.example'", "select a from silver.x_v1 where b = ?"),
        ("select 1, 2.5, 1e5, 0xff, 1_000, -7", "select ?, ?, ?, ?, ?, -?"),
        ("select 'it''s ann@marked.example' x", "select ? x"),
        (r"select e'\'ann@marked.example', b", "select ?, b"),
        ("select $$ann@marked.example$$, $t$ann@marked.example$t$", "select ?, ?"),
        ("select a -- ann@marked.example\nfrom x", "select a   from x"),
        ("select /* ann@marked.example */ a", "select   a"),
        ("select /* /* */ ann@marked.example */ a", "select ?"),
        ('select "plain", a as "ann@marked.example"', 'select "plain", a as "?"'),
        ("drop 'ann@marked.example", "drop ?"),
        ("drop $$ann@marked.example", "drop ?"),
        ("select date'2026-11-01' from x as of 17", "select date? from x as of ?"),
    ],
)
def test_literals_and_comments_are_left_out(sql: str, kept: str) -> None:
    found = masked(sql)
    assert found.text == kept
    assert MARK not in found.text


def test_a_message_repeats_no_literal() -> None:
    found = masked("select * from x where a = 'ann@marked.example' and b = 'in'")
    assert found.message("ann@marked.example is not in x") == "? is not in x"
