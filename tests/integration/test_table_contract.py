"""`millrace contracts table` against a real PostgreSQL: a contract that passes lint at once, and what one lacks later."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli.commands import contracts, first_contract, table_contract
from cli.main import app
from cli.places import Places
from tests.support.postgres import Database, Server, database

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shop() -> Iterator[Database]:
    server = Server()
    try:
        server.start()
        with database(server) as found:
            found.run(
                "CREATE TABLE orders (id bigint PRIMARY KEY, email text, total numeric(10,2), paid_at timestamptz, tags text[])",
                "INSERT INTO orders VALUES (1, 'maria@example.org', 9.99, now(), '{a}')",
                "CREATE TABLE loose (n int)",
                "CREATE PUBLICATION millrace FOR TABLE orders, loose",
            )
            yield found
    finally:
        server.close()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop: Database) -> Path:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    for commands in (contracts, first_contract, table_contract):
        monkeypatch.setattr(commands, "checkout", lambda: Places(tmp_path))
    source(tmp_path, shop, ["local"])
    return tmp_path


def source(root: Path, shop: Database, environments: list[str]) -> None:
    document = {
        "name": "shop",
        "description": "Tables of the shop.",
        "org": "org_acme",
        "environments": environments,
        "kind": "postgres",
        "postgres": {"host": str(shop.server.folder), "database": shop.name, "user": "postgres"},
    }
    (root / "schemas/sources/shop.yaml").write_text(yaml.safe_dump(document, sort_keys=False))


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(app, ["contracts", *arguments, "--json"])
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else done.exception


def test_it_passes_lint_at_once_and_a_new_column_is_told(checkout: Path, shop: Database) -> None:
    made = run("table", "shop", "public.orders")
    assert made["id"] == "public.orders.changed.v1"
    assert any("/data/payload/after/email is confidential" in guess for guess in made["guesses"])
    assert run("lint")["breaking"] == []
    folder = checkout / "schemas/events/shop/public.orders.changed"
    written = "".join(path.read_text() for path in folder.rglob("*.*"))
    assert "maria" not in written
    assert run("table", "shop", "public.orders")["missing"] == []
    shop.run("ALTER TABLE orders ADD note text")
    assert run("table", "shop", "public.orders") == {
        "contract": "schemas/events/shop/public.orders.changed/v1.yaml",
        "missing": [
            "/data/payload/before/note: {name: note, logicalType: string}",
            "/data/payload/after/note: {name: note, logicalType: string}",
        ],
    }


def test_what_cannot_be_read_is_a_sentence(checkout: Path, shop: Database) -> None:
    assert "public.loose has no primary key" in str(run("table", "shop", "public.loose"))
    assert "public.gone is no table of the publication millrace: public.loose, public.orders" in str(
        run("table", "shop", "public.gone")
    )
    assert "no source of kind postgres is called canary: shop" in str(run("table", "canary", "public.orders"))
    source(checkout, shop, ["local", "dev"])
    assert "offers no TLS, which is required outside local" in str(run("table", "shop", "public.orders"))
