"""Names and values in SQL text come back from DuckDB as they are."""

from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.sql import identifier, literal


@pytest.mark.parametrize(
    ("value", "text"), [("it's", "'it''s'"), (True, "true"), (False, "false"), (7, "7"), (0.5, "0.5")]
)
def test_literals(value: Any, text: str) -> None:
    assert literal(value) == text


# DuckDB takes no NUL in a statement.
words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(words, words)
def test_a_name_and_a_text_are_what_they_are_whatever_is_in_them(name: str, value: str) -> None:
    relation = duckdb.sql(f"SELECT {literal(value)} AS {identifier(name)}")
    assert (relation.columns, relation.fetchall()) == ([name], [(value,)])
