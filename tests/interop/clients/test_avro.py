"""Whatever lint accepts is Avro to the libraries that others read it with: the contracts here, and generated ones."""

import json
from pathlib import Path

import pytest

from millrace.compiler.exports import avro
from tests.contract.test_published_forms import generated
from tests.interop.clients.environments import run_node, run_python
from tests.support.contracts import FILES, compiled

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of all schemas."""
    made = [avro.export(contract) for contract in (*map(compiled, FILES), *generated())]
    file = tmp_path_factory.mktemp("avro") / "schemas.json"
    file.write_text(json.dumps(made))
    return file


def test_apache_avro(schemas: Path) -> None:
    found = run_python("apache_avro", SCHEMAS=str(schemas))
    assert (found["read"] > 100, found["problems"]) == (True, [])


def test_avsc(schemas: Path) -> None:
    found = run_node("avsc", SCHEMAS=str(schemas))
    assert (found["read"] > 100, found["problems"]) == (True, [])
