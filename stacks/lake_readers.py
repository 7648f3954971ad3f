"""People who read the lake with Athena: roles that cannot read its objects, and see what Lake Formation grants them.

A reader is one role of ours in one tenant. It sees the rows of the tenant, and the columns that the policies show to the role: those that are
public or internal, and tokens in the place of confidential values. Nothing else reads the lake for people; `millrace query` is the other way.

The lake is registered in hybrid access mode: the platform's own functions go on by their rights of IAM, and Lake Formation decides about those
alone who were opted in (https://docs.aws.amazon.com/lake-formation/latest/dg/hybrid-access-mode.html). CloudFormation cannot opt in. Before
somebody does it with the command in the stack's output, a reader reads nothing, because it has no right to any object.
"""

from functools import cache
from pathlib import Path

from aws_cdk import App, Aws, CfnOutput, Duration, Stack
from aws_cdk import aws_athena as athena
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lakeformation as lakeformation
from constructs import Construct

from millrace.access import bi
from millrace.access.cedar import Policies
from millrace.compiler.event_contracts import compile_contracts
from millrace.compiler.golden_rights import Dataset, datasets
from millrace.compiler.lake_formation import TableGrant, grants
from millrace.compiler.policies import compile_policies
from millrace.compiler.table_contracts import compile_tables
from millrace.contracts.tables import silver_table
from millrace.core.prefixes import CURATED, PROCESSED
from millrace.iceberg.layout import database
from stacks.constructs.waivers import finding, imported, waive
from stacks.settings_parts import LakeReader
from stacks.storage import StorageStack

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"
TABLES = (PROCESSED, CURATED)
GLUE_READS = (
    "glue:GetDatabase",
    "glue:GetDatabases",
    "glue:GetTable",
    "glue:GetTables",
    "glue:GetPartitions",
)
ATHENA = (
    "athena:StartQueryExecution",
    "athena:StopQueryExecution",
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
    "athena:GetQueryResultsStream",
    "athena:GetWorkGroup",
    "athena:ListQueryExecutions",
)


def lake_readers(app: App, *, storage: StorageStack) -> list[Stack]:
    """The stacks of an environment's readers, behind one that registers the lake; none without readers."""
    settings = storage.settings
    if not settings.lake_readers:
        return []
    registered = LakeRegistration(app, f"millrace-{settings.name}-lake-registration", storage=storage)
    readers = [
        LakeReaderStack(app, f"millrace-{settings.name}-reader-{one.name}", storage=storage, reader=one)
        for one in settings.lake_readers
    ]
    for stack in readers:
        stack.add_stack_dependency(registered)
    return [registered, *readers]


class LakeRegistration(Stack):
    """The tables of the lake as Lake Formation reads them, in the name of those whom it has granted something; a workgroup a tenant."""

    def __init__(self, scope: Construct, construct_id: str, *, storage: StorageStack) -> None:
        super().__init__(scope, construct_id)
        role = iam.Role(
            self, "Role", assumed_by=iam.ServicePrincipal("lakeformation.amazonaws.com", conditions=_ours())
        )
        policy = iam.Policy(
            self,
            "Tables",
            statements=[
                iam.PolicyStatement(
                    actions=["s3:GetObject"],
                    resources=[storage.lake.arn_for_objects(f"{one}*") for one in TABLES],
                ),
                iam.PolicyStatement(
                    actions=["s3:ListBucket"],
                    resources=[storage.lake.bucket_arn],
                    conditions={"StringLike": {"s3:prefix": [f"{one}*" for one in TABLES]}},
                ),
                iam.PolicyStatement(actions=["kms:Decrypt"], resources=[storage.data_key.key_arn]),
            ],
        )
        policy.attach_to_role(role)
        for one in TABLES:
            where = f"{imported(storage.lake)}/{one}*"
            waive(
                policy,
                "IAM5",
                "Files of tables are made while the platform runs.",
                finding=f"Resource::{where}",
            )
            registered = lakeformation.CfnResource(
                self,
                one.strip("/").capitalize(),
                resource_arn=storage.lake.arn_for_objects(one.strip("/")),
                use_service_linked_role=False,
                role_arn=role.role_arn,
                hybrid_access_enabled=True,
            )
            registered.node.add_dependency(policy)
        for org in sorted({one.org for one in storage.settings.lake_readers}):
            self._workgroup(storage.settings.name, org)

    def _workgroup(self, environment: str, org: str) -> None:
        """Of a tenant. Its results are kept by Athena itself, so that nobody needs a bucket for them."""
        made = athena.CfnWorkGroup(
            self,
            f"Workgroup-{org}",
            name=bi.workgroup(environment, org),
            description=f"Queries of people of {org}.",
            recursive_delete_option=True,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=False,
                managed_query_results_configuration=athena.CfnWorkGroup.ManagedQueryResultsConfigurationProperty(
                    enabled=True
                ),
            ),
        )
        waive(made, "ATH1", "Athena's managed results are encrypted with a key of AWS, and gone after a day.")


class LakeReaderStack(Stack):
    """A role of IAM, and what Lake Formation grants to it."""

    def __init__(
        self, scope: Construct, construct_id: str, *, storage: StorageStack, reader: LakeReader
    ) -> None:
        super().__init__(scope, construct_id)
        self._environment, self._reader = storage.settings.name, reader
        found, in_force = _lake()
        granted = grants(reader.role, reader.org, found, in_force)
        self._role = iam.Role(
            self,
            "Role",
            # By this name `POST /v1/bi-credentials` finds it.
            role_name=bi.role_name(self._environment, reader.org, reader.role),
            assumed_by=self._people(),
            max_session_duration=Duration.hours(1),
            description=f"Reads what a {reader.role} of {reader.org} sees of the lake, with Athena.",
        )
        layers = sorted({one.layer for one in granted})
        self._allow(layers, bi.workgroup(self._environment, reader.org))
        for layer in layers:
            self._grant(
                f"Describe{layer.title().replace('_', '')}",
                lakeformation.CfnPrincipalPermissions.ResourceProperty(
                    database=lakeformation.CfnPrincipalPermissions.DatabaseResourceProperty(
                        catalog_id=Aws.ACCOUNT_ID, name=database(self._environment, layer)
                    )
                ),
                "DESCRIBE",
            )
        for one in granted:
            self._cells(one)
        CfnOutput(self, "ReaderRole", value=self._role.role_arn)
        for layer in layers:
            CfnOutput(
                self,
                f"OptIn{layer.title().replace('_', '')}",
                description="Run once: from then on Lake Formation decides about the role in this database.",
                value="aws lakeformation create-lake-formation-opt-in "
                f"--principal DataLakePrincipalIdentifier={self._role.role_arn} "
                f"--resource Database={{Name={database(self._environment, layer)}}}",
            )

    def _people(self) -> iam.IPrincipal:
        """Those who may take the role on: a role that people have already, or the functions behind the API, of which one may."""
        if self._reader.assumed_by is not None:
            return iam.ArnPrincipal(self._reader.assumed_by)
        functions = f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:role/millrace-{self._environment}-ingestion-*"
        return iam.AccountRootPrincipal().with_conditions({"ArnLike": {"aws:PrincipalArn": functions}})

    def _allow(self, layers: list[str], workgroup: str) -> None:
        here = f"arn:{Aws.PARTITION}:%s:{Aws.REGION}:{Aws.ACCOUNT_ID}:"
        databases = [database(self._environment, one) for one in layers]
        self._role.add_to_policy(
            iam.PolicyStatement(actions=[*ATHENA], resources=[f"{here % 'athena'}workgroup/{workgroup}"])
        )
        self._role.add_to_policy(
            iam.PolicyStatement(
                actions=[*GLUE_READS],
                resources=[
                    f"{here % 'glue'}catalog",
                    *(f"{here % 'glue'}database/{one}" for one in databases),
                    *(f"{here % 'glue'}table/{one}/*" for one in databases),
                ],
            )
        )
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslakeformation.html
        self._role.add_to_policy(
            iam.PolicyStatement(actions=["lakeformation:GetDataAccess"], resources=["*"])
        )
        waive(
            self._role,
            "IAM5",
            "The right to ask Lake Formation takes no resource; Lake Formation decides about each table.",
            finding="Resource::*",
        )
        for one in databases:
            tables = f"{here % 'glue'}table/{one}/*"
            waive(
                self._role,
                "IAM5",
                "Tables are made while the platform runs; what of them is shown is Lake Formation's to say.",
                finding=f"Resource::{finding(self, tables)}",
            )

    def _cells(self, one: TableGrant) -> None:
        name = f"{one.layer}_{one.table}"
        cells = lakeformation.CfnDataCellsFilter(
            self,
            f"Cells-{name}",
            table_catalog_id=Aws.ACCOUNT_ID,
            database_name=database(self._environment, one.layer),
            table_name=one.table,
            name=self._reader.name,
            column_names=list(one.columns),
            row_filter=lakeformation.CfnDataCellsFilter.RowFilterProperty(filter_expression=one.rows),
        )
        permission = self._grant(
            f"Select-{name}",
            lakeformation.CfnPrincipalPermissions.ResourceProperty(
                data_cells_filter=lakeformation.CfnPrincipalPermissions.DataCellsFilterResourceProperty(
                    database_name=database(self._environment, one.layer),
                    name=self._reader.name,
                    table_catalog_id=Aws.ACCOUNT_ID,
                    table_name=one.table,
                )
            ),
            "SELECT",
        )
        permission.add_dependency(cells)

    def _grant(
        self,
        construct_id: str,
        resource: lakeformation.CfnPrincipalPermissions.ResourceProperty,
        permission: str,
    ) -> lakeformation.CfnPrincipalPermissions:
        return lakeformation.CfnPrincipalPermissions(
            self,
            construct_id,
            principal=lakeformation.CfnPrincipalPermissions.DataLakePrincipalProperty(
                data_lake_principal_identifier=self._role.role_arn
            ),
            resource=resource,
            permissions=[permission],
            permissions_with_grant_option=[],
        )


@cache
def _lake() -> tuple[list[Dataset], Policies]:
    tables = [*map(silver_table, compile_contracts(SCHEMAS)), *compile_tables(SCHEMAS)]
    compiled = compile_policies(SCHEMAS)
    return datasets(tables, {}), Policies(compiled["schema"], compiled["policies"])


def _ours() -> dict[str, dict[str, str]]:
    return {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
