"""What an error may show beside a refused event: no id of those whom the event names."""

from millrace.contracts.errors import FieldError
from millrace.intake.discretion import discreet

HIDDEN = "is not valid; no message shows whom an event names"


def test_a_field_that_is_called_like_a_user_is_not_shown_unless_its_contract_has_it() -> None:
    error = FieldError("/data/payload/creatorId", "type", "must be a text, got a number")
    assert discreet(error, {"creator"}) == FieldError("/data/payload", "type", HIDDEN)
    assert discreet(error, {"creator"}, {"data", "payload", "creatorId"}) == error
    undeclared = FieldError("/data/payload/creatorId/vera@x", "type", "must be a text")
    assert discreet(undeclared, {"vera@x"}, {"data", "payload", "creatorId"}) == FieldError(
        "/data/payload/creatorId", "type", HIDDEN
    )


def test_what_was_got_is_left_out_where_it_is_a_user() -> None:
    error = FieldError("/data/payload/currency", "pattern", 'must be a currency, got "vera@x"')
    assert discreet(error, {"vera@x"}).message == "must be a currency"
    assert discreet(error, {"bob"}) == error
