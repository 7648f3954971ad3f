"""Key values keep tenants and kinds apart whatever clients send."""

from hypothesis import given
from hypothesis import strategies as st

from millrace.core import keys

TEXT = st.text(alphabet="a#%:ses ion25 3A", max_size=12)


@given(TEXT, TEXT)
def test_users_and_sessions_never_meet(user: str, session: str) -> None:
    assert keys.by_user("org", user) != keys.by_session("org", session)


@given(st.lists(TEXT, min_size=1, max_size=4), st.lists(TEXT, min_size=1, max_size=4))
def test_different_parts_give_different_keys(one: list[str], other: list[str]) -> None:
    assert (keys.join(*one) == keys.join(*other)) == (one == other)


@given(TEXT, TEXT)
def test_different_users_have_different_keys(one: str, other: str) -> None:
    assert (keys.by_user("org", one) == keys.by_user("org", other)) == (one == other)
