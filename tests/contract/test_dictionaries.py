"""Dictionaries are there, stay as they are, and keep a row within one write unit."""

import hashlib
import random
import shutil
from pathlib import Path

import pytest

from millrace.compiler import dictionaries, samples
from millrace.contracts.registry import Registry
from millrace.eventstore.codec import Codec
from tests.support import rows
from tests.support.contracts import FILES, SCHEMAS, compiled, named

STORED = [path for path in FILES if compiled(path).store == "table"]
# DynamoDB's write unit. The goal is held at the 95th percentile.
WRITE_UNIT = 1024


@pytest.fixture(scope="module")
def registry(bundle: Path) -> Registry:
    return Registry(bundle)


@pytest.mark.parametrize("path", STORED, ids=named)
def test_every_stored_contract_has_one(path: Path, registry: Registry) -> None:
    contract = compiled(path)
    assert contract.dictionary.startswith(f"{contract.name}.")
    assert registry.dictionary(contract.dictionary)


@pytest.mark.parametrize("path", STORED, ids=named)
def test_the_95th_percentile_of_a_row_is_one_write_unit(path: Path, registry: Registry) -> None:
    contract = compiled(path)
    rng, codec = random.Random(contract.name), Codec(registry.dictionary)
    golden = samples.golden(path)[0]
    sizes = sorted(rows.size(rows.item(rows.variant(golden, rng), contract, codec, rng)) for _ in range(200))
    assert sizes[189] < WRITE_UNIT, f"95th percentile {sizes[189]} bytes"


def sums(schemas: Path) -> dict[str, str]:
    """Name → hash, as the list has them."""
    lines = (schemas / "dictionaries/SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def found(schemas: Path) -> dict[str, str]:
    """Name → hash, of the files."""
    files = (schemas / "dictionaries").glob("*.zdict")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_each_stands_in_the_list_of_what_was_ever_made() -> None:
    """Rows written years ago name their dictionary: no file may change or go. The list only ever grows."""
    assert found(SCHEMAS) == sums(SCHEMAS)


def test_the_next_one_has_the_next_number_and_the_old_one_stays(tmp_path: Path) -> None:
    path = STORED[0]
    contract, golden = compiled(path), samples.golden(path)
    shutil.copytree(SCHEMAS / "dictionaries", tmp_path / "dictionaries")
    number = dictionaries.numbers(contract.name, tmp_path)[-1]
    old = {path: path.read_bytes() for path in (tmp_path / "dictionaries").glob("*.zdict")}
    changed = [{**golden[0], "region": "af-south-1"}, *golden[1:]]
    made = dictionaries.new_dictionary(contract, changed, tmp_path)
    assert made is not None
    assert made.name == f"{contract.name}.{number + 1}.zdict"
    assert dictionaries.current(contract.name, tmp_path) == f"{contract.name}.{number + 1}"
    assert dictionaries.new_dictionary(contract, changed, tmp_path) is None
    assert all(path.read_bytes() == content for path, content in old.items())
    assert sums(tmp_path) == found(tmp_path)
