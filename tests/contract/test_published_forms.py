"""Whatever form a contract is published in, it is taken by the form's own tools, and says what intake does."""

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
import jsonschema
import pytest
from grpc_tools import protoc  # type: ignore[import-untyped]
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from millrace.compiler.event_contracts import compile_document
from millrace.compiler.exports import avro, json_schema, markdown, protobuf
from millrace.contracts import formats, regular_expressions
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError
from millrace.contracts.validator import Validator
from millrace.eventstore import content
from tests.support import mutated_events
from tests.support.contracts import FILES, compiled, contract, document, field, named
from tests.support.generate_contracts import documents, wide

CHANGED = 60
DOCUMENTS = 120


def by_schema(validator: Validator, event: dict[str, Any]) -> bool | None:
    """Intake's verdict on an event as far as a JSON Schema can say it; None where only the step of decimals decides."""
    read = content.read(event)
    assert isinstance(read, tuple)
    found = [error for error in validator.errors(read[0]) if error.code != "rule" or "twice" in error.message]
    steps = [error for error in found if error.message.startswith("must have at most 4 decimals")]
    return None if steps and steps == found else not found


@pytest.mark.parametrize("path", FILES, ids=named)
def test_the_json_schema_gives_the_verdict_of_intake(path: Path) -> None:
    made = compiled(path)
    ours, schema = Validator(made), json.loads(json.dumps(json_schema.export(made)))
    jsonschema.Draft202012Validator.check_schema(schema)
    plain = jsonschema.Draft202012Validator(schema)
    asserting = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    verdicts = set()
    for event in mutated_events.events(path, CHANGED):
        verdict = by_schema(ours, event)
        verdicts.add(verdict)
        assert {plain.is_valid(event), asserting.is_valid(event)} == {verdict is not False}, event
    assert {True, False} <= verdicts


def test_the_json_schema_bounds_what_becomes_part_of_a_key() -> None:
    made = contract(field("id"), field("other"), entity={"thing": "/data/payload/id"}, indexes=["entity"])
    fields = json_schema.export(made)["properties"]["data"]["properties"]["payload"]["properties"]
    assert (fields["id"]["maxLength"], fields["other"].get("maxLength")) == (480, None)


@cache
def generated() -> list[Contract]:
    """Contracts of odd names and forms that the compiler takes, the same in each run."""
    made, refused = [compile_document(wide(), "wide.yaml")], list[str]()

    @settings(
        max_examples=DOCUMENTS,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(documents())
    def collect(written: dict[str, Any]) -> None:
        try:
            made.append(compile_document(written, "generated.yaml"))
        except ContractError as error:
            refused.append(str(error))

    collect()
    assert len(made) > DOCUMENTS * 0.9
    assert all("would be silver's column" in error for error in refused), refused
    return made


def test_what_lint_takes_parses_in_every_form(tmp_path: Path) -> None:
    for number, made in enumerate(generated()):
        fastavro.parse_schema(avro.export(made))
        jsonschema.Draft202012Validator.check_schema(json_schema.export(made))
        assert markdown.page(made)
        text = protobuf.export(made).replace("package millrace.", f"package of{number}.millrace.")
        (tmp_path / f"of{number}.proto").write_text(text, encoding="utf-8")
    include = Path(protoc.__file__).parent / "_proto"
    files = sorted(map(str, tmp_path.glob("*.proto")))
    assert (
        protoc.main(["", f"-I{tmp_path}", f"-I{include}", f"--descriptor_set_out={tmp_path / 'all'}", *files])
        == 0
    )


def test_a_field_at_the_end_changes_nothing_else() -> None:
    one = [
        field("first", "object"),
        field("lists", "array", items={"logicalType": "array", "items": field("x")}),
    ]
    old, new = contract(*one), contract(*one, field("second", "integer", description="more\nlines"))
    added = [
        line for line in protobuf.export(new).splitlines() if line not in protobuf.export(old).splitlines()
    ]
    assert added == ["      // more lines", '      optional int64 second = 3 [json_name = "second"];']
    schema = avro.export(new)
    schema["fields"][-1]["type"]["fields"][0]["type"]["fields"].pop()
    assert schema == avro.export(old)


def test_a_description_is_one_comment_whatever_it_holds() -> None:
    made = {**document(field("a")), "description": {"purpose": 'two\nlines, "quoted" */\r\nmessage X {\x07'}}
    text = protobuf.export(compile_document(made, "x.yaml"))
    assert text.splitlines()[0] == '// thing.happened/1.0.0: two lines, "quoted" */ message X {'


NAMES = {
    "of one object": ([field("aB"), field("a_b")], "/data/payload/a_b and /data/payload/aB differ"),
    "in a list": (
        [field("a", "array", items={"logicalType": "object", "properties": [field("x1"), field("X_1")]})],
        "/data/payload/a/*/X_1 and /data/payload/a/*/x1 differ",
    ),
    "of objects": (
        [field("AB", "object", properties=[field("x")]), field("ab", "object", properties=[field("x")])],
        "/data/payload/ab and /data/payload/AB differ",
    ),
    "of JavaScript": ([field("constructor")], "/data/payload/constructor: every object of JavaScript"),
    "a digit first": ([field("1a")], "/data/payload/1a: a field's name is letters"),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_that_a_form_takes_for_one_another_are_refused(case: str) -> None:
    fields, sentence = NAMES[case]
    with pytest.raises(ContractError) as caught:
        compile_document(document(*fields), "thing.yaml")
    (problem,) = caught.value.problems
    assert (problem.file, problem.pointer) == ("thing.yaml", "/schema/0")
    assert problem.sentence.startswith(sentence)


def test_paths_that_read_alike_are_records_of_their_own() -> None:
    inner = {"logicalType": "object", "properties": [field("x")]}
    made = contract(
        field("a", "array", items={"logicalType": "object", "properties": [{"name": "bC", **inner}]}),
        field("aItemB", "object", properties=[{"name": "c", **inner}]),
    )
    fastavro.parse_schema(avro.export(made))


@pytest.mark.parametrize(
    "pattern", [*formats.BY_PATTERN, r"^[^\n]+$", "a{1,3}b?", r"[\u2028x]|(?:y)", r"\.\x41\/[\-a]"]
)
def test_patterns_that_every_engine_reads_alike(pattern: str) -> None:
    assert regular_expressions.problem(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            r"\d",
            r"\w+",
            r"\s",
            r"\bx",
            "a.b",
            "(?i)a",
            "(?=a)",
            "(?<n>a)",
            r"(a)\1",
            r"\p{L}",
            "[[:alpha:]]",
            "[a&&b]",
        ),
        *(
            "a++",
            "a{,3}",
            "}",
            "]",
            r"\@",
            r"\ud83d\ude00",
            "[",
            "^*",
            "[]",
            "[^<]+$",
            "\n$",
            r"\A",
            r"\z",
            "$*",
        ),
    ],
)
def test_patterns_that_engines_read_differently(pattern: str) -> None:
    assert regular_expressions.problem(pattern) is not None


@given(st.dates())
def test_the_calendar_is_part_of_the_pattern(day: date) -> None:
    schema = {"type": "string", "pattern": formats.FORMATS["date"]["pattern"]}
    is_valid = jsonschema.Draft202012Validator(schema).is_valid
    assert is_valid(day.isoformat()) is (day.year >= 1000)
    next_number = f"{day.isoformat()[:8]}{day.day + 1:02}"
    is_last = (day.toordinal() == date.max.toordinal()) or date.fromordinal(day.toordinal() + 1).day == 1
    assert is_valid(next_number) is (day.year >= 1000 and not is_last)
