"""The gate against what an environment has, by a CloudFormation that holds what the last deploy left there."""

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from cli import gate
from cli.errors import RefusedError
from millrace.compiler import deployed
from millrace.core import clock
from tests.support.contracts import SCHEMAS

KEPT = ("commerce", "identity", "operations")
ORDER = "events/commerce/order.created/v1.yaml"
METADATA = "      - name: metadata"
FIELD = f"          - name: channel  # where it was placed\n            logicalType: string\n{METADATA}"


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    """A few event types, and every table."""
    elsewhere = [one.name for one in (SCHEMAS / "events").iterdir() if one.name not in KEPT]
    return Path(shutil.copytree(SCHEMAS, tmp_path / "schemas", ignore=shutil.ignore_patterns(*elsewhere)))


def cloudformation(answer: dict[str, Any] | str) -> Any:
    """A client that has one template, or answers with an error's code."""
    client = boto3.client(
        "cloudformation", region_name="eu-west-1", aws_access_key_id="t", aws_secret_access_key="t"
    )
    stubber = Stubber(client)
    if isinstance(answer, str):
        stubber.add_client_error("get_template", answer)
    else:
        body = {"TemplateBody": json.dumps({"Resources": {}, **answer})}
        stubber.add_response(
            "get_template", body, {"StackName": "millrace-dev-ingestion", "TemplateStage": "Processed"}
        )
    stubber.activate()
    return client


def having(schemas: Path) -> Any:
    """After a deploy of this folder."""
    return cloudformation({"Metadata": {deployed.METADATA: deployed.pack(deployed.of(schemas))}})


def edit(schemas: Path, *changes: tuple[str, str], file: str = ORDER) -> None:
    text = (schemas / file).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (schemas / file).write_text(text)


def refused(client: Any, schemas: Path) -> list[str]:
    with pytest.raises(RefusedError) as caught:
        gate.check(client, "dev", schemas)
    first, *lines = str(caught.value).splitlines()
    assert first == "the contracts may not be deployed, and nothing was:"
    return lines


def test_what_is_deployed_may_be_deployed_again(schemas: Path) -> None:
    assert gate.check(having(schemas), "dev", schemas) == "what is deployed in dev"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("ValidationError", "dev was never deployed: nothing to compare with"),
        ({}, "dev was deployed by a version that recorded no contracts: nothing to compare with"),
    ],
)
def test_where_nothing_is_known_it_says_so(schemas: Path, answer: Any, said: str) -> None:
    assert gate.check(cloudformation(answer), "dev", schemas) == said


def test_an_environment_that_does_not_answer_is_no_pass(schemas: Path) -> None:
    with pytest.raises(RefusedError, match="what is deployed in dev cannot be read, so nothing was compared"):
        gate.check(cloudformation("AccessDenied"), "dev", schemas)


@pytest.mark.parametrize(
    ("change", "version"),
    [((METADATA, FIELD), "1.3.0"), (("purpose: A customer", "purpose: Some customer"), "1.2.1")],
)
def test_a_compatible_change_needs_a_version_which_fix_writes(
    schemas: Path, change: tuple[str, str], version: str
) -> None:
    packed = deployed.of(schemas)
    client = having(schemas)
    edit(schemas, change)
    before = (schemas / ORDER).read_text()
    assert refused(client, schemas) == [
        "order.created.v1 /version: the contract has changed since 1.2.0: raise its version; "
        f"bump to {version}: millrace contracts diff --env dev --fix writes it"
    ]
    assert gate.fix(packed, schemas) == [
        f"order.created.v1: 1.2.0 is now {version}",
        f"schemas/published/order.created/{version}.json",
    ]
    # Nothing else of the file, comments included.
    assert (schemas / ORDER).read_text() == before.replace("version: 1.2.0", f"version: {version}")
    assert gate.compare(packed, schemas).breaking == []
    assert gate.fix(packed, schemas) == []


def test_a_version_that_is_taken_is_passed_over(schemas: Path) -> None:
    before = deployed.of(schemas)
    edit(schemas, (METADATA, FIELD))
    gate.fix(before, schemas)
    edit(schemas, ("name: channel", "name: channels"))
    assert gate.fix(before, schemas)[0] == "order.created.v1: 1.3.0 is now 1.4.0"


def test_a_breaking_change_is_refused_and_not_fixed(schemas: Path) -> None:
    before, client = deployed.of(schemas), having(schemas)
    edit(schemas, ("minItems: 1", "minItems: 2"))
    lines = refused(client, schemas)
    assert lines == [
        "order.created.v1 /data/payload/items: minItems was 1 and is 2; write it as a new major, v2.yaml beside it, and end "
        "the old one with: millrace contracts announce order.created --major 2",
        "order.created.v1 /version: the contract has changed since 1.2.0: raise its version",
    ]
    text = (schemas / ORDER).read_text()
    assert gate.fix(before, schemas) == []
    assert (schemas / ORDER).read_text() == text


def test_a_field_before_older_ones_belongs_behind_them(schemas: Path) -> None:
    client = having(schemas)
    edit(schemas, ("          - name: orderId", FIELD.replace(METADATA, "          - name: orderId")))
    assert refused(client, schemas)[0] == (
        "order.created.v1 /data/payload: Protobuf numbers fields by their place, and channel now has the number of another "
        "field; leave the old fields in their order, and put new ones behind them"
    )


def test_a_lower_version_a_missing_type_and_a_changed_publication(schemas: Path) -> None:
    client = having(schemas)
    edit(schemas, ("version: 1.2.0", "version: 1.1.0"))
    shutil.rmtree(schemas / "events/commerce/cart.item_added")
    edit(schemas, ("A customer", "No customer"), file="published/order.created/1.2.0.json")
    (schemas / "tables/marts/revenue_by_day.yaml").unlink()
    said = "\n".join(refused(client, schemas))
    assert (
        "cart.item_added.v1 /: a version that clients send is gone; keep its file; to end it: millrace"
        in said
    )
    assert "order.created.v1 /version: it was 1.2.0 already" in said
    assert "1.2.0 is published, and has other texts or another number; restore its file" in said
    assert (
        "marts.revenue_by_day /: a table that is read is gone; keep it, and write a table of another name"
        in said
    )


def test_what_is_not_published_is_not_deployed(schemas: Path) -> None:
    shutil.rmtree(schemas / "published/order.created")
    (line,) = refused(cloudformation("ValidationError"), schemas)
    assert line == (
        f"{ORDER} /version: 1.2.0 is not published; run: millrace contracts publish; "
        "millrace contracts diff --env dev --fix does it"
    )


def test_an_announced_end_never_comes_nearer(schemas: Path) -> None:
    today = clock.now().date()

    def ending(days: int) -> str:
        ends = today + timedelta(days=days)
        value = f"{{announced: {today}, ends: {ends}, by: 2, decision: docs/decisions/0001-why.md}}"
        return f"  - {{property: retirement, value: {value}}}\n"

    edit(schemas, ("version: 1.2.0", "version: 1.2.1"))
    second = (schemas / ORDER).read_text().replace("order.created.v1", "order.created.v2")
    (schemas / ORDER).with_name("v2.yaml").write_text(second.replace("version: 1.2.1", "version: 2.0.0"))
    text = (schemas / ORDER).read_text()
    (schemas / ORDER).write_text(text + ending(40))
    client = having(schemas)
    (schemas / ORDER).write_text(text.replace("1.2.1", "1.2.2") + ending(30))
    (line,) = refused(client, schemas)
    assert "consumers were told that it ends on" in line
    assert "with a later day postpones it" in line


def test_a_field_that_something_reads_is_named_with_its_place(tmp_path: Path) -> None:
    kept = shutil.ignore_patterns("features", "tables", "dictionaries")
    schemas = Path(shutil.copytree(SCHEMAS, tmp_path / "schemas", ignore=kept))
    before = deployed.of(schemas)
    payments = "events/payments"
    edit(schemas, ("name: device_id", "name: device"), file=f"{payments}/transaction.created/v1.yaml")
    edit(schemas, ("name: forced", "name: force"), file="events/ml/ml.model.moved/v1.yaml")
    device = "name: deviceId\n            logicalType: "
    text = f"{device}string\n            logicalTypeOptions: {{format: identifier}}"
    edit(schemas, (text, f"{device}integer"), file=f"{payments}/payment.captured/v1.yaml")
    failed = (schemas / payments / "payment.failed/v1.yaml").read_text()
    further = failed.replace("failed.v1", "failed.v2").replace("version: 1.", "version: 2.")
    (schemas / payments / "payment.failed/v2.yaml").write_text(further.replace("deviceId", "device"))
    comparison = gate.compare(before, schemas)
    read = [one for one in comparison.breaking if one.kind == "read"]
    said = {re.sub(r":[0-9]+ ", " ", f"{one.contract}: {one.reason}") for one in read}
    cards = "schemas/patterns/card_testing.yaml /steps/1/different/device_id reads device_id"
    gone = "reads device_id, which is not there"
    assert said == {
        "ml.model.moved.v1: schemas/sigma/champion_forced.yml /detection/selection/forced reads forced, which is not there",
        f"payment.captured.v1: {cards}, which was a string and is a long",
        f"payment.failed.v2: {cards}, which is not there",
        f"transaction.created.v1: schemas/aggregates/transactions_by_country.yaml /measures/6/of {gone}",
        f"transaction.created.v1: schemas/aggregates/transactions_by_merchant.yaml /measures/6/of {gone}",
        f"transaction.created.v1: schemas/aggregates/transactions_by_payment_method.yaml /measures/6/of {gone}",
        f"transaction.created.v1: schemas/anomalies/country_volume.yaml /aggregate {gone}",
        f"transaction.created.v1: schemas/anomalies/merchant_fraud.yaml /aggregate {gone}",
        f"transaction.created.v1: schemas/sigma/high_value_burst_of_device.yml /correlation/group-by {gone}",
        f"transaction.created.v1: schemas/sigma/transaction_without_origin.yml /detection/no_device/0/device_id {gone}",
        f"transaction.created.v1: schemas/sigma/transaction_without_origin.yml /detection/no_device/1/device_id {gone}",
    }
    assert all(re.search(r"\.ya?ml:[0-9]+ /", one.reason) for one in read)
    remedies = {gate.remedy(one, comparison, "") for one in read}
    assert remedies == {"keep the field, or have that file read another one first"}
