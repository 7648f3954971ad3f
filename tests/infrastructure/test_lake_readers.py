"""Roles of people who read the lake with Athena: no object of it, one tenant's rows, and the columns that the policies show."""

from typing import Any

import pytest
from pydantic import ValidationError

from millrace.access import bi
from millrace.compiler import golden_rights
from millrace.compiler.golden_rights import COLUMNS, GOLDEN
from stacks.environment import ENVIRONMENTS
from stacks.omissions import Omission
from stacks.settings_parts import LakeReader
from tests.support.contracts import SCHEMAS
from tests.support.templates import Templates, as_list

BY = "arn:aws:iam::111122223333:role/people"
ANALYST = LakeReader(name="acme-analysts", org="org_acme", role="analyst", assumed_by=BY)
ENGINEER = LakeReader(name="acme-engineers", org="org_acme", role="data-engineer")


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Templates of dev with two readers, by stack, with cdk-nag's checks on."""
    from aws_cdk import Validations
    from cdk_nag import AwsSolutionsChecks

    from stacks.application import new_app
    from stacks.lake_readers import lake_readers
    from stacks.storage import StorageStack

    app = new_app(str(tmp_path_factory.mktemp("readers")))
    settings = ENVIRONMENTS["dev"].model_copy(update={"lake_readers": (ANALYST, ENGINEER)})
    storage = StorageStack(app, "millrace-dev-storage", settings=settings)
    assert len(lake_readers(app, storage=storage)) == 3
    Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
    return {stack.stack_name: stack.template for stack in app.synth().stacks}


def of_kind(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in template["Resources"].values() if one["Type"] == kind]


def statements(template: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        statement
        for policy in of_kind(template, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def test_no_role_of_people_reads_an_object_of_the_lake(stacks: dict[str, dict[str, Any]]) -> None:
    for reader in (ANALYST, ENGINEER):
        template = stacks[f"millrace-dev-reader-{reader.name}"]
        actions = {action for one in statements(template) for action in as_list(one["Action"])}
        assert {action.partition(":")[0] for action in actions} == {"athena", "glue", "lakeformation"}
        assert not [action for action in actions if "*" in action]
        assert not [one for one in actions if one.startswith("glue:") and not one.startswith("glue:Get")]
        (role,) = of_kind(template, "AWS::IAM::Role")
        assert role["MaxSessionDuration"] == 3600
        (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert role["RoleName"] == bi.role_name("dev", reader.org, reader.role)
        if reader.assumed_by:
            assert trusted["Principal"] == {"AWS": BY}
        else:
            assert "role/millrace-dev-ingestion-*" in str(trusted["Condition"]["ArnLike"]["aws:PrincipalArn"])


@pytest.mark.parametrize("reader", [ANALYST, ENGINEER])
def test_a_reader_is_granted_the_rows_of_its_tenant_in_the_columns_of_its_role(
    stacks: dict[str, dict[str, Any]], reader: LakeReader
) -> None:
    template = stacks[f"millrace-dev-reader-{reader.name}"]
    cells = of_kind(template, "AWS::LakeFormation::DataCellsFilter")
    granted = {
        f"{one['DatabaseName'].removeprefix('millrace_dev_')}.{one['TableName']}": one for one in cells
    }
    wanted: dict[str, set[str]] = {}
    for line in golden_rights.read(SCHEMAS / GOLDEN / COLUMNS):
        if line[reader.role] != "absent" and not line["dataset"].startswith(("raw.", "staging.")):
            wanted.setdefault(line["dataset"], set()).update(line["columns"].split())
    assert {name: set(one["ColumnNames"]) for name, one in granted.items()} == wanted
    assert {one["RowFilter"]["FilterExpression"] for one in cells} == {"org_id = 'org_acme'"}
    permissions = of_kind(template, "AWS::LakeFormation::PrincipalPermissions")
    assert {tuple(one["Permissions"]) for one in permissions} == {("SELECT",), ("DESCRIBE",)}
    selected = [one["Resource"] for one in permissions if one["Permissions"] == ["SELECT"]]
    assert {one["DataCellsFilter"]["TableName"] for one in selected} == {one["TableName"] for one in cells}
    assert all("Table" not in one["Resource"] for one in permissions), "a whole table is granted to nobody"
    assert all(one["PermissionsWithGrantOption"] == [] for one in permissions)


def test_the_lake_stays_open_to_the_platform_itself(stacks: dict[str, dict[str, Any]]) -> None:
    template = stacks["millrace-dev-lake-registration"]
    registered = of_kind(template, "AWS::LakeFormation::Resource")
    assert len(registered) == 2
    assert all(one["HybridAccessEnabled"] is True for one in registered)
    actions = {action for one in statements(template) for action in as_list(one["Action"])}
    assert actions == {"s3:GetObject", "s3:ListBucket", "kms:Decrypt"}
    assert "raw" not in str(statements(template)), "raw holds documents of any class"


def test_results_are_in_no_bucket_that_others_read(stacks: dict[str, dict[str, Any]]) -> None:
    (workgroup,) = of_kind(stacks["millrace-dev-lake-registration"], "AWS::Athena::WorkGroup")
    assert workgroup["Name"] == bi.workgroup("dev", "org_acme")
    configuration = workgroup["WorkGroupConfiguration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["ManagedQueryResultsConfiguration"] == {"Enabled": True}
    assert "ResultConfiguration" not in configuration


def test_without_readers_nothing_is_deployed_for_them(every: Templates) -> None:
    assert not every.resources("AWS::LakeFormation::Resource")
    assert ENVIRONMENTS[every.environment].omits(Omission.LAKE_FORMATION) is (every.environment == "local")


@pytest.mark.parametrize(
    "given",
    [{"role": "auditor"}, {"role": "creator"}, {"org": "org'; --"}, {"assumed_by": "*"}, {"name": "a b"}],
)
def test_a_reader_that_could_see_more_is_none(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        LakeReader.model_validate({**ANALYST.model_dump(), **given})
