"""What a beginner writes, and the sentence that names its line and the way out."""

import shutil
from pathlib import Path

import pytest

from millrace.compiler import dictionaries, samples
from millrace.compiler.event_contracts import compile_contracts, compile_file
from millrace.compiler.places import located
from millrace.compiler.warehouse.errors import WarehouseError
from millrace.contracts.errors import ContractError
from tests.support.contracts import SCHEMAS

FOLDER = "events/commerce/order.created"
FILE = f"schemas/{FOLDER}/v1.yaml"
ID = "/schema/0/properties/0/properties/0"
TYPES = "there are array, boolean, date, integer, number, object, string, timestamp"
FIELD = "            logicalType: string\n            logicalTypeOptions: {format: identifier}"
LIST = f"{FIELD}\n            enum: "

# What is replaced, by what → line, pointer and sentence. A text that ends in … is how the sentence begins.
BROKEN = {
    "a tab": (
        "    logicalType: object\n",
        "\tlogicalType: object\n",
        ":14: while scanning for the next token found …",
    ),
    "a wrong indent": (
        "        properties:\n",
        "       properties:\n",
        ":19: while parsing a block collection expected <block end>, but found …",
    ),
    "a key twice": ("status: active", "status: active\nstatus: active", ":7: status stands here twice"),
    "a comma within braces": (
        "{format: identifier}",
        "{physicalType: decimal(18,4)}",
        ':22: within { } a comma ends a value: write "decimal(18,4)" in quotes',
    ),
    "a colon in a text": ("A customer has", "A: customer has", ":9: mapping values are not allowed here"),
    "an open quote": (
        "purpose: A",
        'purpose: "A',
        ":9: while scanning a quoted scalar found unexpected end of stream",
    ),
    "an unknown key": (
        "domain: c",
        "domian: c",
        ":7 /domian: the standard has no domian here; did you mean domain?",
    ),
    "an unknown key of a field": (
        "            required: true",
        "            requierd: true",
        f":23 {ID}/requierd: the standard has no requierd here; did you mean required?",
    ),
    "no id": ("id: order.created.v1\n", "", ":1: id is missing"),
    "another id": (
        "id: order.created.v1",
        "id: order.v1",
        ":3 /id: by its name and version the id is order.created.v1",
    ),
    "a type misspelt": (
        FIELD,
        FIELD.replace("string", "strin"),
        f":21 {ID}/logicalType: strin is not a type; {TYPES}: write string",
    ),
    "a type of another language": (
        FIELD,
        FIELD.replace("string", "float"),
        f":21 {ID}/logicalType: float is not a type; {TYPES}: write number",
    ),
    "a version of two numbers": (
        "1.2.0",
        "1.2",
        ":5 /version: a version is major.minor.patch, such as 1.2.0",
    ),
    "a version of words": ("1.2.0", "latest", ":5 /version: a version is major.minor.patch, such as 1.2.0"),
    "a name without a dot": (
        "name: order.created",
        "name: orders",
        ":4 /name: the name of an event's contract is its type, …",
    ),
    "a class of pattern": (
        "{format: identifier}",
        r"{pattern: '^\d+$'}",
        rf":22 {ID}/logicalTypeOptions/pattern: engines read '\\d+$' in its pattern differently: write [0-9]; see …",
    ),
    "any character": (
        "{format: identifier}",
        "{pattern: '^.+$'}",
        rf":22 {ID}/logicalTypeOptions/pattern: engines read '.+$' in its pattern differently: write [^\r\n]; see …",
    ),
    "no pattern": (
        "{format: identifier}",
        "{pattern: '(a'}",
        f":22 {ID}/logicalTypeOptions/pattern: its pattern is none: …",
    ),
    "an unknown format": (
        "format: identifier",
        "format: guid",
        f":22 {ID}/logicalTypeOptions/format: no format is called guid; …",
    ),
    "a list of mixed types": (
        FIELD,
        f"{LIST}[{{value: a}}, {{value: 1}}]",
        f':23 {ID}/enum/1/value: 1 is not of the type string; write "1"',
    ),
    "an unknown property": (
        "property: category",
        "property: categroy",
        ":98 /customProperties/0/property: categroy is none of …",
    ),
    "an unknown category": (
        "value: business-events",
        "value: business",
        ":98 /customProperties/0/value: category is one of …",
    ),
    "a field twice": (
        "name: userId",
        "name: orderId",
        ":26 /schema/0/properties/0/properties/1/name: the field orderId stands here twice",
    ),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(SCHEMAS / FOLDER, tmp_path / "schemas" / FOLDER)
    return tmp_path


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_contract_is_named_by_its_line(name: str, root: Path) -> None:
    old, new, wanted = BROKEN[name]
    text = (root / FILE).read_text()
    assert old in text
    (root / FILE).write_text(text.replace(old, new, 1))
    with pytest.raises(ContractError) as caught:
        compile_contracts(root / "schemas")
    lines = located(caught.value, root)
    wanted = f"{FILE}{wanted}"
    assert any(one.startswith(wanted[:-1]) if wanted.endswith("…") else one == wanted for one in lines), lines


@pytest.mark.parametrize("text", ["", "- a\n", "order"])
def test_what_is_no_object_is_named(text: str, root: Path) -> None:
    (root / FILE).write_text(text)
    with pytest.raises(ContractError) as caught:
        compile_contracts(root / "schemas")
    assert located(caught.value, root) == [
        f"{FILE}:1: a contract is an object, such as docs/recipes.md shows"
    ]


def test_a_transform_is_named_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "warehouse/models/marts/orders.sql"
    file.parent.mkdir(parents=True)
    file.touch()
    error = WarehouseError(
        ["marts.orders: DuckDB would not read it: Line 2, Col: 3.", "orders: no", "macros: no"]
    )
    assert located(error, tmp_path) == [
        "warehouse/models/marts/orders.sql:2: DuckDB would not read it: Line 2, Col: 3.",
        "warehouse/models/marts/orders.sql: no",
        "macros: no",
    ]


def test_a_dictionary_of_another_type_is_refused(root: Path) -> None:
    schemas = root / "schemas"
    contract = compile_file(root / FILE, schemas)
    golden = samples.golden(schemas / FOLDER / "v1.yaml")
    other = [{**one, "eventType": "cart.item_added"} for one in golden]
    with pytest.raises(ContractError, match=r"made from samples of cart\.item_added, not of order\.created"):
        dictionaries.new_dictionary(contract, other, schemas)
    file = dictionaries.new_dictionary(contract, golden, schemas)
    assert file is not None
    contract = compile_file(root / FILE, schemas)
    assert [*dictionaries.problems([contract], schemas)] == []
    file.write_bytes(dictionaries.content(contract, other))
    (problem,) = dictionaries.problems([contract], schemas)
    assert "run: millrace contracts dictionaries --renew order.created" in problem.sentence
