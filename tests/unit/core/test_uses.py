"""What settings declare: a field's uses, those of the classes that it extends, and what has no variable."""

from dataclasses import FrozenInstanceError

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
    assert "also_uses" not in Extended.names()


def test_a_declared_field_is_required_and_read_as_any_other() -> None:
    environ = {"ENVIRONMENT": "dev", "EVENTS_TABLE": "E", "LAKE_BUCKET": "L"}
    assert Base.from_environment(environ).events_table == "E"
    with pytest.raises(PermanentError, match="USER_EVENTS_TABLE"):
        Extended.from_environment(environ)


class Typed(FunctionSettings):
    rate: float = 2.5
    count: int
    is_there: bool = False


def test_texts_are_read_by_the_type_of_their_field_and_written_back() -> None:
    environ = {"ENVIRONMENT": "prod", "RATE": "0.5", "COUNT": "7", "IS_THERE": "true", "OTHER": "x"}
    settings = Typed.from_environment(environ)
    assert (settings.rate, settings.count, settings.is_there) == (0.5, 7, True)
    assert settings.log_level == "INFO"
    assert Typed.from_environment(settings.environment_variables()) == settings
    with pytest.raises(FrozenInstanceError):
        settings.count = 8


def test_every_value_that_is_missing_or_wrong_is_named() -> None:
    environ = {"ENVIRONMENT": "moon", "LOG_LEVEL": "info", "RATE": "fast", "IS_THERE": "maybe"}
    with pytest.raises(PermanentError) as raised:
        Typed.from_environment(environ)
    for name in ("ENVIRONMENT", "LOG_LEVEL", "RATE", "IS_THERE", "COUNT"):
        assert name in str(raised.value)
    with pytest.raises(PermanentError, match="NUMBER"):
        Typed.of({"environment": "dev", "count": 1, "number": 2})
