"""What settings declare: a field's uses, those of the classes that it extends, and what has no variable."""

import pytest

from millrace.core.errors import PermanentError
from millrace.core.settings import FunctionSettings
from millrace.core.uses import CATALOG, EVENTS, LAKE, USER_EVENTS, Use, rights, uses


class Base(FunctionSettings):
    events_table: str = uses(EVENTS, "put")
    lake_bucket: str = uses(LAKE, write=("quarantine/",))
    seconds: int = 3


class Extended(Base):
    also_uses = rights(CATALOG, read=("silver", "gold"))

    user_events_table: str = uses(USER_EVENTS, "get", query=("by_session",))
    lake_bucket: str = uses(LAKE, "list", read=("quarantine/",), write=("quarantine/",))


def test_a_verb_is_about_the_whole_and_a_keyword_about_parts() -> None:
    assert Extended.declared_uses()["user_events_table"] == (
        Use(USER_EVENTS, "get"),
        Use(USER_EVENTS, "query", "by_session"),
    )


def test_a_class_adds_to_what_it_extends_and_nothing_twice() -> None:
    declared = Extended.declared_uses()
    assert declared["events_table"] == (Use(EVENTS, "put"),)
    assert declared["lake_bucket"] == (
        Use(LAKE, "write", "quarantine/"),
        Use(LAKE, "list"),
        Use(LAKE, "read", "quarantine/"),
    )
    assert Base.declared_uses()["lake_bucket"] == (Use(LAKE, "write", "quarantine/"),)


def test_a_plain_setting_declares_nothing() -> None:
    assert set(Extended.declared_uses()) == {"events_table", "lake_bucket", "user_events_table"}
    assert FunctionSettings.declared_uses() == {}


def test_what_has_no_variable_is_no_field() -> None:
    assert Extended.also_uses == (Use(CATALOG, "read", "silver"), Use(CATALOG, "read", "gold"))
    assert Base.also_uses == ()
    assert "also_uses" not in Extended.model_fields


def test_a_declared_field_is_required_and_read_as_any_other() -> None:
    environ = {"ENVIRONMENT": "dev", "EVENTS_TABLE": "E", "LAKE_BUCKET": "L"}
    assert Base.from_environment(environ).events_table == "E"
    with pytest.raises(PermanentError, match="USER_EVENTS_TABLE"):
        Extended.from_environment(environ)
