"""A role whose rights are named one by one; where a resource ends in a wildcard, the reason for it stands on its policy."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.waivers import finding, imported, waive

# What DynamoDB, Kinesis and S3 may ask of a key in a caller's name.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
KEY_ACTIONS = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
# The resources that a service may take on a role for, where it names them: no other AWS account can make it do so.
_SOURCES: Mapping[str, str] = {
    # https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
    "states": "stateMachine:*",
    # The group, never the schedule: https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    "scheduler": "schedule-group/default",
    # https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
    "sagemaker": "training-job/*",
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/cross-service-confused-deputy-prevention.html
    "events": "rule/*",
}
TABLES_REASON = "Tables are made from contracts while the platform runs, so only their database is known."


class PlatformRole(iam.Role):
    """Rights on named resources are in one policy; each right with a wildcard is in a policy of its own, below the role.

    So whatever depends on the role is made after all of its rights.
    """

    def __init__(self, scope: Construct, service: str) -> None:
        """Makes the role of a service, such as `lambda`, without any right."""
        super().__init__(
            scope,
            "Role",
            assumed_by=iam.ServicePrincipal(f"{service}.amazonaws.com", conditions=_only_ours(service)),
        )

    def allow(
        self, *actions: str, on: Sequence[str], conditions: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Allows named actions on named resources.

        Raises:
            ValueError: an action or a resource has a wildcard.
        """
        wild = [text for text in (*actions, *on) if "*" in text]
        if wild:
            raise ValueError(f"{self.node.path}: {', '.join(wild)} needs a reason: allow_wildcard")
        self.add_to_policy(
            iam.PolicyStatement(actions=list(actions), resources=list(on), conditions=conditions)
        )

    def allow_wildcard(
        self,
        construct_id: str,
        *actions: str,
        on: str,
        reason: str,
        conditions: Mapping[str, Mapping[str, Any]] | None = None,
        shown: str | None = None,
    ) -> None:
        """Allows named actions on a resource with a wildcard, as a policy of its own.

        Args:
            construct_id: of the policy.
            actions: named, without a wildcard.
            on: the resource; `*` for actions that take none.
            reason: why it cannot be named.
            conditions: that narrow it.
            shown: the resource as cdk-nag reports it, if that is not the ARN itself.
        """
        statement = iam.PolicyStatement(actions=list(actions), resources=[on], conditions=conditions)
        policy = iam.Policy(self, construct_id, statements=[statement])
        policy.attach_to_role(self)
        waive(policy, "IAM5", reason, finding=f"Resource::{shown or finding(self, on)}")

    def allow_listing(self, bucket: s3.IBucket, prefixes: Sequence[str]) -> None:
        """Allows the listing of what is below prefixes of a bucket.

        Whoever reads there needs it too: without it S3's answer for an object that does not exist is 403 instead of 404. For
        that S3 takes the object's key as the prefix.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        """
        # A prefix in a condition, so the resource itself is named.
        self.allow(
            "s3:ListBucket",
            on=[bucket.bucket_arn],
            conditions={"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}},
        )

    def allow_objects(self, *actions: str, bucket: s3.IBucket, prefix: str, reason: str) -> None:
        """Allows named actions on the objects below a prefix of a bucket of another stack."""
        name = "".join(part.capitalize() for part in prefix.replace("-", "/").replace("_", "/").split("/"))
        self.allow_wildcard(
            name,
            *actions,
            on=bucket.arn_for_objects(f"{prefix}*"),
            reason=reason,
            shown=f"{imported(bucket)}/{prefix}*",
        )

    def allow_tables(self, *actions: str, databases: Sequence[str]) -> None:
        """Allows Glue's actions on the catalog, on databases, and on whatever tables are in these."""
        catalog = f"arn:{Aws.PARTITION}:glue:{Aws.REGION}:{Aws.ACCOUNT_ID}"
        self.allow(*actions, on=[f"{catalog}:catalog", *(f"{catalog}:database/{name}" for name in databases)])
        verb = actions[0].partition(":")[2] if len(actions) == 1 else ""
        for name in databases:
            flat = "".join(part.capitalize() for part in name.split("_"))
            self.allow_wildcard(
                f"{flat}Tables{verb}", *actions, on=f"{catalog}:table/{name}/*", reason=TABLES_REASON
            )

    def allow_key(self, key: kms.IKey, *actions: str, through: Sequence[str]) -> None:
        """Allows the use of a key by calls of these services in this role's name, and nothing else."""
        services = [f"{service}.{Stack.of(self).region}.amazonaws.com" for service in through]
        self.allow(
            *(actions or KEY_ACTIONS),
            on=[key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": services}},
        )


def source(service: str, resource: str) -> dict[str, dict[str, str]]:
    """Conditions for a grant to a service: only for these of its resources, and of this AWS account and region.

    Args:
        service: as ARNs name it, such as `cloudwatch`.
        resource: the rest of the ARN, perhaps with a wildcard.
    """
    return {
        "ArnLike": {
            "aws:SourceArn": f"arn:{Aws.PARTITION}:{service}:{Aws.REGION}:{Aws.ACCOUNT_ID}:{resource}"
        },
        "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
    }


def _only_ours(service: str) -> dict[str, dict[str, str]]:
    return source(service, _SOURCES[service]) if service in _SOURCES else {}
