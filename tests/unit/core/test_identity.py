"""One identity for every id: a UUID in any case, any other text as it is."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.identity import BYTES, as_text, identity, identity_text

ULID = "01JD9Z3M6W8Q4V2N7R5T1X0ABC"
TEXTS = st.text(min_size=1, max_size=128)


@given(st.uuids())
def test_a_uuid_is_itself_in_any_case(one: uuid.UUID) -> None:
    assert identity(str(one)) == identity(str(one).upper()) == one.bytes
    assert identity_text(str(one).upper()) == as_text(one.bytes) == str(one)


@given(TEXTS)
def test_keys_hold_any_text_in_one_width(text: str) -> None:
    assert len(identity(text)) == BYTES
    assert identity_text(identity_text(text)) == identity_text(text)
    assert identity(identity_text(text)) == identity(text)


@given(TEXTS, TEXTS)
def test_other_texts_are_told_apart_as_they_are(one: str, other: str) -> None:
    assert (identity(one) == identity(other)) == (one == other)


@pytest.mark.parametrize(
    "spell", [str.lower, lambda text: f"{{{text}}}", lambda text: text.replace("A", "А")]
)
def test_a_text_that_only_looks_like_another_is_another(spell: object) -> None:
    assert callable(spell)
    assert identity(spell(ULID)) != identity(ULID)
    plain = str(uuid.UUID(int=7)).replace("-", "")
    assert identity(plain) != uuid.UUID(int=7).bytes, "without hyphens it is a text"
