"""The role in which Glue's optimizers keep the lake's tables in shape; commits make them, a table at a time."""

from collections.abc import Sequence

from aws_cdk import Aws
from constructs import Construct

from millrace.core.prefixes import CURATED, PROCESSED
from stacks.constructs.platform_role import PlatformRole
from stacks.storage import StorageStack

FILES_REASON = (
    "An optimizer rewrites the files of whichever tables there are, below the folders of the layers."
)


class TableOptimizers(Construct):
    """What AWS asks for: https://docs.aws.amazon.com/glue/latest/dg/optimization-prerequisites.html."""

    def __init__(
        self, scope: Construct, construct_id: str, *, storage: StorageStack, databases: Sequence[str]
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = PlatformRole(self, "glue")
        self.role.allow_tables("glue:GetTable", "glue:UpdateTable", databases=databases)
        self.role.allow("s3:ListBucket", on=[storage.lake.bucket_arn])
        for prefix in (PROCESSED, CURATED):
            self.role.allow_objects(
                "s3:DeleteObject",
                "s3:GetObject",
                "s3:PutObject",
                bucket=storage.lake,
                prefix=prefix,
                reason=FILES_REASON,
            )
        self.role.allow_key(storage.data_key, "kms:Decrypt", "kms:GenerateDataKey", through=("s3",))
        logs = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:/aws-glue/iceberg"
        kinds = ("compaction", "retention", "orphan-file-deletion")
        for kind in kinds:
            self.role.allow_wildcard(
                f"{kind.title().replace('-', '')}Logs",
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:PutLogEvents",
                on=f"{logs}-{kind}/logs:*",
                reason="The ARN of a log group ends in a wildcard, and Glue names the streams in it.",
            )
