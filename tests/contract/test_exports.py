"""What a contract is exported to is what the formats' own tools take, and a golden event survives it."""

import io
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import orjson
import pytest
from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    json_format,
    message_factory,
)
from grpc_tools import protoc  # type: ignore[import-untyped]
from pyiceberg.catalog import glue as pyiceberg_glue
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import assign_fresh_schema_ids, visit

from millrace.compiler import samples
from millrace.compiler.exports import avro, markdown, protobuf
from millrace.contracts import columns
from millrace.contracts.contract import Contract
from millrace.contracts.tables import silver_table
from millrace.iceberg import shape
from tests.support.contracts import FILES, compiled, contract, field

AWKWARD = contract(
    field("grid", "array", items={"logicalType": "array", "items": {"logicalType": "integer"}}),
    field("deep", "object", properties=[field("more", "object", properties=[field("isIOSApp", "boolean")])]),
    field(
        "lines",
        "array",
        required=True,
        items={
            "logicalType": "object",
            "properties": [
                field("price", "number", physicalType="decimal(18,4)", required=True),
                field("at", "object", properties=[field("day", "date")]),
                field("tags", "array", items={"logicalType": "string"}),
            ],
        },
    ),
    field("small", "integer", logicalTypeOptions={"format": "i8"}),
    field("free", "object"),
    field("description", description='A "quoted" | piped\n\n// text'),
)
ALL = [*map(compiled, FILES), AWKWARD]
GOLDEN = [(compiled(path), event) for path in FILES for event in samples.golden(path)]


def ref(made: Any) -> str:
    return made.ref if isinstance(made, Contract) else ""


def to_avro(schema: Any, value: Any) -> Any:
    """A JSON value as fastavro takes it."""
    if isinstance(schema, list):
        return None if value is None else to_avro(schema[1], value)
    if not isinstance(schema, dict):
        return value
    if schema.get("logicalType") == "json":
        return orjson.dumps(value).decode()
    if schema.get("logicalType") == "decimal":
        return Decimal(str(value)).quantize(Decimal("0.0001"))
    if schema.get("logicalType") == "date":
        return date.fromisoformat(value)
    if schema["type"] == "array":
        return [to_avro(schema["items"], item) for item in value]
    return {part["name"]: to_avro(part["type"], value.get(part["name"])) for part in schema["fields"]}


@pytest.mark.parametrize("made", ALL, ids=ref)
def test_avro_is_a_schema_that_fastavro_takes(made: Contract) -> None:
    schema = avro.export(made)
    assert fastavro.schema.fullname(fastavro.parse_schema(schema)).startswith("millrace.events.v")


@pytest.mark.parametrize(("made", "event"), GOLDEN, ids=ref)
def test_a_golden_event_survives_avro(made: Contract, event: dict[str, Any]) -> None:
    schema = fastavro.parse_schema(avro.export(made))
    sent = to_avro(avro.export(made), event)
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, sent, strict=True)
    buffer.seek(0)
    assert fastavro.schemaless_reader(buffer, schema, None) == sent


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Full message name → class, from all files compiled at once by protoc."""
    folder = tmp_path_factory.mktemp("proto")
    for made in ALL:
        (folder / f"{made.name}.proto").write_text(protobuf.export(made), encoding="utf-8")
    include = Path(protoc.__file__).parent / "_proto"
    arguments = [
        "",
        f"-I{folder}",
        f"-I{include}",
        "--include_imports",
        f"--descriptor_set_out={folder / 'all.bin'}",
    ]
    assert protoc.main([*arguments, *sorted(str(path) for path in folder.glob("*.proto"))]) == 0
    found = descriptor_pb2.FileDescriptorSet.FromString((folder / "all.bin").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in found.file:
        pool.Add(file)
    return {
        f"{file.package}.{message.name}": message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{file.package}.{message.name}")
        )
        for file in found.file
        for message in file.message_type
    }


def message_name(made: Contract) -> str:
    return f"millrace.events.{made.event_type.replace('.', '_')}.v{made.major}.{avro.pascal(made.event_type)}"


@pytest.mark.parametrize("made", ALL, ids=ref)
def test_protobuf_is_a_file_that_protoc_takes(made: Contract, messages: dict[str, Any]) -> None:
    numbers = [part.number for part in messages[message_name(made)].DESCRIPTOR.fields]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize(("made", "event"), GOLDEN, ids=ref)
def test_a_golden_event_survives_protobuf(
    made: Contract, event: dict[str, Any], messages: dict[str, Any]
) -> None:
    sent = with_decimals_as_texts(without_nulls(event), made.data_schema)
    message = json_format.ParseDict(sent, messages[message_name(made)]())
    back = messages[message_name(made)].FromString(message.SerializeToString(deterministic=True))
    read = json_format.MessageToDict(back)
    assert _loosely(read) == _loosely(sent)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(part) for key, part in value.items() if part is not None}
    return [without_nulls(part) for part in value] if isinstance(value, list) else value


def with_decimals_as_texts(event: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    def walk(schema: dict[str, Any], value: Any) -> Any:
        if schema.get("multipleOf") == 0.0001:
            return str(value)
        if isinstance(value, dict) and "properties" in schema:
            return {key: walk(schema["properties"].get(key, {}), part) for key, part in value.items()}
        if isinstance(value, list):
            return [walk(schema["items"], part) for part in value]
        return value

    return {**event, "data": walk(data, event["data"])}


def _loosely(value: Any) -> Any:
    """Protobuf writes 64-bit integers as texts, and leaves out empty lists and the zeros of required fields."""
    if isinstance(value, dict):
        parts = {key: _loosely(part) for key, part in value.items()}
        return {key: part for key, part in parts.items() if part not in ([], {}, 0, "")}
    if isinstance(value, list):
        return [_loosely(part) for part in value]
    if isinstance(value, str) and value.lstrip("-").isdigit():
        return float(value)
    return float(value) if isinstance(value, (int, float)) else value


@pytest.mark.parametrize("made", ALL, ids=ref)
def test_iceberg_takes_the_columns(made: Contract) -> None:
    table = silver_table(made)
    schema = assign_fresh_schema_ids(shape.schema(table, shape.never_null(table)))
    assert [part.name for part in schema.fields] == [column.name for column in columns.columns(made)]
    required = {part.name for part in schema.fields if part.required}
    assert {"event_id", "event_time", "org_id", "received_at"} <= required
    assert required == {c.name for c in table.columns if c.required and isinstance(c.type, columns.Scalar)}
    assert schema.identifier_field_names() == {"org_id", "event_time", "event_id"}
    assert schema_to_pyarrow(schema).names == [column.name for column in columns.columns(made)]


@pytest.mark.parametrize("made", ALL, ids=ref)
def test_glue_types_are_those_that_pyiceberg_writes(made: Contract) -> None:
    schema = shape.schema(silver_table(made), ())
    theirs = {
        part.name: visit(part.field_type, pyiceberg_glue._IcebergSchemaToGlueType()) for part in schema.fields
    }
    ours = {column["Name"]: column["Type"] for column in columns.glue_columns(columns.columns(made))}
    assert ours == theirs


@pytest.mark.parametrize("made", ALL, ids=ref)
def test_duckdb_takes_the_columns(made: Contract) -> None:
    listed = ", ".join(
        f'"{column.name}" {columns.duckdb_type(column.type)}' for column in columns.columns(made)
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"CREATE TABLE t ({listed})")
        described = connection.execute("DESCRIBE t").fetchall()
    assert [row[0] for row in described] == [column.name for column in columns.columns(made)]


def test_columns_by_the_conventions() -> None:
    found = {column.name: columns.glue_type(column.type) for column in columns.columns(AWKWARD)}
    assert list(found)[:9] == [
        "event_id",
        "event_time",
        "event_source",
        "correlation_id",
        "user_key",
        "session_id",
        "org_id",
        "received_at",
        "contract",
    ]
    assert dict(list(found.items())[9:]) == {
        "grid": "array<array<bigint>>",
        "deep_more_is_ios_app": "boolean",
        "lines": "array<struct<price:decimal(18,4),at:struct<day:date>,tags:array<string>>>",
        "small": "int",
        "free": "string",
        "description": "string",
    }
    order = {
        column.name: column
        for column in columns.columns(compiled(next(p for p in FILES if "order.created" in p.parts)))
    }
    assert columns.table(compiled(FILES[0])).endswith("_v1")
    assert (
        columns.glue_type(order["items"].type)
        == "array<struct<product_id:string,quantity:bigint,price:decimal(18,4)>>"
    )
    assert order["total_amount"].required
    assert order["meta_shipping_address_postal_code"].pointer == "/data/metadata/shippingAddress/postalCode"
    assert not order["meta_shipping_address_postal_code"].required


@pytest.mark.parametrize("made", ALL, ids=ref)
def test_a_page_shows_every_field_and_its_tables_are_tables(made: Contract) -> None:
    text = markdown.page(made, {"some": "example"})
    for column in columns.columns(made):
        assert f"`{column.name}`" in text
        assert (
            column.pointer is None or not column.pointer.startswith("/data") or f"`{column.pointer}`" in text
        )
    width = 0
    for line in text.split("```")[0].splitlines():
        cells = line.replace("\\|", "").count("|")
        assert cells == 0 or width in (0, cells), line
        width = cells


def test_the_index_leads_to_every_page() -> None:
    text = markdown.index(ALL)
    assert all(f"[{made.event_type}]({made.name}.md)" in text for made in ALL)
