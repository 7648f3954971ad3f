"""The files that docs/recipes.md tells people to write do what it says."""

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.commands import contracts as commands
from cli.main import app
from cli.places import Places
from millrace.compiler import aggregates, feature_views, patterns, samples
from millrace.compiler import bundle as compiler
from millrace.compiler.event_contracts import compile_contracts
from millrace.contracts import registry
from millrace.core import clock
from millrace.features import views
from millrace.fraud import rulebook
from millrace.patterns import definition
from millrace.warehouse import project
from tests.support.majors import schemas_with_two_majors

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "recipes.md").read_text()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is compiled, with every file of the recipes in it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("schemas", "warehouse"):
        shutil.copytree(ROOT / name, folder / name)
    files = re.findall(r"^`([\w./]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    assert len(files) == 8
    for name, content in files:
        path = folder / name
        assert not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    rules = folder / "schemas/fraud/rules.yaml"
    (addition,) = re.findall(r"^```yaml\n(tenants:.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    assert rules.read_text().endswith("tenants: []\n")
    rules.write_text(rules.read_text().removesuffix("tenants: []\n") + addition)
    feature_views.pin(folder / "schemas")
    contracts = compile_contracts(folder / "schemas")
    aggregates.pin(folder / "schemas", contracts)
    patterns.pin(folder / "schemas", contracts)
    return folder


@pytest.fixture(scope="module")
def made(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    compiler.assemble(checkout / "schemas", checkout / "warehouse", folder)
    return folder


def test_an_event_type_is_one_contract(checkout: Path, made: Path) -> None:
    contracts = registry.load(made)
    contract = contracts.find("wishlist.item_added")
    file = checkout / "schemas/events/commerce/wishlist.item_added/v1.yaml"
    (event,) = samples.golden(file)
    assert contracts.validator(contract).errors(event) == []
    (broken,) = samples.broken(file)
    found = contracts.validator(contract).errors(broken.event)
    assert [(one.pointer, one.code) for one in found] == [("/data/payload/quantity", "minimum")]
    columns = {column.name for column in contracts.tables()["silver.wishlist_item_added_v1"].columns}
    assert {"org_id", "event_time", "wishlist_id", "user_id", "product_id", "quantity"} <= columns


def test_a_table_is_a_promise_and_its_sql(made: Path) -> None:
    transform = project.load(made).transform("marts.wishlists_by_day")
    assert transform.inputs == ("silver.wishlist_item_added_v1",)
    assert transform.columns == ("org_id", "day", "product_id", "item_count")


def test_a_feature_is_an_entry_of_a_view(made: Path) -> None:
    view = views.load(made).view("wishlist_features")
    assert view.features == ("item_count_1d", "item_count_7d")


def test_a_pattern_is_one_file(made: Path) -> None:
    (pattern,) = (one for one in definition.load(made) if one.name == "large_payouts")
    assert (pattern.kind, pattern.by, pattern.steps[0].count) == ("count", "user", 3)


def test_a_breaking_change_is_announced_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schemas_with_two_majors(tmp_path, ("commerce", "identity"))
    monkeypatch.setattr(commands, "checkout", lambda: Places(tmp_path))
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 12, 6, tzinfo=UTC))
    (line,) = re.findall(r"^ +\.venv/bin/millrace (contracts announce .*)$", TEXT, flags=re.MULTILINE)
    (consumers,) = re.findall(r"`- (\{property: consumers, .*\})`", TEXT)
    file = tmp_path / "schemas/events/commerce/order.created/v1.yaml"
    file.write_text(f"{file.read_text()}  - {consumers}\n")
    for command in (line, "contracts publish", "contracts lint", "contracts status"):
        done = CliRunner().invoke(app, [*command.split(), "--json"])
        assert done.exit_code == 0, done.exception
    (change,) = json.loads(done.stdout.splitlines()[-1])["changes"]
    assert (change["contract"], change["to"]) == ("order.created.v1", "order.created.v2")
    assert change["ends"] == "2026-12-20"
    assert change["consumers"] == [{"name": "billing", "contact": "billing@example.org"}]


def test_a_rule_of_a_tenant_is_data(made: Path) -> None:
    rules = rulebook.load(made)
    assert rules.of("org_acme").version == "1.0.0+org_acme"
    assert rules.of("org_globex").version == "1.0.0"
