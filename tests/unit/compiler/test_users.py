"""The properties `users` and `notUsers`: how they are written, what contradicts them, what is warned of, and which change breaks."""

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from millrace.compiler import users
from millrace.compiler.diff import compare
from millrace.compiler.lint import lint
from millrace.contracts import columns, registry
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError
from millrace.contracts.stored_form import stored, subject_pointers, user_pointers
from tests.support.contracts import SCHEMAS, contract, document, field

TODAY = date(2026, 11, 21)
WHO, OTHER, KIND = (f"/data/payload/{name}" for name in ("who", "other", "kind"))
ONLY = [{"field": "kind", "equals": "user"}]


def made(value: Any = None, **custom: Any) -> Contract:
    given = {} if value is None else {"users": value}
    return contract(
        field("who"),
        field("other", logicalTypeOptions={"maxLength": 9}),
        field("kind"),
        field("score", "integer", logicalTypeOptions={"minimum": 1, "maximum": 5}),
        field("secret", classification="restricted"),
        field("share", "number"),
        field("crew", "array", items={"logicalType": "string"}),
        subject=WHO,
        **{**given, **custom},
    )


def test_a_pointer_alone_and_one_with_conditions() -> None:
    one = made([OTHER, {"pointer": "/data/payload/score", "where": ONLY}])
    assert one.users == ({"pointer": OTHER, "where": []}, {"pointer": "/data/payload/score", "where": ONLY})
    assert Contract.from_json(one.to_json()) == one
    assert subject_pointers(one) == {WHO}
    assert user_pointers(one) == {WHO, OTHER, "/data/payload/score"}
    assert columns.owners(one) == {"user_key", "who"}
    assert columns.users(one) == {"user_key", "who", "other", "score"}


def test_a_bundle_from_before_names_nobody_else() -> None:
    document = made().to_json()
    del document["users"], document["not_users"]
    assert Contract.from_json(document) == made()


def test_the_stored_form_asks_nothing_of_them() -> None:
    fields = stored(made([OTHER, "/data/payload/score"])).data_schema["properties"]["payload"]["properties"]
    assert fields["other"] == {"type": ["string", "null"]}
    assert (fields["score"]["minimum"], fields["score"]["maximum"]) == (0, 2**53 - 1)
    types = {one.name: columns.glue_type(one.type) for one in columns.columns(made(["/data/payload/score"]))}
    assert types["score"] == "bigint"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (5, "users is a list"),
        ([5], "users is a list"),
        ([{"pointer": OTHER}], "users is a list"),
        ([{"pointer": OTHER, "where": []}], "write the pointer alone"),
        (["/data/payload/none"], "no field is /data/payload/none"),
        (["/data/payload/share"], "neither a text nor an integer"),
        (["/data/payload/crew/*"], "give the field a class that protects it"),
        ([WHO], "by subject or userId; leave it out"),
        (["/data/payload/secret"], "a token takes its place already"),
        ([OTHER, OTHER], "stands there twice"),
        ([{"pointer": OTHER, "where": [{"field": "none", "equals": "x"}]}], "there is no field none"),
        ([{"pointer": OTHER, "where": [{"field": "kind", "is": "x"}]}], "a condition is a field and one of"),
        ([{"pointer": OTHER, "where": [{"field": "who", "equals": "x"}]}], "holds users' ids itself"),
        ([{"pointer": OTHER, "where": [{"field": "other", "equals": "x"}]}], "holds users' ids itself"),
        ([{"pointer": OTHER, "where": [{"field": "secret", "equals": "x"}]}], "says nothing of it"),
        ([{"pointer": OTHER, "where": [{"field": "user_key", "equals": "x"}]}], "there is no field user_key"),
    ],
)
def test_what_contradicts_the_fields_is_refused(value: Any, sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        made(value)


def test_a_condition_asks_no_field_that_a_consent_takes_out() -> None:
    masked = [{"purpose": "marketing", "without": "mask", "fields": [KIND]}]
    with pytest.raises(ContractError, match="left out without a consent"):
        made([{"pointer": OTHER, "where": ONLY}], consent=masked)
    assert made([OTHER], consent=masked).users


@pytest.mark.parametrize(
    ("value", "sentence"),
    [("x", "notUsers is a list"), (["/data/payload/none"], "no field is"), ([OTHER], "by another property")],
)
def test_not_users_names_fields_that_are_none(value: Any, sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        made([OTHER], notUsers=value)


def test_a_problem_stands_at_its_place_in_the_list() -> None:
    with pytest.raises(ContractError) as error:
        made([OTHER, "/data/payload/none"])
    (problem,) = error.value.problems
    assert problem.pointer == "/customProperties/2/value/1"


@pytest.mark.parametrize(
    "name",
    [
        *("ownerId", "user_id", "userId", "previousId", "anonymousId", "buyerId", "changedBy", "assigned_by"),
        *("customerId", "memberIds", "uid", "targetUser", "secondUserId"),
    ],
)
def test_a_field_that_is_called_like_a_users_id_is_warned_of(name: str) -> None:
    pointer = f"/data/payload/{name}"
    ((found, sentence),) = users.warnings(contract(field(name)))
    assert found == pointer
    assert "list it under users, or under notUsers" in sentence
    assert [*users.warnings(contract(field(name), users=[pointer]))] == []
    assert [*users.warnings(contract(field(name), notUsers=[pointer]))] == []
    assert [*users.warnings(contract(field(name), subject=pointer))] == []
    assert [*users.warnings(contract(field(name, classification="confidential")))] == []


@pytest.mark.parametrize(
    "name",
    [
        "orderId",
        "deviceId",
        "instanceId",
        "standBy",
        "userAgent",
        "merchantId",
        "accountId",
        "uploadId",
        "by",
    ],
)
def test_other_names_are_not(name: str) -> None:
    assert [*users.warnings(contract(field(name)))] == []


def test_a_list_of_ids_is_warned_of_and_is_to_be_protected() -> None:
    listed = field("memberIds", "array", items={"logicalType": "string"})
    ((pointer, sentence),) = users.warnings(contract(listed))
    assert pointer == "/data/payload/memberIds/*"
    assert "give it a class that protects it" in sentence
    assert users.place(document(listed), pointer) == "/schema/0/properties/0/properties/0/items"


def test_the_lint_names_the_line_and_compiles_all_the_same(tmp_path: Path) -> None:
    for name in ("events/identity/user.registered", "published/user.registered", "purposes.yaml"):
        source, target = SCHEMAS / name, tmp_path / "schemas" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    file = tmp_path / "schemas/events/identity/user.registered/v1.yaml"
    lines = file.read_text().splitlines()
    at = next(at for at, line in enumerate(lines) if "name: email" in line)
    indent = lines[at][: lines[at].index("-")]
    lines[at:at] = [f"{indent}- name: invitedBy", f"{indent}  logicalType: string"]
    file.write_text("\n".join([*lines, ""]))
    found = lint(tmp_path)
    (warning,) = found.warnings
    assert warning.startswith(f"schemas/events/identity/user.registered/v1.yaml:{at + 1} ")
    assert "/data/payload/invitedBy is called like a user's id" in warning
    assert not any("invitedBy" in problem for problem in found.problems)


def test_nothing_of_this_checkout_is_warned_of(bundle: Path) -> None:
    assert [(one.name, *said) for one in registry.load().contracts for said in users.warnings(one)] == []


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        (None, [OTHER], []),
        ([OTHER], None, [OTHER]),
        ([OTHER], [OTHER], []),
        ([OTHER], [{"pointer": OTHER, "where": ONLY}], [OTHER]),
        ([{"pointer": OTHER, "where": ONLY}], [OTHER], []),
        ([{"pointer": OTHER, "where": ONLY}], [{"pointer": OTHER, "where": ONLY}], []),
        (
            [{"pointer": OTHER, "where": ONLY}],
            [{"pointer": OTHER, "where": [{"field": "kind", "equals": "asset"}]}],
            [OTHER],
        ),
    ],
)
def test_ids_that_were_numbers_stay_numbers(old: Any, new: Any, broken: list[str]) -> None:
    found = compare(made(old), made(new), TODAY)
    assert [one.pointer for one in found if one.kind == "protection"] == broken
