"""The role in which Glue's optimizers keep the lake's tables in shape; commits make them, a table at a time."""

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from millrace.core.prefixes import CURATED, PROCESSED
from stacks.constructs.platform_function import PlatformFunction, imported
from stacks.constructs.waivers import waive

TABLES_REASON = "Tables are made from contracts while the platform runs, so only their database is known."
FILES_REASON = (
    "An optimizer rewrites the files of whichever tables there are, below the folders of the layers."
)


class TableOptimizers(Construct):
    """What AWS asks for: https://docs.aws.amazon.com/glue/latest/dg/optimization-prerequisites.html."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        lake: s3.IBucket,
        key: kms.IKey,
        databases: Sequence[str],
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("glue.amazonaws.com"))
        catalog = f"arn:{Aws.PARTITION}:glue:{Aws.REGION}:{Aws.ACCOUNT_ID}"
        tables = ["glue:GetTable", "glue:UpdateTable"]
        self._allow(
            "Catalog", tables, [f"{catalog}:catalog", *(f"{catalog}:database/{name}" for name in databases)]
        )
        for name in databases:
            policy = self._allow(
                f"{name.title().replace('_', '')}Tables", tables, [f"{catalog}:table/{name}/*"]
            )
            finding = f"Resource::arn:<AWS::Partition>:glue:<AWS::Region>:<AWS::AccountId>:table/{name}/*"
            waive(policy, "IAM5", TABLES_REASON, finding=finding)
        self._allow("Bucket", ["s3:ListBucket"], [lake.bucket_arn])
        for prefix in (PROCESSED, CURATED):
            policy = self._allow(
                f"{prefix.strip('/').title()}Files",
                ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
                [lake.arn_for_objects(f"{prefix}*")],
            )
            waive(policy, "IAM5", FILES_REASON, finding=f"Resource::{imported(lake)}/{prefix}*")
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=[key.key_arn],
                conditions={"StringEquals": {"kms:ViaService": [f"s3.{Aws.REGION}.amazonaws.com"]}},
            )
        )
        logs = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:/aws-glue/iceberg"
        kinds = ("compaction", "retention", "orphan-file-deletion")
        self._allow("LogGroups", ["logs:CreateLogGroup"], [f"{logs}-{kind}/logs" for kind in kinds])
        for kind in kinds:
            policy = self._allow(
                f"{kind.title().replace('-', '')}Logs",
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                [f"{logs}-{kind}/logs:*"],
            )
            finding = "Resource::arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:log-group:/aws-glue/iceberg"
            waive(
                policy,
                "IAM5",
                "Glue names the streams of its log groups.",
                finding=f"{finding}-{kind}/logs:*",
            )

    def let_make(self, function: PlatformFunction, databases: Sequence[str]) -> None:
        """Lets a function make optimizers that work in this role."""
        function.allow_tables("glue:CreateTableOptimizer", databases=databases, reason=TABLES_REASON)
        function.allow("iam:PassRole", on=[self.role.role_arn])

    def _allow(self, construct_id: str, actions: Sequence[str], resources: Sequence[str]) -> iam.Policy:
        statement = iam.PolicyStatement(actions=list(actions), resources=list(resources))
        policy = iam.Policy(self, construct_id, statements=[statement])
        policy.attach_to_role(self.role)
        return policy
