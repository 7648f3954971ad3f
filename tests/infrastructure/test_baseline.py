"""The baseline of security on the templates of every environment: transport, keys, and nothing secret in them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from stacks.environment import ENVIRONMENTS
from tests.support.iam.deployment import ACCOUNT, Deployment
from tests.support.iam.evaluation import Account
from tests.support.iam.policy import Caller, Request
from tests.support.templates import NAMES, NETWORKED, Templates, as_list, templates

OVER_TLS = {"Bool": {"aws:SecureTransport": "false"}}
# What keeps data, and the property that says by which key.
ENCRYPTED = {
    "AWS::DynamoDB::Table": ("SSESpecification", "KMSMasterKeyId"),
    "AWS::Kinesis::Stream": ("StreamEncryption", "KeyId"),
}
# Policies that stand apart from what they are of: type, the property that names it, the policy's resource type.
POLICIES = {
    "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket"),
    "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues"),
    "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics"),
}
# What looks like a secret wherever it stands: https://docs.github.com/code-security/secret-scanning has more of these.
SECRETS = {
    "a key of ours": re.compile(r"\bm[kt]_[A-Za-z0-9_-]{43}"),
    "an access key of AWS": re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a signed token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."),
    "a password in an address": re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@\"]+:[^/\s:@\"]+@"),
}
# A name of a variable or a parameter that would hold one; those that name where a secret is kept are none.
_NAMED = re.compile(r"(PASSWORD|SECRET|PRIVATE_KEY|API_KEY|TOKEN)$")


@pytest.fixture(params=[*NAMES, NETWORKED])
def every(request: pytest.FixtureRequest) -> Templates:
    """Each environment in turn, and one whose functions are in a network."""
    return templates(request.param)


def refusals(every: Templates, kind: str, name: str) -> Iterator[Any]:
    policy, names = POLICIES[kind]
    for one in every.resources(policy).values():
        if any({"Ref": name} == said for said in as_list(one["Properties"][names])):
            for statement in one["Properties"]["PolicyDocument"]["Statement"]:
                if statement["Effect"] == "Deny":
                    yield statement.get("Condition")


@pytest.mark.parametrize("kind", POLICIES)
def test_every_bucket_queue_and_topic_refuses_plain_http(every: Templates, kind: str) -> None:
    assert every.resources(kind)
    for name in every.resources(kind):
        assert OVER_TLS in list(refusals(every, kind, name)), name


def test_every_bucket_wants_tls_1_2_and_is_closed_to_the_public(every: Templates) -> None:
    for name, bucket in every.resources("AWS::S3::Bucket").items():
        conditions = list(refusals(every, "AWS::S3::Bucket", name))
        assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in conditions, name
        assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}, name


ENCRYPTION, KEY = "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"
STRANGERS = "arn:aws:kms:us-east-1:999999999999:key/theirs"
# What a put may ask for, as S3 tells it to a bucket's policy, and whether a bucket of ours takes it. `ours`: the bucket's own key.
PUTS: dict[str, tuple[dict[str, str], bool]] = {
    "nothing": ({}, True),
    "the bucket's key": ({ENCRYPTION: "aws:kms", KEY: "ours"}, True),
    "another key": ({ENCRYPTION: "aws:kms", KEY: STRANGERS}, False),
    "a key of KMS, unnamed": ({ENCRYPTION: "aws:kms"}, False),
    "S3's own keys": ({ENCRYPTION: "AES256"}, False),
    "two layers": ({ENCRYPTION: "aws:kms:dsse", KEY: "ours"}, False),
    "a key of its caller's": ({"s3:x-amz-server-side-encryption-customer-algorithm": "AES256"}, False),
}


@pytest.mark.parametrize("asked", PUTS)
def test_every_bucket_refuses_objects_under_another_key_than_its_own(every: Templates, asked: str) -> None:
    """Also of somebody who may put whatever they like; nothing that is asked for is the bucket's own key."""
    deployed = Deployment(every)
    anybody = f"arn:aws:iam::{ACCOUNT}:role/anybody"
    may = {"Statement": {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}}
    account = Account(ACCOUNT, {anybody: [may]}, deployed.account.resources)
    for bucket in deployed.of("AWS::S3::Bucket"):
        keys, taken = PUTS[asked]
        key = deployed.key_of(bucket.arn)
        if key is None:
            # Of S3's access logs, which S3 delivers to no bucket under a key of KMS.
            assert "AccessLogs" in bucket.id
            taken = asked in {"nothing", "S3's own keys"}
        keys = {name: key or STRANGERS if value == "ours" else value for name, value in keys.items()}
        put = Request(Caller(anybody), "s3:PutObject", f"{bucket.arn}/raw/x", keys)
        assert account.allows(put) is taken, bucket.id


def test_stores_are_under_a_key_of_ours(every: Templates) -> None:
    for kind, (block, field) in ENCRYPTED.items():
        for name, one in every.resources(kind).items():
            assert "DataKey" in json.dumps(one["Properties"][block][field]), name
    for name, bucket in every.resources("AWS::S3::Bucket").items():
        (rule,) = bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        chosen = rule["ServerSideEncryptionByDefault"]
        if "AccessLogs" in name:
            assert chosen == {"SSEAlgorithm": "AES256"}, (
                "S3 delivers its logs to no bucket under a key of KMS"
            )
        else:
            assert "DataKey" in json.dumps(chosen["KMSMasterKeyID"]), name
    for name, topic in every.resources("AWS::SNS::Topic").items():
        assert "DataKey" in json.dumps(topic["Properties"]["KmsMasterKeyId"]), name
    for name, queue in every.resources("AWS::SQS::Queue").items():
        assert queue["Properties"].get("SqsManagedSseEnabled") or queue["Properties"].get("KmsMasterKeyId"), (
            name
        )


def test_keys_change_each_year_and_are_one_for_each_class_of_data(every: Templates) -> None:
    keys = every.resources("AWS::KMS::Key")
    assert {name.rstrip("0123456789ABCDEF") for name in keys} >= {"DataKey", "TenantKey"} or len(keys) >= 2
    for name, key in keys.items():
        if key["Properties"].get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT":
            assert key["Properties"]["EnableKeyRotation"] is True, name


def test_the_gateway_speaks_https_only(every: Templates) -> None:
    """Its own domain takes TLS 1.2 and newer, and nothing else; a domain of one's own would have to say so."""
    for domain in every.resources("AWS::ApiGatewayV2::DomainName").values():
        for one in domain["Properties"]["DomainNameConfigurations"]:
            assert one["SecurityPolicy"] == "TLS_1_2"
    for api in every.resources("AWS::ApiGatewayV2::Api").values():
        assert api["Properties"]["ProtocolType"] == "HTTP"
        # It would replace the headers that answers carry.
        assert "CorsConfiguration" not in api["Properties"]


def texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, one in value.items():
                yield str(name)
                yield from texts(one)
        case list():
            for one in value:
                yield from texts(one)


def test_no_template_holds_a_secret(every: Templates) -> None:
    for stack, template in every.stacks.items():
        whole = "\n".join(texts(template))
        for what, pattern in SECRETS.items():
            assert pattern.search(whole) is None, (stack, what)


def test_no_variable_of_a_function_is_a_secret(every: Templates) -> None:
    for stem, function in every.functions().items():
        for name, value in function["Properties"]["Environment"]["Variables"].items():
            assert _NAMED.search(name) is None, (stem, name)
            text = value if isinstance(value, str) else json.dumps(value)
            assert not any(pattern.search(text) for pattern in SECRETS.values()), (stem, name)


@pytest.mark.parametrize(
    "planted",
    [
        "Bearer mk_" + "a" * 43,
        "AKIA" + "A" * 16,
        "-----BEGIN RSA PRIVATE KEY-----",
        "eyJhbGciOiJIUzI1NiJ9x.eyJzdWIiOiIxMjM0NX0x.c2ln",
        "postgres://app:hunter2@db.example/x",
    ],
)
def test_a_planted_secret_is_found(planted: str) -> None:
    assert any(pattern.search(planted) for pattern in SECRETS.values())


def test_settings_take_no_password() -> None:
    fields = {name.upper() for name in type(ENVIRONMENTS["prod"]).model_fields}
    assert not any(_NAMED.search(name) for name in fields)
