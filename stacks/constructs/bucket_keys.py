"""Policies of buckets that refuse objects under another key than the bucket's own.

A bucket's default key is for puts that say nothing. One that names another key, S3's own keys or a key of its caller's would be taken, and
whoever holds that key then decides who reads the object, and whether anybody can.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#require-sse-kms
"""

from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

ALGORITHM = "s3:x-amz-server-side-encryption"
KEY = "s3:x-amz-server-side-encryption-aws-kms-key-id"
CALLERS_KEY = "s3:x-amz-server-side-encryption-customer-algorithm"


def refuse_other_keys(bucket: s3.Bucket, key: kms.IKey) -> None:
    """Refuses puts that ask for anything but the bucket's key of KMS, by its ARN; those that ask for nothing get it by default."""
    refused: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
        # Where a key of a condition is missing, a negated operator holds: that there is one is asked beside it.
        "RefuseOtherEncryption": {"StringNotEquals": {ALGORITHM: "aws:kms"}, "Null": {ALGORITHM: "false"}},
        # S3 takes its own key of KMS for a put that asks for one and names none.
        "RefuseUnnamedKeys": {"StringEquals": {ALGORITHM: "aws:kms"}, "Null": {KEY: "true"}},
        "RefuseOtherKeys": {"StringNotEquals": {KEY: key.key_arn}, "Null": {KEY: "false"}},
        "RefuseKeysOfCallers": {"Null": {CALLERS_KEY: "false"}},
    }
    for sid, conditions in refused.items():
        _refuse_puts(bucket, sid, conditions)


def refuse_kms(bucket: s3.Bucket) -> None:
    """Refuses puts under any key but S3's own, for a bucket to which S3 delivers; S3 itself is not asked."""
    ours = {"Bool": {"aws:PrincipalIsAWSService": "false"}}
    other = {"StringNotEquals": {ALGORITHM: "AES256"}, "Null": {ALGORITHM: "false"}}
    _refuse_puts(bucket, "RefuseOtherEncryption", {**other, **ours})
    _refuse_puts(bucket, "RefuseKeysOfCallers", {"Null": {CALLERS_KEY: "false"}, **ours})


def _refuse_puts(bucket: s3.Bucket, sid: str, conditions: Mapping[str, Mapping[str, Any]]) -> None:
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            sid=sid,
            effect=iam.Effect.DENY,
            principals=[iam.StarPrincipal()],
            actions=["s3:PutObject"],
            resources=[bucket.arn_for_objects("*")],
            conditions=conditions,
        )
    )
