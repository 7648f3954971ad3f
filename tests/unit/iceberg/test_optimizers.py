"""Glue's optimizers, against botocore's model of the calls; no emulator has them."""

from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber

from millrace.iceberg import optimizers
from millrace.iceberg.optimizers import Optimizers
from millrace.iceberg.tables import IcebergCatalog, OpenTable

ROLE = "arn:aws:iam::123456789012:role/optimizer"
CATALOG = IcebergCatalog("prod", "lake", cast(Any, None))


class Table:
    def __init__(self, **properties: str) -> None:
        self.properties = properties


def opened(**properties: str) -> OpenTable:
    return OpenTable("silver.order_created_v1", cast(Any, Table(**properties)))


def expected(kind: str) -> dict[str, Any]:
    return {
        "CatalogId": "123456789012",
        "DatabaseName": "millrace_prod_silver",
        "TableName": "order_created_v1",
        "Type": kind,
        "TableOptimizerConfiguration": {"roleArn": ROLE, "enabled": True, **optimizers._KINDS[kind]},
    }


def test_each_kind_is_made_and_one_that_is_there_is_fine() -> None:
    glue = boto3.client("glue", region_name="eu-central-1")
    with Stubber(glue) as stubber:
        stubber.add_response("create_table_optimizer", {}, expected("compaction"))
        stubber.add_client_error(
            "create_table_optimizer", "AlreadyExistsException", expected_params=expected("retention")
        )
        stubber.add_response("create_table_optimizer", {}, expected("orphan_file_deletion"))
        assert Optimizers(glue, CATALOG, ROLE, pytest.fail).of(opened()) == {"millrace.optimizers": "glue"}
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("role", "properties"), [("", {}), (ROLE, {"millrace.optimizers": "glue"})], ids=["no role", "made"]
)
def test_where_none_is_wanted_or_all_are_made_nothing_is_asked(role: str, properties: dict[str, str]) -> None:
    assert Optimizers(None, CATALOG, role, pytest.fail).of(opened(**properties)) == {}


def test_what_glue_refuses_is_told_and_keeps_no_rows_out() -> None:
    glue, told = boto3.client("glue", region_name="eu-central-1"), list[str]()
    with Stubber(glue) as stubber:
        stubber.add_client_error("create_table_optimizer", "AccessDeniedException")
        assert Optimizers(glue, CATALOG, ROLE, told.append).of(opened()) == {}, (
            "asked again with the next commit"
        )
    assert "no compaction of silver.order_created_v1 by Glue" in told[0]
