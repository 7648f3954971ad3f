"""The registry of contracts over HTTP, in every form, and as Confluent's clients read it."""

import json

import fastavro
import pytest

from millrace.api.confluent import schemas
from millrace.contracts import registry
from tests.support.platform import Platform

ONE = "/v1/schemas/{type}/{version}"


def test_every_contract_is_listed_and_read_in_every_form(running: Platform) -> None:
    listed = running.get("/v1/schemas")["body"]["items"]
    assert {item["eventType"] for item in listed} >= {"order.created", "transaction.created"}
    for item in listed:
        for version in (item["version"], item["version"].split(".")[0]):
            found = running.get(ONE, type=item["eventType"], version=version)
            assert found["body"]["$id"] == f"urn:millrace:{item['eventType']}:{item['version']}"
        name = {"type": item["eventType"], "version": item["version"]}
        assert fastavro.parse_schema(running.get(ONE, query={"format": "avro"}, **name)["body"])
        odcs = running.get(ONE, query={"format": "odcs"}, **name)["body"]
        assert (odcs["kind"], odcs["version"]) == ("DataContract", item["version"])


def test_protobuf_is_text(running: Platform) -> None:
    event = {"type": "order.created", "version": "1"}
    found = running.text(ONE, query={"format": "protobuf"}, **event)
    assert found.startswith("// order.created/1.")
    assert 'syntax = "proto3";' in found


@pytest.mark.parametrize(
    ("event_type", "version", "query", "status"),
    [
        ("no.such", "1", {}, 404),
        ("order.created", "9", {}, 404),
        ("order.created", "1.999", {}, 404),
        ("order.created", "latest", {}, 404),
        ("order.created", "1", {"format": "thrift"}, 400),
        ("order.created", "1", {"colour": "red"}, 400),
    ],
)
def test_what_is_not_there(
    running: Platform, event_type: str, version: str, query: dict[str, str], status: int
) -> None:
    assert running.get(ONE, query=query, type=event_type, version=version)["status"] == status


def test_confluent_reads(running: Platform) -> None:
    subjects = running.get("/subjects")["body"]
    assert {"order.created-value", "order.created-json"} <= set(subjects)
    versions = "/subjects/{subject}/versions"
    one = "/subjects/{subject}/versions/{version}"
    assert running.get(versions, subject="order.created-value")["body"] == [1]
    latest = running.get(one, subject="order.created-value", version="latest")
    assert latest["headers"]["content-type"] == "application/vnd.schemaregistry.v1+json"
    body = latest["body"]
    assert (body["subject"], body["version"], "schemaType" in body) == ("order.created-value", 1, False)
    assert fastavro.parse_schema(json.loads(body["schema"]))
    assert running.get("/schemas/ids/{id}", id=str(body["id"]))["body"] == {"schema": body["schema"]}
    as_json = running.get(one, subject="order.created-json", version="1")["body"]
    assert as_json["schemaType"] == "JSON"
    assert json.loads(as_json["schema"])["title"] == "order.created"
    missing = running.get(one, subject="nothing", version="1")
    assert (missing["status"], missing["body"]["error_code"]) == (404, 40401)
    assert running.get(one, subject="order.created-json", version="7")["body"]["error_code"] == 40402
    assert running.get("/schemas/ids/{id}", id="1")["body"]["error_code"] == 40403


def test_no_two_schemas_share_an_id(running: Platform) -> None:
    found = schemas(registry.load())
    assert len({schema.id for schema in found}) == len(found)
