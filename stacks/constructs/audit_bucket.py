"""The bucket of the audit's anchors, where these are locked: nobody can change or delete one before its time is over."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.bucket_keys import refuse_other_keys
from stacks.constructs.waivers import waive


class AuditBucket(Construct):
    """A bucket of its own: Object Lock is a property of a whole bucket, and the lake's is cleared by age."""

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey, years: int) -> None:
        """`years`: how long an object is kept from everybody, the account's own root user included."""
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            versioned=True,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            object_lock_enabled=True,
            object_lock_default_retention=s3.ObjectLockRetention.compliance(
                Duration.days(years * 365 + years // 4 + 1)
            ),
            removal_policy=RemovalPolicy.RETAIN,
        )
        refuse_other_keys(self.bucket, key)
        waive(self.bucket, "S1", "It takes one object a day, and each is named by a line of the audit.")
