"""The contract registry over HTTP, in every form, and as Confluent's clients read it."""

import json
import shutil
from pathlib import Path
from typing import Any

import fastavro
import pytest

from millrace.api.subjects import schemas
from millrace.compiler.bundle import assemble
from millrace.contracts import registry
from tests.support import events
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


def test_the_list_pages(running: Platform) -> None:
    whole = [item["eventType"] for item in running.get("/v1/schemas")["body"]["items"]]
    seen: list[str] = []
    query = {"limit": "10"}
    for _ in range(10):
        page = running.get("/v1/schemas", query=query)["body"]
        seen += [item["eventType"] for item in page["items"]]
        if page["cursor"] is None:
            break
        query["cursor"] = page["cursor"]
    assert seen == whole
    assert running.get("/v1/schemas", query={"cursor": "x"})["status"] == 400


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
        ("order.created", "1.0.99", {}, 404),
        ("order.created", "01", {}, 404),
        ("order.created", "latest", {}, 404),
        ("order.created", "1", {"format": "thrift"}, 400),
        ("order.created", "1", {"colour": "red"}, 400),
    ],
)
def test_an_unknown_contract_or_parameter_is_refused(
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


SUBJECT, VERSIONS, VERSION = (
    "/subjects/{subject}",
    "/subjects/{subject}/versions",
    "/subjects/{subject}/versions/{version}",
)


def sent(running: Platform, route: str, body: bytes, subject: str) -> dict[str, Any]:
    return running.call(route, body, function="read_api", subject=subject)


# A subject, and the name in the schema that is found by it.
SUBJECTS = {
    "order.created-value": "OrderCreated",
    "millrace.events.v1.OrderCreated": "OrderCreated",
    "any-topic-millrace.events.v1.OrderCreated": "OrderCreated",
    "order.created-json": "order.created",
    "order.created.json-value": "order.created",
    "order.created": "order.created",
    "orders-order.created": "order.created",
}


def test_a_type_is_found_by_every_name_that_serializers_make(running: Platform) -> None:
    for subject, record in SUBJECTS.items():
        found = running.get(VERSION, subject=subject, version="-1")["body"]
        schema = json.loads(found["schema"])
        assert record == (schema["title"] if found.get("schemaType") == "JSON" else schema["name"]), subject
        posted = json.dumps(
            {"schema": json.dumps(schema, indent=3), "schemaType": found.get("schemaType", "AVRO")}
        )
        for route, name in ((SUBJECT, "id"), (VERSIONS, "id")):
            answer = sent(running, f"{route}", posted.encode(), subject=subject)
            assert (answer["status"], answer["body"][name]) == (200, found["id"]), subject


def test_registry_is_read_only_and_says_so_in_confluents_form(running: Platform) -> None:
    other = json.dumps({"schema": '{"type": "string"}'}).encode()
    value = "order.created-value"
    answers = [
        sent(running, f"{VERSIONS}", other, subject=value),
        sent(running, f"{SUBJECT}", other, subject=value),
        sent(running, f"{SUBJECT}", b"no json", subject=value),
        sent(running, f"{VERSIONS}", other, subject="nothing-value"),
        running.get(VERSION, subject=value, version="0"),
        running.get(VERSION, subject=value, version="x"),
    ]
    assert [(one["status"], one["body"]["error_code"]) for one in answers] == [
        (422, 42205),
        (404, 40403),
        (422, 42201),
        (404, 40401),
        (422, 42202),
        (422, 42202),
    ]
    assert sent(running, f"{SUBJECT}", b"x" * 1_048_577, subject=value)["status"] == 413
    assert running.get("/mode")["body"] == {"mode": "READONLY"}
    assert running.get("/config/{subject}", subject=value)["body"] == {"compatibilityLevel": "NONE"}
    assert running.get("/mode/{subject}", subject="nothing")["body"]["error_code"] == 40401
    assert running.get("/contexts")["body"] == ["."]
    assert running.get("/schemas/types")["body"] == ["JSON", "AVRO"]


def test_registry_pages_and_finds_who_has_a_schema(running: Platform) -> None:
    everything = running.get("/subjects")["body"]
    pages = [
        running.get("/subjects", query={"offset": str(first), "limit": "7"})["body"]
        for first in range(0, len(everything), 7)
    ]
    assert [name for page in pages for name in page] == everything
    orders = running.get("/schemas", query={"subjectPrefix": ":.:order.created", "latestOnly": "true"})[
        "body"
    ]
    assert [one["subject"] for one in orders] == ["order.created-json", "order.created-value"]
    of_id = "/schemas/ids/{id}"
    (value,) = [one for one in orders if one["subject"] == "order.created-value"]
    identity = str(value["id"])
    assert running.get(f"{of_id}/subjects", id=identity)["body"] == ["order.created-value"]
    assert running.get(f"{of_id}/versions", id=identity)["body"] == [
        {"subject": "order.created-value", "version": value["version"]}
    ]
    text = json.loads(value["schema"])
    assert running.get(f"{of_id}/schema", id=identity)["body"] == text
    assert running.get(f"{VERSION}/schema", subject="order.created-value", version="latest")["body"] == text


def test_no_two_schemas_share_an_id(running: Platform) -> None:
    found = schemas(registry.load())
    assert len({schema.id for schema in found}) == len(found)


CHECK = "/v1/schemas/check"
ORDER = Path(__file__).parents[2] / "schemas/events/commerce/order.created/v1.yaml"


def changed(**edit: str) -> bytes:
    text = ORDER.read_text()
    for old, new in edit.items():
        assert old in text
        text = text.replace(old, new, 1)
    return text.encode()


def test_a_contract_is_checked_before_anyone_deploys_it(running: Platform) -> None:
    same = running.call(CHECK, ORDER.read_bytes(), function="check_schema", content_type="application/yaml")
    assert (same["status"], same["body"]) == (200, {"compatible": True, "breaking": []})
    stricter = changed(**{"minItems: 1": "minItems: 2", "version: 1.2.0": "version: 1.3.0"})
    found = running.call(CHECK, stricter, function="check_schema", content_type="application/yaml")["body"]
    assert found["compatible"] is False
    assert [(b["contract"], b["pointer"], b["kind"]) for b in found["breaking"]] == [
        ("order.created.v1", "/data/payload/items", "narrowed")
    ]
    as_json = running.get(ONE, query={"format": "odcs"}, type="order.created", version="1")["body"]
    assert running.call(CHECK, as_json, function="check_schema")["body"]["compatible"] is True


def test_a_new_type_or_major_breaks_nobody(running: Platform) -> None:
    text = ORDER.read_text()
    new_type = text.replace("order.created", "order.teleported").encode()
    major = text.replace("version: 1.2.0", "version: 2.0.0").replace(
        "id: order.created.v1", "id: order.created.v2"
    )
    for body in (new_type, major.encode()):
        found = running.call(CHECK, body, function="check_schema", content_type="application/yaml")
        assert found["body"] == {"compatible": True, "breaking": []}


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"kind: DataContract", "application/yaml", 400),
        (b"a: &a [*a]", "application/yaml", 400),
        (b"a: &a [x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", "application/yaml", 400),
        (b"\xff", "application/yaml", 400),
        (b"{}", "text/plain", 415),
        (b" " * 300_000, "application/json", 413),
    ],
)
def test_a_contract_that_does_not_compile_is_answered_with_its_problems(
    running: Platform, body: bytes, content_type: str, status: int
) -> None:
    found = running.call(CHECK, body, function="check_schema", content_type=content_type)
    assert found["status"] == status
    if status == 400:
        assert found["body"]["problems"]


def test_two_majors_of_a_type_are_accepted_at_once(
    running: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schemas_dir = tmp_path / "schemas"
    shutil.copytree(ORDER.parents[3], schemas_dir)
    two = schemas_dir / "events/commerce/order.created/v2.yaml"
    text = ORDER.read_text().replace("version: 1.2.0", "version: 2.0.0")
    text = text.replace("id: order.created.v1", "id: order.created.v2").replace(
        "name: orderId", "name: orderNumber"
    )
    two.write_text(text.replace("/data/payload/orderId", "/data/payload/orderNumber"))
    shutil.copyfile(ORDER.parent / "samples/v1.golden.json", two.parent / "samples/v2.golden.json")
    assemble(schemas_dir, ORDER.parents[4] / "warehouse", tmp_path / "bundle")
    monkeypatch.setenv("MILLRACE_BUNDLE", str(tmp_path / "bundle"))
    first, second, newest = (events.order(version="1"), events.order(version="2.0.0"), events.order())
    for event in (second, newest):
        payload = event["data"]["payload"]
        payload["orderNumber"] = payload.pop("orderId")
    answer = running.post([first, second, newest])
    assert [result["status"] for result in answer["body"]["results"]] == ["accepted"] * 3
    running.settle()
    refs = [
        running.get("/v1/events/{eventId}", eventId=event["eventId"])["body"]["platform"]["contract"]
        for event in (first, second, newest)
    ]
    assert refs == ["order.created/1.2.0", "order.created/2.0.0", "order.created/2.0.0"]
    assert running.post(events.order(version="2"))["body"]["rejected"] == 1
    listed = running.get("/v1/schemas")["body"]["items"]
    assert [item["version"] for item in listed if item["eventType"] == "order.created"] == ["1.2.0", "2.0.0"]
    assert running.get("/subjects/{subject}/versions", subject="order.created-value")["body"] == [1, 2]


def test_apicurio_reads(running: Platform) -> None:
    version = "/apis/registry/v3/groups/{group}/artifacts/{artifact}/versions/{version}"

    def of(expression: str, route: str = version) -> dict[str, Any]:
        return running.get(route, group="any", artifact="order.created-value", version=expression)

    found = of("branch=latest")["body"]
    assert (found["artifactType"], found["globalId"]) == ("AVRO", found["contentId"])
    for expression in ("latest", found["version"]):
        answer = of(expression, f"{version}/content")
        assert answer["headers"]["x-registry-globalid"] == str(found["globalId"])
        assert answer["body"]["name"] == "OrderCreated"
        for kind in ("globalIds", "contentIds"):
            by_id = running.get(f"/apis/registry/v3/ids/{kind}/{{id}}", id=str(found["globalId"]))
            assert by_id["body"] == answer["body"]
    for wrong in ("0", "-1", "99", "branch=main", "x"):
        assert of(wrong)["status"] == 404
    assert running.get(version, group="any", artifact="nothing", version="latest")["status"] == 404
    assert running.get("/apis/registry/v3/ids/globalIds/{id}", id="7")["status"] == 404
