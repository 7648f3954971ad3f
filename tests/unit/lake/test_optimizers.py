"""Glue's optimizers, against botocore's model of the calls; no emulator has them."""

from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber

from millrace.core.errors import MillraceError
from millrace.lake import optimizers
from millrace.lake.iceberg import Catalog, OpenTable
from millrace.lake.optimizers import Optimizers

ROLE = "arn:aws:iam::123456789012:role/optimizer"
CATALOG = Catalog("prod", "lake", cast(Any, None))


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
        assert Optimizers(glue, CATALOG, ROLE).of(opened()) == {"millrace.optimizers": "glue"}
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("role", "properties"), [("", {}), (ROLE, {"millrace.optimizers": "glue"})], ids=["no role", "made"]
)
def test_where_none_is_wanted_or_all_are_made_nothing_is_asked(role: str, properties: dict[str, str]) -> None:
    assert Optimizers(None, CATALOG, role).of(opened(**properties)) == {}


def test_what_glue_refuses_is_told() -> None:
    glue = boto3.client("glue", region_name="eu-central-1")
    with Stubber(glue) as stubber:
        stubber.add_client_error("create_table_optimizer", "AccessDeniedException")
        with pytest.raises(MillraceError, match=r"optimize silver\.order_created_v1 \(compaction\)"):
            Optimizers(glue, CATALOG, ROLE).of(opened())
