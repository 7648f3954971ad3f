"""Key values keep tenants and kinds apart whatever clients send."""

from hypothesis import example, given
from hypothesis import strategies as st

from millrace.core import keys

TEXT = st.text(alphabet="a#%:ses ion25 3A", max_size=12)


@given(TEXT, TEXT)
@example("session:a", "a")
def test_users_and_sessions_never_meet(user: str, session: str) -> None:
    assert keys.by_user("org", user) != keys.by_session("org", session)


@given(st.lists(TEXT, min_size=1, max_size=4), st.lists(TEXT, min_size=1, max_size=4))
@example(["a#b"], ["a", "b"])
@example(["a#b"], ["a%23b"])
@example(["a", "#"], ["a#", ""])
def test_different_parts_give_different_keys(one: list[str], other: list[str]) -> None:
    assert (keys.join(*one) == keys.join(*other)) == (one == other)


@given(TEXT, TEXT)
@example("org", "session:a")
@example("o#rg", "session%3Aa")
def test_a_user_is_read_from_the_key(org: str, user: str) -> None:
    assert keys.user_of(keys.by_user(org, user)) == (org, user)
    assert keys.user_of(keys.by_session(org, user)) == (org, None)


def test_an_id_is_one_id_in_either_case() -> None:
    spelled = "0DBF2F5E-7F1D-4D1B-9C55-0A3F0E6B9C21"
    assert keys.event("org", spelled) == keys.event("org", spelled.lower()) == f"org#{spelled.lower()}"


def test_tenants_keys_never_meet() -> None:
    identifier = "0dbf2f5e-7f1d-4d1b-9c55-0a3f0e6b9c21"
    assert keys.event("org_a", identifier) != keys.event("org_b", identifier)


@given(TEXT, TEXT)
def test_different_users_have_different_keys(one: str, other: str) -> None:
    assert (keys.by_user("org", one) == keys.by_user("org", other)) == (one == other)
