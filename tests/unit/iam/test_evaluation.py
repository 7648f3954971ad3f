"""The evaluator of policies against the cases that AWS documents."""

from typing import Any

import pytest

from tests.support.iam.conditions import hold
from tests.support.iam.evaluation import Account
from tests.support.iam.policy import Caller, Document, Request

HERE, THERE = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{HERE}:role/worker"
GUEST = f"arn:aws:iam::{THERE}:role/guest"
TOPIC = f"arn:aws:sns:eu-west-1:{HERE}:news"
KEY = f"arn:aws:kms:eu-west-1:{HERE}:key/data"
BUCKET = "arn:aws:s3:::lake"
ROOT = {"AWS": f"arn:aws:iam::{HERE}:root"}
ALL_KEYS = {"Effect": "Allow", "Principal": ROOT, "Action": "kms:*", "Resource": "*"}


def policy(*statements: dict[str, Any]) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(
    action: str | list[str] = "sns:Publish", on: str | list[str] = TOPIC, **more: Any
) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": on, **more}


def account(*own: dict[str, Any], **of_resources: list[dict[str, Any]]) -> Account:
    arns = {"topic": TOPIC, "key": KEY, "bucket": BUCKET, "role": ROLE}
    return Account(
        HERE,
        {ROLE: [policy(*own)], GUEST: [policy(*own)]},
        {arns[name]: policy(*several) for name, several in of_resources.items()},
    )


def may(where: Account, action: str = "sns:Publish", on: str = TOPIC, by: str = ROLE, **keys: Any) -> bool:
    return where.allows(Request(Caller(by), action, on, {k.replace("__", ":"): v for k, v in keys.items()}))


def test_what_nothing_allows_is_denied_and_a_denial_beats_every_allow() -> None:
    deny = {**allow(), "Effect": "Deny"}
    named = allow(Principal={"AWS": ROLE})
    assert not may(account())
    assert may(account(allow()))
    assert not may(account(allow(), deny))
    assert may(account(topic=[named]))
    assert not may(account(deny, topic=[named])), "the caller's own denial beats the resource's allow"
    assert not may(account(allow(), topic=[{**deny, "Principal": "*"}])), "and the resource's the caller's"
    away = {**deny, "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    assert may(account(allow(), topic=[away]))
    assert not may(account(allow(), topic=[away]), aws__SecureTransport="false")


def test_in_the_same_account_either_policy_is_enough_and_the_root_only_hands_on() -> None:
    root = allow(Principal=ROOT)
    assert not may(account(topic=[root]))
    assert may(account(allow(), topic=[root]))
    assert may(account(topic=[allow(Principal={"AWS": ["arn:aws:iam::1:role/x", ROLE]})]))
    assert not may(account(topic=[allow(Principal={"AWS": "arn:aws:iam::1:role/x"})]))


def test_from_another_account_both_policies_are_needed() -> None:
    named, whole = allow(Principal={"AWS": GUEST}), allow(Principal={"AWS": THERE})
    assert not may(account(topic=[named]), by=GUEST)
    assert may(account(allow(), topic=[named]), by=GUEST)
    assert may(account(allow(), topic=[whole]), by=GUEST), "by its account's number"
    assert not may(account(allow(), topic=[allow(Principal={"AWS": ROLE})]), by=GUEST)
    theirs = TOPIC.replace(HERE, THERE)
    assert may(account(allow(on=theirs)), on=theirs), "their policy is not ours to see"


def test_a_key_s_policy_decides_unless_it_hands_on_to_the_account() -> None:
    own = allow("kms:Decrypt", KEY)
    direct = allow("kms:Decrypt", "*", Principal={"AWS": ROLE})
    assert not may(account(own, key=[]), "kms:Decrypt", KEY), "an identity's policy alone is not enough"
    assert not may(account(key=[ALL_KEYS]), "kms:Decrypt", KEY)
    assert may(account(own, key=[ALL_KEYS]), "kms:Decrypt", KEY)
    assert may(account(key=[direct]), "kms:Decrypt", KEY)
    through = {**own, "Condition": {"StringEquals": {"kms:ViaService": ["s3.eu-west-1.amazonaws.com"]}}}
    assert not may(account(through, key=[ALL_KEYS]), "kms:Decrypt", KEY)
    via: dict[str, Any] = {"kms__ViaService": "s3.eu-west-1.amazonaws.com"}
    assert may(account(through, key=[ALL_KEYS]), "kms:Decrypt", KEY, **via)


def test_a_service_in_its_own_name_is_allowed_by_the_resource_only() -> None:
    cloudwatch = "cloudwatch.amazonaws.com"
    service = allow(Principal={"Service": cloudwatch})
    assert not may(account(allow()), by=cloudwatch)
    assert may(account(topic=[service]), by=cloudwatch)
    assert not may(account(topic=[service]), by="events.amazonaws.com")
    assert not may(account(topic=[allow(Principal=ROOT)]), by=cloudwatch)
    assert not may(account(key=[ALL_KEYS]), "kms:Decrypt", KEY, by=cloudwatch), (
        "the root hands on to no service"
    )
    limited = {
        **service,
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:eu-west-1:{HERE}:alarm:*"},
            "StringEquals": {"aws:SourceAccount": HERE},
        },
    }
    ours = {"aws__SourceArn": f"arn:aws:cloudwatch:eu-west-1:{HERE}:alarm:a", "aws__SourceAccount": HERE}
    theirs = {key: value.replace(HERE, THERE) for key, value in ours.items()}
    assert may(account(topic=[limited]), by=cloudwatch, **ours)
    assert not may(account(topic=[limited]), by=cloudwatch, **theirs)
    assert not may(account(topic=[limited]), by=cloudwatch), "a key that the request lacks does not match"


def test_a_role_is_taken_on_only_by_whom_its_trust_policy_names() -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    assert may(account(role=[trust]), "sts:AssumeRole", ROLE, by="states.amazonaws.com")
    assert not may(account(role=[trust]), "sts:AssumeRole", ROLE, by="lambda.amazonaws.com")
    assert not may(account(allow("sts:AssumeRole", ROLE), role=[trust]), "sts:AssumeRole", ROLE)


def test_not_action_not_resource_and_not_principal() -> None:
    others = {"Effect": "Allow", "NotAction": "sns:Delete*", "Resource": "*"}
    assert may(account(others))
    assert not may(account(others), "sns:DeleteTopic")
    elsewhere = {"Effect": "Allow", "Action": "sns:Publish", "NotResource": TOPIC}
    assert not may(account(elsewhere))
    assert may(account(elsewhere), on=f"{TOPIC}2")
    all_but = {**allow(), "Effect": "Deny", "NotPrincipal": {"AWS": [ROLE, *ROOT.values()]}}
    del all_but["Resource"]
    all_but["Resource"] = TOPIC
    assert may(account(allow(), topic=[all_but]))
    assert not may(account(allow(), topic=[all_but, allow(Principal={"AWS": GUEST})]), by=GUEST)


def test_case_counts_in_resources_and_not_in_actions_and_wildcards_stay_in_their_part() -> None:
    assert may(account(allow("SNS:publish")))
    assert may(account(allow("sns:Pub*")))
    assert may(account(allow("sns:Publis?")))
    assert not may(account(allow(on=TOPIC.upper())))
    assert may(account(allow(on="arn:aws:sns:*:*:new?")))
    assert not may(account(allow(on="arn:aws:sns:*:news")))
    objects = allow("s3:GetObject", [f"{BUCKET}/raw/*", f"{BUCKET}/runs/*"])
    assert may(account(objects), "s3:GetObject", f"{BUCKET}/raw/a/b")
    assert not may(account(objects), "s3:GetObject", f"{BUCKET}/models/a")
    assert not may(account(allow("s3:GetObject", BUCKET)), "s3:GetObject", f"{BUCKET}/raw/a")
    brackets = f"{BUCKET}/[a]"
    assert may(account(allow("s3:GetObject", brackets)), "s3:GetObject", brackets)
    assert not may(account(allow("s3:GetObject", brackets)), "s3:GetObject", f"{BUCKET}/a")
    denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [BUCKET, f"{BUCKET}/*"]}
    assert not may(account(objects, bucket=[denied]), "s3:GetObject", f"{BUCKET}/raw/a"), (
        "an object is under its bucket's policy"
    )


def test_policy_variables() -> None:
    mine = allow("s3:GetObject", f"{BUCKET}/${{aws:PrincipalTag/team}}/*")
    team: dict[str, Any] = {"aws__PrincipalTag/team": "red"}
    assert may(account(mine), "s3:GetObject", f"{BUCKET}/red/x", **team)
    assert not may(account(mine), "s3:GetObject", f"{BUCKET}/blue/x", **team)
    assert not may(account(mine), "s3:GetObject", f"{BUCKET}/red/x"), "without a value it matches nothing"
    star: dict[str, Any] = {"aws__PrincipalTag/team": "*"}
    assert not may(account(mine), "s3:GetObject", f"{BUCKET}/red/x", **star), "a value's wildcard is none"
    default = allow("s3:GetObject", f"{BUCKET}/${{aws:PrincipalTag/team, 'guests'}}/*")
    assert may(account(default), "s3:GetObject", f"{BUCKET}/guests/x")
    literal = allow("s3:GetObject", f"{BUCKET}/${{*}}")
    assert may(account(literal), "s3:GetObject", f"{BUCKET}/*")
    assert not may(account(literal), "s3:GetObject", f"{BUCKET}/x")


@pytest.mark.parametrize(
    ("block", "holds"),
    [
        ({"StringEquals": {"k": "a"}}, True),
        ({"StringEquals": {"K": ["x", "a"]}}, True),
        ({"StringEquals": {"k": "A"}}, False),
        ({"StringEqualsIgnoreCase": {"k": "A"}}, True),
        ({"StringEquals": {"k": "a*"}}, False),
        ({"StringLike": {"k": "a*"}}, True),
        ({"StringNotEquals": {"k": ["x", "a"]}}, False),
        ({"StringNotEquals": {"k": ["x", "y"]}}, True),
        ({"StringNotLike": {"k": "a*"}}, False),
        ({"StringEquals": {"none": "a"}}, False),
        ({"StringNotEquals": {"none": "a"}}, True),
        ({"StringEqualsIfExists": {"none": "a"}}, True),
        ({"StringEqualsIfExists": {"k": "b"}}, False),
        ({"Null": {"none": "true"}}, True),
        ({"Null": {"none": True}}, True),
        ({"Null": {"k": "true"}}, False),
        ({"Null": {"k": "false"}}, True),
        ({"Null": {"none": "false"}}, False),
        ({"Bool": {"yes": "true"}}, True),
        ({"Bool": {"yes": False}}, False),
        ({"NumericLessThan": {"n": 1.3}}, True),
        ({"NumericLessThan": {"n": "1.2"}}, False),
        ({"NumericGreaterThanEquals": {"n": "1.2"}}, True),
        ({"NumericNotEquals": {"n": "1.2"}}, False),
        ({"ArnLike": {"arn": f"arn:aws:sns:*:{HERE}:*"}}, True),
        ({"ArnEquals": {"arn": f"arn:aws:sns:*:{HERE}:*"}}, True),
        ({"ArnLike": {"arn": "arn:aws:sns:*:news"}}, False),
        ({"ArnNotLike": {"arn": f"arn:aws:sns:*:{THERE}:*"}}, True),
        ({"ForAnyValue:StringEquals": {"many": ["b", "c"]}}, True),
        ({"ForAnyValue:StringEquals": {"many": "c"}}, False),
        ({"ForAnyValue:StringEquals": {"none": "c"}}, False),
        ({"ForAllValues:StringEquals": {"many": ["a", "b", "c"]}}, True),
        ({"ForAllValues:StringEquals": {"many": ["b", "c"]}}, False),
        ({"ForAllValues:StringEquals": {"none": "c"}}, True),
        ({"ForAllValues:StringLike": {"many": "?"}}, True),
        ({"StringEquals": {"k": "a"}, "Bool": {"yes": "true"}}, True),
        ({"StringEquals": {"k": "a", "yes": "no"}}, False),
    ],
)
def test_operators(block: dict[str, Any], holds: bool) -> None:
    context = {"k": "a", "yes": "true", "n": "1.2", "arn": TOPIC, "many": ["a", "b"]}
    assert hold(block, context) is holds


def test_what_is_not_known_is_no_silent_answer() -> None:
    with pytest.raises(ValueError, match="DateGreaterThan"):
        hold({"DateGreaterThan": {"k": "2026-01-01T00:00:00Z"}}, {"k": "a"})
    with pytest.raises(ValueError, match="needs ForAnyValue"):
        hold({"StringEquals": {"many": "a"}}, {"many": ["a"]})
