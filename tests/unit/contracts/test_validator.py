import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.contracts.errors import FieldError
from millrace.contracts.validator import MAX_ERRORS, Validator, envelope_errors
from tests.support.contracts import contract, event, field, second_opinion

IDS = ("eventSource", "correlationId", "userId", "sessionId", "environment", "region")
DECIMAL = {"physicalType": "decimal(18,4)"}


def found(errors: list[FieldError]) -> list[tuple[str, str]]:
    return [(error.pointer, error.code) for error in errors]


@pytest.fixture(scope="module")
def plain() -> Validator:
    return Validator(contract(field("note")))


@pytest.mark.parametrize("name", ["eventId", "eventType", "timestamp", "data"])
def test_the_four_fields_a_client_must_send(plain: Validator, name: str) -> None:
    sent = event({})
    del sent[name]
    assert plain.errors(sent) == [FieldError(f"/{name}", "missing", "is required")]


@pytest.mark.parametrize("sent", [None, [], "text", 3, True, 0.5])
def test_an_event_is_an_object(plain: Validator, sent: Any) -> None:
    assert found(plain.errors(sent)) == [("", "type")]


@pytest.mark.parametrize(
    "event_id",
    [
        "6fa459ea-ee8a-11ca-894e-db77e160355e",  # version 1
        "00000000-0000-0000-0000-000000000000",
        "3f2b8c1e5d744a6b9e0f7c1d2a3b4c5d",
        "{3f2b8c1e-5d74-4a6b-9e0f-7c1d2a3b4c5d}",
        "3f2b8c1e-5d74-4a6b-7e0f-7c1d2a3b4c5d",  # a variant that is not RFC 9562's
        "3f2b8c1e-5d74-4a6b-9e0f-7c1d2a3b4c5d\n",
        "3f2b8c1e-5d74-4a6b-9e0f-7c1d2a3b4c5\u0664",
        "",
    ],
)
def test_ids_that_are_no_uuid_v4(plain: Validator, event_id: str) -> None:
    assert found(plain.errors(event({}, eventId=event_id))) == [("/eventId", "format")]


def test_a_uuid_in_capitals_is_a_uuid(plain: Validator) -> None:
    assert plain.errors(event({}, eventId="3F2B8C1E-5D74-4A6B-9E0F-7C1D2A3B4C5D")) == []


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-11-21T09:30:00",
        "2026-11-21 09:30:00Z",
        "2026-11-21T09:30Z",
        "2026-11-21",
        "2026-02-30T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "2026-11-21T09:30:00.Z",
        "2026-11-21T09:30:00.1234567890Z",
        "2026-11-21T09:30:00+25:00",
        "2026-11-21T09:30:00+0100",
        "0000-01-01T00:00:00Z",
        "20261121T093000Z",
        "1763717400",
        "yesterday",
        "2026-11-21T09:30:0\u0661Z",
        "2026-11-21T09:30:00Z\n",
    ],
)
def test_moments_without_offset_or_out_of_the_calendar(plain: Validator, timestamp: str) -> None:
    assert found(plain.errors(event({}, timestamp=timestamp))) == [("/timestamp", "format")]


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-11-21T09:30:00Z",
        "2026-11-21T09:30:00.123456789+05:45",
        "1970-01-01T00:00:00-11:30",
        "2024-02-29T00:00:00Z",
    ],
)
def test_moments_with_offset(plain: Validator, timestamp: str) -> None:
    assert plain.errors(event({}, timestamp=timestamp)) == []


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "minimum"),
        ("x" * 257, "maximum"),
        ("a\u0000b", "format"),
        ("a\nb", "format"),
        ("a\u0085b", "format"),
        ("ab\u202e", "format"),
        ("\u2067ab", "format"),
        ("a\u200fb", "format"),
        (7, "type"),
        (["a"], "type"),
    ],
)
def test_what_an_id_may_not_be(plain: Validator, name: str, value: Any, code: str) -> None:
    assert found(plain.errors(event({}, **{name: value}))) == [(f"/{name}", code)]


@pytest.mark.parametrize(
    "value", ["#", '"', "%23", "user/4711", "a b", "名前", "🦦" * 256, "session:1", "'; DROP TABLE"]
)
def test_what_an_id_may_be(plain: Validator, value: str) -> None:
    assert plain.errors(event({}, **dict.fromkeys(IDS, value))) == []


def test_what_is_optional_in_the_envelope_may_be_null(plain: Validator) -> None:
    optional = dict.fromkeys([*IDS, "version"])
    sent = event({}, **optional)
    assert plain.errors({**sent, "data": {**sent["data"], "metadata": None}}) == []
    for name in ("eventId", "eventType", "timestamp", "data"):
        assert [error.pointer for error in plain.errors({**sent, name: None})] == [f"/{name}"]


@pytest.mark.parametrize("version", ["1", "1.0", "1.0.0", "01.2"])
def test_versions(plain: Validator, version: str) -> None:
    assert plain.errors(event({}, version=version)) == []


@pytest.mark.parametrize("version", ["", "v1", "1.", "1.0.0.0", "1.0-rc1", " 1", "\u0661", "latest"])
def test_what_is_no_version(plain: Validator, version: str) -> None:
    assert found(plain.errors(event({}, version=version))) == [("/version", "format")]


def test_unknown_fields_each_by_its_escaped_pointer(plain: Validator) -> None:
    sent = event({}, orgId="org_globex", platform={}, **{"a/b": 1, "~": 2})
    assert found(plain.errors(sent)) == [
        ("/a~1b", "unknown_field"),
        ("/orgId", "unknown_field"),
        ("/platform", "unknown_field"),
        ("/~0", "unknown_field"),
    ]


def test_unknown_payload_fields_are_kept_unless_the_contract_rejects_them() -> None:
    sent = event({"note": "x", "extra": {"deep": [1]}})
    assert Validator(contract(field("note"))).errors(sent) == []
    strict = Validator(contract(field("note"), additionalProperties="reject"))
    assert found(strict.errors(sent)) == [("/data/payload/extra", "unknown_field")]


def test_optional_fields_may_be_null_and_required_ones_may_not() -> None:
    validator = Validator(contract(field("a"), field("b", required=True)))
    assert found(validator.errors(event({"a": None, "b": None}))) == [("/data/payload/b", "type")]


def test_errors_come_in_the_order_of_pointers_and_end_at_twenty() -> None:
    items = field("items", "array", items={"logicalType": "integer", "logicalTypeOptions": {"minimum": 0}})
    validator = Validator(contract(items, field("a", required=True)))
    errors = validator.errors(event({"items": [0, 0, *([-1] * 1000)]}, zzz=1))
    assert found(errors)[:4] == [
        ("/data/payload/a", "missing"),
        ("/data/payload/items/2", "minimum"),
        ("/data/payload/items/3", "minimum"),
        ("/data/payload/items/4", "minimum"),
    ]
    assert [error.pointer for error in errors[8:11]] == [f"/data/payload/items/{n}" for n in (9, 10, 11)]
    assert len(errors) == MAX_ERRORS


def test_which_of_a_thousand_errors_are_told_does_not_hang_on_the_order_of_keys() -> None:
    numbers = {"logicalType": "integer", "logicalTypeOptions": {"minimum": 0}}
    validator = Validator(contract(*(field(name, "array", items=numbers) for name in "abc")))
    payload = {name: [-1] * 150 for name in "abc"}
    errors = validator.errors(event(payload))
    assert len(errors) == MAX_ERRORS
    assert validator.errors(event(dict(reversed(payload.items())))) == errors


def test_a_wrong_type_is_all_that_is_said_of_a_place() -> None:
    validator = Validator(contract(field("n", "integer", logicalTypeOptions={"minimum": 1, "maximum": 9})))
    assert validator.errors(event({"n": 0.5})) == [
        FieldError("/data/payload/n", "type", "must be an integer, got 0.5")
    ]


@pytest.mark.parametrize(
    ("options", "value", "message"),
    [
        ({"logicalType": "integer", "logicalTypeOptions": {"minimum": 0}}, -3, "must be >= 0, got -3"),
        ({"logicalType": "number", "logicalTypeOptions": {"exclusiveMaximum": 1}}, 1, "must be < 1, got 1"),
        ({"logicalType": "integer"}, 2**63, "must be <= 9223372036854775807, got 9223372036854775808"),
        ({"logicalType": "string"}, True, "must be a string, got true or false"),
        ({"logicalType": "boolean"}, "true", "must be true or false, got a text of 4 characters"),
        ({"logicalType": "array", "items": {"logicalType": "string"}}, {}, "must be an array, got an object"),
        (
            {"logicalType": "string", "logicalTypeOptions": {"minLength": 1}},
            "",
            "must have at least 1 character, got 0",
        ),
        (
            {
                "logicalType": "array",
                "items": {"logicalType": "string"},
                "logicalTypeOptions": {"maxItems": 2},
            },
            ["a"] * 3,
            "must have at most 2 items, got 3",
        ),
        (
            {"logicalType": "string", "enum": [{"value": "new"}, {"value": "used"}]},
            "old",
            'must be one of new, used, got "old"',
        ),
        (
            {"logicalType": "string", "logicalTypeOptions": {"pattern": "^[a-z]+$"}},
            "A",
            'must match ^[a-z]+$, got "A"',
        ),
        (
            {"logicalType": "string", "logicalTypeOptions": {"format": "email"}},
            "nobody",
            'must be an e-mail address, got "nobody"',
        ),
        ({"logicalType": "number", **DECIMAL}, 0.12345, "must have at most 4 decimals, got 0.12345"),
    ],
)
def test_sentences(options: dict[str, Any], value: Any, message: str) -> None:
    validator = Validator(contract({"name": "x", **options}))
    assert [error.message for error in validator.errors(event({"x": value}))] == [message]


def test_a_long_value_is_shortened_and_its_escapes_cannot_steer_a_terminal() -> None:
    validator = Validator(contract(field("x", logicalTypeOptions={"pattern": "^[a-z]{3}$"})))
    (error,) = validator.errors(event({"x": "\u202e\x1b[31m" + "x" * 100_000}))
    assert error.message.isascii() or "…" in error.message
    assert error.message.isprintable()
    assert len(error.message) <= 80


@pytest.mark.parametrize("kind", ["confidential", "restricted"])
def test_what_is_protected_is_not_told_again(kind: str) -> None:
    secret = field("secret", classification=kind, logicalTypeOptions={"format": "email", "maxLength": 10})
    listed = field(
        "list", "array", items={"logicalType": "string", "classification": kind, "enum": [{"value": "a"}]}
    )
    errors = Validator(contract(secret, listed)).errors(event({"secret": "ana.souza", "list": ["ana.souza"]}))
    assert found(errors) == [("/data/payload/list/0", "enum"), ("/data/payload/secret", "format")]
    assert all("ana" not in error.message for error in errors)


MAIL = "vera@example.com"


@pytest.mark.parametrize("name", [*IDS, "eventId", "timestamp", "version"])
def test_of_the_envelope_no_message_quotes_a_value(plain: Validator, name: str) -> None:
    for sent in (MAIL + "\n", "vera\n", 4711):
        (error,) = plain.errors(event({}, **{name: sent}))
        assert error.pointer == f"/{name}"
        assert "vera" not in error.message
        assert "4711" not in error.message
    assert "got a number" in error.message


@pytest.mark.parametrize(
    ("described", "value", "got"),
    [
        # A user's id, whatever it is called, and what the person is called by whom the contract is.
        ({"custom": {"userId": "/data/payload/x"}, "logicalType": "integer"}, 0.5, "a number"),
        ({"custom": {"subject": "/data/payload/x"}, "logicalType": "integer"}, 0.5, "a number"),
        # A value of another type is none that the contract's class is about.
        ({"logicalType": "integer"}, "vera", "a text of 4 characters"),
        ({"logicalType": "string"}, 491701234567, "a number"),
        # A text that is not one word may be an address, a number or a name.
        ({"logicalType": "string", "enum": [{"value": "new"}]}, MAIL, "a text of 16 characters"),
        ({"logicalType": "string", "enum": [{"value": "new"}]}, "Vera Rubin", "a text of 10 characters"),
        ({"logicalType": "string", "enum": [{"value": "new"}]}, "4711", "a text of 4 characters"),
        # And what the contract does say is shown.
        ({"logicalType": "string", "enum": [{"value": "new"}]}, "second-hand", '"second-hand"'),
        ({"logicalType": "integer", "logicalTypeOptions": {"minimum": 0}}, -3, "-3"),
    ],
)
def test_a_message_quotes_what_the_contract_calls_open_and_of_all_else_says_the_kind(
    described: dict[str, Any], value: Any, got: str
) -> None:
    custom = described.get("custom", {})
    made = contract(
        {"name": "x", **{name: one for name, one in described.items() if name != "custom"}}, **custom
    )
    (error,) = Validator(made).errors(event({"x": value}))
    assert error.message.endswith(f", got {got}")


def test_a_name_that_a_client_made_up_is_shown_where_it_looks_like_one() -> None:
    made = contract(field("open"), additionalProperties="reject")
    errors = Validator(made).errors(event({MAIL: 1, "4711": 1, "opne": 1, "Vera Rubin": 1}))
    assert [(error.pointer, error.code) for error in errors] == [
        ("/data/payload", "unknown_field"),
        ("/data/payload/opne", "unknown_field"),
    ]


ADDRESS = field(
    "address",
    "object",
    properties=[
        field("name", classification="restricted", logicalTypeOptions={"maxLength": 12}),
        field("zip", logicalTypeOptions={"pattern": "^[0-9]+$"}),
    ],
)
LINES = field(
    "lines",
    "array",
    items={
        "logicalType": "object",
        "properties": [field("iban", classification="confidential"), field("n", "integer")],
    },
)
SECRET = "Jane Doe, 1 Secret St"


@pytest.mark.parametrize(
    "payload",
    [
        {"address": SECRET},
        {"address": [SECRET]},
        {"address": {"name": [SECRET]}},
        {"address": {"name": {SECRET: SECRET}}},
        {"address": {"name": SECRET * 9}},
        {"address": {SECRET: 1}},
        {"lines": SECRET},
        {"lines": [SECRET]},
        {"lines": {SECRET: SECRET}},
        {"lines": [{"iban": [SECRET]}]},
        {"lines": [{"n": 1, SECRET: SECRET}]},
        SECRET,
        [SECRET],
        None,
    ],
)
@pytest.mark.parametrize("closed", ["reject", "allow"])
def test_nothing_above_or_below_what_is_protected_is_told(payload: Any, closed: str) -> None:
    made = contract(ADDRESS, LINES, field("open", "integer"), additionalProperties=closed)
    errors = Validator(made).errors({**event({}), "data": {"payload": payload}})
    text = repr([error.to_json() for error in errors])
    assert "Jane" not in text
    assert str(len(SECRET * 9)) not in text
    assert errors or closed == "allow"


@pytest.mark.parametrize("data", [SECRET, [SECRET], {"payload": SECRET}, {"payload": {}, "metadata": SECRET}])
def test_nothing_of_the_data_is_told_where_it_may_be_protected(data: Any) -> None:
    sent = {**event({}), "data": data}
    # Of the contract's metadata nothing is protected.
    of_contract = [Validator(contract(ADDRESS)).errors(sent)] if "metadata" not in data else []
    for errors in (envelope_errors(sent), *of_contract):
        assert errors
        assert "Jane" not in repr([error.to_json() for error in errors])


def test_what_is_beside_the_protected_is_told() -> None:
    made = contract(ADDRESS, LINES, field("open", "integer"), additionalProperties="reject")
    errors = Validator(made).errors(
        event({"open": "x", "address": {"zip": "z"}, "lines": [{"n": "y"}], "opne": 1})
    )
    assert [(error.pointer, error.message) for error in errors] == [
        ("/data/payload/address/zip", 'must match ^[0-9]+$, got "z"'),
        ("/data/payload/lines/0/n", "must be an integer, got a text of 1 character"),
        ("/data/payload/open", "must be an integer, got a text of 1 character"),
        ("/data/payload/opne", "is not a field here"),
    ]


@pytest.mark.parametrize("name", ["entity", "userId"])
def test_what_becomes_part_of_a_key_is_bounded(name: str) -> None:
    custom: dict[str, Any] = {"entity": {"thing": "/data/payload/a"}, "indexes": ["entity"]}
    named = custom if name == "entity" else {"userId": "/data/payload/a"}
    validator = Validator(contract(field("a"), field("b"), **named))
    assert validator.errors(event({"a": "😀" * 480, "b": "x" * 5000})) == []
    assert found(validator.errors(event({"a": "x" * 481}))) == [("/data/payload/a", "maximum")]


def test_texts_that_are_no_unicode_and_numbers_beyond_measure_do_not_raise(plain: Validator) -> None:
    assert found(plain.errors(event({}, eventId="\ud800"))) == [("", "malformed")]
    numbers = Validator(contract(field("a", "integer"), field("b", "number", **DECIMAL)))
    sent = event({"a": 10**4000, "b": float("inf")})
    assert {pointer for pointer, _ in found(numbers.errors(sent))} == {"/data/payload/a", "/data/payload/b"}


def test_an_event_a_thousand_levels_deep_is_judged() -> None:
    deep: dict[str, Any] = {}
    for _ in range(1000):
        deep = {"a": deep}
    assert Validator(contract(field("note"))).errors(event({"free": deep})) == []


def test_the_envelope_alone() -> None:
    assert envelope_errors(event({"anything": 1})) == []
    assert found(envelope_errors({"eventType": "no.such.type", "data": {"payload": 1}, "x": 0})) == [
        ("/data/payload", "type"),
        ("/eventId", "missing"),
        ("/timestamp", "missing"),
        ("/x", "unknown_field"),
    ]


MIXED = contract(
    field("id", required=True, logicalTypeOptions={"format": "identifier"}),
    field("count", "integer", logicalTypeOptions={"minimum": 0, "format": "i32"}),
    field("price", "number", **DECIMAL),
    field("ratio", "number", logicalTypeOptions={"exclusiveMinimum": 0, "maximum": 1}),
    field("when", "timestamp"),
    field("day", "date"),
    field("mail", logicalTypeOptions={"format": "email"}),
    field("tags", "array", items={"logicalType": "string", "logicalTypeOptions": {"maxLength": 3}}),
    field("parts", "array", items={"logicalType": "object", "properties": [field("p", "number", **DECIMAL)]}),
    field("kind", enum=[{"value": "a"}, {"value": "b"}]),
    additionalProperties="reject",
)
VALIDATOR = Validator(MIXED)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-10, 10, places=5).map(float),
    st.text(max_size=5),
    st.text(string.digits + "-T:Z+.", max_size=30),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.dates().map(str),
    st.sampled_from(["a", "b", "ana@example.com", "2026-11-21T09:30:00+01:00", "2026-02-29", "a@b"]),
    st.lists(st.one_of(st.text(max_size=4), st.integers()), max_size=3),
    st.lists(
        st.dictionaries(st.sampled_from(["p", "q"]), st.one_of(st.floats(-9, 9), st.just("1"))), max_size=3
    ),
)
NAMES = st.sampled_from([*MIXED.data_schema["properties"]["payload"]["properties"], "else", "a/b"])


@settings(deadline=None)
@given(st.one_of(VALUES, st.dictionaries(NAMES, VALUES)))
def test_the_verdict_is_that_of_the_jsonschema_library(payload: Any) -> None:
    sent = event(payload)
    ours = {error.pointer for error in VALIDATOR.errors(sent)}
    theirs = {pointer for pointer, _ in second_opinion(MIXED, sent)}
    assert ours == theirs
