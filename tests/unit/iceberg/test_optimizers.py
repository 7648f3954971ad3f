"""Glue's optimizers, against botocore's model of the calls; no emulator has them."""

from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber

from millrace.core.errors import MillraceError
from millrace.iceberg import optimizers
from millrace.iceberg.optimizers import OptimizerRuns, Optimizers
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


def test_an_optimizer_that_failed_is_off_or_is_gone_does_not_work() -> None:
    glue = boto3.client("glue", region_name="eu-central-1")
    common = {
        "CatalogId": "123456789012",
        "DatabaseName": "millrace_prod_silver",
        "TableName": "order_created_v1",
    }

    def look(stubber: Stubber, *answers: dict[str, Any] | None) -> tuple[str, ...]:
        for kind, answer in zip(optimizers._KINDS, answers, strict=True):
            wanted = {**common, "Type": kind}
            if answer is None:
                stubber.add_client_error(
                    "get_table_optimizer", "EntityNotFoundException", expected_params=wanted
                )
            else:
                stubber.add_response("get_table_optimizer", {"TableOptimizer": answer}, wanted)
        return OptimizerRuns(glue, CATALOG, "123456789012").failed(opened())

    on = {"enabled": True}
    with Stubber(glue) as stubber:
        fine: dict[str, Any] = {"configuration": on, "lastRun": {"eventType": "completed"}}
        running = {"configuration": on, "lastRun": {"eventType": "in_progress"}}
        assert look(stubber, fine, running, {"configuration": on}) == ()
        failed = {
            "configuration": on,
            "lastRun": {"eventType": "failed", "error": "no right to write its log"},
        }
        assert look(stubber, failed, fine, fine) == ("compaction",)
        assert look(stubber, fine, {"configuration": {"enabled": False}}, None) == (
            "retention",
            "orphan_file_deletion",
        )
        stubber.assert_no_pending_responses()


def test_glue_that_does_not_answer_is_no_failed_optimizer() -> None:
    glue = boto3.client("glue", region_name="eu-central-1")
    with Stubber(glue) as stubber:
        stubber.add_client_error("get_table_optimizer", "AccessDeniedException")
        with pytest.raises(MillraceError, match="look at an optimizer"):
            OptimizerRuns(glue, CATALOG, "123456789012").failed(opened())
