import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from millrace.compiler.bundle import assemble_contracts
from millrace.compiler.documents import FastLoader, OnceLoader, parse_document, yaml_file
from millrace.compiler.event_contracts import (
    compile_contracts,
    compile_document,
)
from millrace.contracts.errors import ContractError
from tests.support.contracts import FILES, SCHEMAS, contract, document, field


def problems(made: Any) -> list[tuple[str, str]]:
    with pytest.raises(ContractError) as caught:
        compile_document(made, "thing.yaml")
    assert all(problem.file == "thing.yaml" for problem in caught.value.problems)
    return [(problem.pointer, problem.sentence) for problem in caught.value.problems]


def only(made: Any) -> tuple[str, str]:
    (found,) = problems(made)
    return found


def test_defaults() -> None:
    made = contract(field("a"))
    assert made.store == "table"
    assert made.indexes == {"type", "user"}
    assert made.route is False
    assert made.additional_properties == "allow"
    assert made.lateness_seconds == 7 * 86_400
    assert made.retention_days == 90
    assert made.classification == {"/data/payload/a": "internal"}
    assert made.dictionary == ""


def test_a_stored_type_always_has_its_type_index_and_another_none() -> None:
    assert contract(field("a"), indexes=["correlation"]).indexes == {"type", "correlation"}
    assert contract(field("a"), store="none").indexes == frozenset()


@pytest.mark.parametrize(
    ("payload", "pointer", "part"),
    [
        (field("a", "text"), "/schema/0/properties/0/properties/0/logicalType", "text"),
        (field("a", "vector", logicalTypeOptions={"dimensions": 3}), "/logicalType", "vector"),
        (field("a", requird=True), "/schema/0/properties/0/properties/0/requird", "no requird"),
        (field("a", logicalTypeOptions={"maxlength": 3}), "/logicalTypeOptions/maxlength", "maxlength"),
        (field("a", logicalTypeOptions={"format": "phone"}), "/logicalTypeOptions/format", "phone"),
        (
            field("a", logicalTypeOptions={"format": "email", "pattern": "x"}),
            "/logicalTypeOptions/pattern",
            "email",
        ),
        (field("a", logicalTypeOptions={"pattern": "("}), "/pattern", "unterminated"),
        (field("a", logicalTypeOptions={"pattern": "(?=a)"}), "/pattern", "differently"),
        (field("a", "number", physicalType="decimal(38,10)"), "/physicalType", "decimal(18,4)"),
        (field("a", "integer", logicalTypeOptions={"format": "i128"}), "/format", "i128"),
        (field("a", "array"), "/properties/0", "items"),
        (field("a", "timestamp", logicalTypeOptions={"timezone": False}), "/timezone", "offset"),
        (field("a", "date", logicalTypeOptions={"format": "dd.MM.yyyy"}), "/format", "no option"),
        (field("a", "integer", classification="restricted"), "/classification", "only texts"),
        (field("a", "object", classification="confidential"), "/classification", "only texts"),
        (field("a", classification="secret"), "/classification", "secret"),
        (field("sessionId"), "/schema/0", "session_id"),
        (field("orgId"), "/schema/0", "org_id"),
        (field("contract"), "/schema/0", "contract"),
        (field("total amount"), "/schema/0", "letters"),
        (field("größe"), "/schema/0", "letters"),
    ],
)
def test_fields_that_cannot_be(payload: dict[str, Any], pointer: str, part: str) -> None:
    found = only(document(payload))
    assert found[0].endswith(pointer)
    assert part in found[1]


def test_two_fields_may_not_be_one_column() -> None:
    assert "differ in upper case or _ only" in only(document(field("aB"), field("a_b")))[1]
    nested = document(field("a", "object", properties=[field("b")]), field("aB"))
    assert "/data/payload/aB" in only(nested)[1]
    both = document(field("metaX"))
    both["schema"][0]["properties"].append(field("metadata", "object", properties=[field("x")]))
    assert "/data/metadata/x" in only(both)[1]


@pytest.mark.parametrize(
    ("custom", "part"),
    [
        ({"category": "events"}, "category is one of"),
        ({"store": "s3"}, "store is one of"),
        ({"indexes": ["user", "tenant"]}, "tenant"),
        ({"indexes": "user"}, "list"),
        ({"entity": {"thing": "/data/payload/a"}}, "index entity"),
        ({"indexes": ["entity"]}, "index entity"),
        ({"indexes": ["entity"], "entity": {"thing": "/data/payload/b"}}, "no field"),
        ({"indexes": ["entity"], "entity": {"thing": "/data/payload/n"}}, "neither a text"),
        ({"indexes": ["entity"], "entity": {"thing": "/data/payload/s"}}, "restricted"),
        ({"indexes": ["entity"], "entity": {"Thing!": "/data/payload/a"}}, "entity is an object"),
        ({"userId": "data.payload.a"}, "pointer"),
        ({"userId": "/data/payload/long"}, "at most 480 characters"),
        ({"indexes": ["entity"], "entity": {"thing": "/data/payload/long"}}, "at most 480 characters"),
        ({"derived": "yes"}, "true or false"),
        ({"derived": True}, "no field of such a type is confidential"),
        ({"tenant": "org_acme"}, "open to every tenant"),
        ({"derived": True, "tenant": 7}, "name of a tenant"),
        ({"userId": "/userId"}, "from the data"),
        ({"userId": "/data/payload/s"}, "not a key"),
        ({"subject": "/data/payload/nobody"}, "no field"),
        ({"partitionKey": "/data/payload/a"}, "random key"),
        ({"store": "none", "indexes": ["user"]}, "no indexes"),
        ({"lateness": "a week"}, "7d"),
        ({"lateness": "91d"}, "longer than it is kept"),
        ({"route": "yes"}, "true or false"),
        ({"additionalProperties": "warn"}, "additionalProperties is one of"),
        ({"rules": [{"kind": "expression"}]}, "kind is one of"),
        ({"rules": ["total > 0"]}, "object"),
        ({"retries": 3}, "none of"),
    ],
)
def test_properties_that_cannot_be(custom: dict[str, Any], part: str) -> None:
    fields = (
        *(field("a"), field("n", "number"), field("s", classification="restricted")),
        field("long", logicalTypeOptions={"maxLength": 481}),
    )
    pointer, sentence = only(document(*fields, **custom))
    assert pointer.startswith("/customProperties")
    assert part in sentence


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"id": "thing.happened"}, "/id"),
        ({"name": "ThingHappened"}, "/name"),
        ({"version": "1.0"}, "/version"),
        ({"apiVersion": "v3.1.0"}, "/apiVersion"),
        ({"kind": "DataProduct"}, "/kind"),
        ({"schema": []}, "/schema"),
        ({"slaProperties": [{"property": "retention", "value": "90"}]}, "/slaProperties/0"),
        ({"slaProperties": [{"property": "retention", "value": 1}]}, "/slaProperties/0/value"),
        ({"slaProperties": [{"property": "retention", "value": 90, "unit": "h"}]}, "/slaProperties/0"),
    ],
)
def test_documents_that_cannot_be(change: dict[str, Any], pointer: str) -> None:
    assert pointer in {found[0] for found in problems({**document(field("a")), **change})}


@pytest.mark.parametrize("made", [None, [], "text", {}])
def test_what_is_no_contract_at_all(made: Any) -> None:
    assert problems(made)


def test_an_escaped_character_beyond_the_first_plane_is_one_character() -> None:
    assert parse_document(b'{"description": "\\ud83d\\ude00"}', "c") == {"description": "😀"}


def test_both_parsers_read_a_contract_alike() -> None:
    text = max(FILES, key=lambda path: path.stat().st_size).read_bytes()
    assert parse_document(text, "c", FastLoader) == parse_document(text, "c", OnceLoader)


def test_what_the_fast_parser_refuses_the_other_takes_or_shows(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b'{"description": "\\ud83d\\ude00"}')
    assert yaml_file(path, "c") == {"description": "😀"}
    path.write_text("kind: [\nname: }")
    with pytest.raises(ContractError, match=re.escape("line 2, column 7: name: } ^")):
        yaml_file(path, "c")


@pytest.mark.parametrize("text", [b'{"a": "\\ud83d"}', b'{"\\ude00": 1}', b"a: &a [*a]", b"\xff"])
def test_a_text_that_json_cannot_say_is_refused(text: bytes) -> None:
    with pytest.raises(ContractError):
        parse_document(text, "c")


def test_every_problem_of_every_file_is_told(tmp_path: Path) -> None:
    for name, text in {
        "a.b": "kind: [",
        "c.d": "kind: DataContract\nkind: DataContract\n",
        "e.f": yaml.safe_dump({**document(field("a", "text")), "name": "e.f", "id": "e.f.v1"}),
        "g.h": yaml.safe_dump(document(field("a"))),
    }.items():
        folder = tmp_path / "events/things" / name
        folder.mkdir(parents=True)
        (folder / "v1.yaml").write_text(text)
    with pytest.raises(ContractError) as caught:
        compile_contracts(tmp_path)
    assert [problem.file for problem in caught.value.problems] == [
        f"events/things/{name}/v1.yaml" for name in ("a.b", "c.d", "e.f", "g.h")
    ]
    assert "twice" in str(caught.value)
    assert "events/things/thing.happened/v1.yaml" in str(caught.value)


@pytest.mark.parametrize("pair", [("part.of_thing", "part_of.thing"), ("part.of1", "part.of_1")])
def test_two_types_may_not_share_a_silver_table_or_an_avro_record(
    tmp_path: Path, pair: tuple[str, str]
) -> None:
    for name in pair:
        folder = tmp_path / "events/things" / name
        folder.mkdir(parents=True)
        made = {**document(field("a")), "name": name, "id": f"{name}.v1"}
        (folder / "v1.yaml").write_text(yaml.safe_dump(made))
    with pytest.raises(ContractError) as caught:
        compile_contracts(tmp_path)
    (problem,) = caught.value.problems
    assert pair[0] in problem.sentence
    assert f"silver.{pair[1].replace('.', '_')}_v1" in problem.sentence


def test_retention_in_years() -> None:
    made = document(field("a"))
    made["slaProperties"] = [{"property": "retention", "value": 3, "unit": "y"}]
    assert compile_document(made, "thing.yaml").retention_days == 1095


def test_a_bundle_is_the_same_bytes_each_time_and_nothing_else_stays(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assemble_contracts(SCHEMAS, first)
    (first / "left-over.json").write_text("{}")
    assemble_contracts(SCHEMAS, first)
    assemble_contracts(SCHEMAS, second)
    names = {path.relative_to(first) for path in first.rglob("*") if path.is_file()}
    assert names == {path.relative_to(second) for path in second.rglob("*") if path.is_file()}
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    assert Path("left-over.json") not in names


@pytest.mark.parametrize(
    "written", ["NO", "on", "y", "22:30", "007", "0x1F", "1_000", "2026-11-21", ".5", "-"]
)
def test_what_json_would_not_write_so_is_the_text_that_stands_there(written: str) -> None:
    """YAML 1.1 makes them truth values, seconds, octal numbers and dates."""
    assert parse_document(f"enum: [{{value: {written}}}]".encode(), "c") == {"enum": [{"value": written}]}


@pytest.mark.parametrize(
    ("written", "value"),
    [("1", 1), ("-2.5", -2.5), ("1e3", 1000.0), ("true", True), ("null", None), ("~", None)],
)
def test_what_json_writes_so_is_no_text(written: str, value: Any) -> None:
    (found,) = parse_document(f"[{written}]".encode(), "c")
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("made", "place", "part"),
    [
        (field("a", enum=[{"value": False}]), "/enum/0/value", 'false is not of the type string; write "false"'),
        (field("a", enum=[{"value": "x"}, {"value": 12}]), "/enum/1/value", "12 is not of the type string"),
        (field("a", enum=[{"value": "x"}, {"value": "x", "description": "y"}]), "/enum/1/value", '"x" stands here twice'),
        (field("a", "integer", enum=[{"value": True}]), "/enum/0/value", "true is not of the type integer"),
        (field("a", "integer", enum=[{"value": "7"}]), "/enum/0/value", '"7" is not of the type integer'),
        (field("a", "integer", enum=[{"value": 7.5}]), "/enum/0/value", "7.5 is not of the type integer"),
        (field("a", "number", enum=[{"value": None}]), "/enum/0/value", "null is not of the type number"),
        (field("a", "object", enum=[{"value": "x"}]), "/enum", "an object has no list of values"),
        (field("a", enum=[{"value": "abc"}], logicalTypeOptions={"maxLength": 2}), "/schema/0", "'abc' is in the list"),
        (field("a", "timestamp", enum=[{"value": "22:30"}]), "/schema/0", "'22:30' is in the list"),
        (
            field("a", "number", physicalType="decimal(18,4)", enum=[{"value": 0.00001}]),
            "/schema/0",
            "more than 4 decimals",
        ),
        (field("a", logicalTypeOptions={"minLength": 3, "maxLength": 2}), "/schema/0", "no value keeps minLength 3"),
        (
            field("a", "integer", logicalTypeOptions={"exclusiveMinimum": 5, "maximum": 5}),
            "/schema/0",
            "no value keeps exclusiveMinimum 5 and maximum 5",
        ),
        (
            field("a", "array", items=field("i"), logicalTypeOptions={"minItems": 2, "maxItems": 1}),
            "/schema/0",
            "/data/payload/a: no value keeps minItems 2",
        ),
        (field("a", "integer", logicalTypeOptions={"format": "u8", "minimum": 300}), "/schema/0", "no value keeps minimum"),
    ],
)  # fmt: skip
def test_lists_and_limits_that_no_value_keeps(made: dict[str, Any], place: str, part: str) -> None:
    pointer, sentence = only(document(made))
    assert pointer.endswith(place)
    assert part in sentence


def test_a_list_of_texts_keeps_them_as_they_are_written() -> None:
    text = "[{value: NO}, {value: 22:30}, {value: 007}]"
    entries = parse_document(text.encode(), "c")
    made = contract(field("a", enum=entries))
    assert made.data_schema["properties"]["payload"]["properties"]["a"]["enum"] == [
        "NO",
        "22:30",
        "007",
        None,
    ]
