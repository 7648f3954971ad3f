"""Clients that generators make of the API's document compile under strict settings, and post, page and read."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from tests.interop.clients.conftest import Api
from tests.interop.clients.environments import HERE, ROOT, node_environment, python_environment, run
from tests.support import events

pytestmark = pytest.mark.interop
BIN = ROOT / ".venv" / "bin"
TYPESCRIPT = {
    "openapi_typescript": ["openapi-typescript", "api.json", "-o", "api.d.ts"],
    "hey_api": ["openapi-ts", "-i", "api.json", "-o", "client", "-c", "@hey-api/client-fetch"],
}


# What one generator writes around the types keeps `strict` alone.
STRICTER = {
    "openapi_typescript": ["--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes"],
    "hey_api": [],
}


@pytest.fixture(scope="module")
def document(api: Api) -> str:
    return json.dumps(api.platform.get("/v1/openapi.json")["body"])


def check(found: Any, sent: list[dict[str, Any]]) -> None:
    assert found["results"] == ["accepted", "duplicate"]
    assert set(found["seen"]) >= {one["eventId"] for one in sent}
    assert (found["read"], found["missing"]) == (sent[-1]["eventId"], 404)


@pytest.mark.parametrize("name", TYPESCRIPT)
def test_typescript(api: Api, document: str, name: str) -> None:
    folder = node_environment(name)
    (folder / "api.json").write_text(document)
    shutil.rmtree(folder / "out", ignore_errors=True)
    shutil.copy(HERE / "scripts" / f"use_{name}.ts", folder / "use.ts")
    shutil.copy(HERE / "scripts" / "tsconfig.json", folder)
    other, order = events.order(), events.order()
    assert api.platform.post([other])["status"] == 202
    for command in (TYPESCRIPT[name], ["tsc", "-p", ".", *STRICTER[name]]):
        # By Node itself, so that it need not be on the path.
        program = folder / "node_modules" / ".bin" / command[0]
        done = subprocess.run(
            [str(BIN / "node"), str(program.resolve()), *command[1:]],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
    found = run(
        [BIN / "node", folder / "out" / "use.js"],
        folder,
        {"URL": api.url, "KEY": api.key, "EVENT": json.dumps(order)},
    )
    check(found, [other, order])


def test_python(api: Api, document: str) -> None:
    name = "openapi_python_client"
    python = python_environment(name)
    folder = python.parents[1] / "made"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "api.json").write_text(document)
    shutil.copy(HERE / "scripts" / f"use_{name}.py", folder / "use.py")
    other, order = events.order(), events.order()
    assert api.platform.post([other])["status"] == 202
    generate = ["generate", "--path", "api.json", "--meta", "none", "--output-path", "millrace_client"]
    # What the generator writes around the operations is not strict Python itself.
    strict = ["--strict", "--follow-imports=silent", "use.py"]
    environ = {"PATH": f"{python.parent}:{BIN}:/usr/bin:/bin"}
    for command in (
        [str(python.with_name("openapi-python-client")), *generate],
        [str(python), "-m", "mypy", *strict],
    ):
        done = subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
    found = run([python, "use.py"], folder, {"URL": api.url, "KEY": api.key, "EVENT": json.dumps(order)})
    check(found, [other, order])
