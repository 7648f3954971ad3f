"""`millrace contracts`: the gate against another revision, in a repository of its own."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.commands import contracts, first_contract
from cli.errors import UsageError
from cli.main import app
from cli.places import Places
from millrace.compiler import deployed

ROOT = Path(__file__).parents[3]
ORDER = "schemas/events/commerce/order.created/v1.yaml"
KEPT = ("commerce", "identity", "operations")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "millrace"
    # Some of the event types: each command compiles all that are there.
    elsewhere = [path.name for path in (ROOT / "schemas/events").iterdir() if path.name not in KEPT]
    shutil.copytree(ROOT / "schemas", root / "schemas", ignore=shutil.ignore_patterns(*elsewhere))
    for commands in (contracts, first_contract):
        monkeypatch.setattr(commands, "checkout", lambda: Places(root))
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "base"],
    ):
        subprocess.run(["git", "-C", str(root), *arguments], check=True, timeout=60)
    return root


def edit(root: Path, old: str, new: str) -> None:
    text = (root / ORDER).read_text()
    assert old in text
    (root / ORDER).write_text(text.replace(old, new, 1))


def run(*arguments: str) -> tuple[int, Any]:
    done = CliRunner().invoke(app, ["contracts", *arguments, "--json"])
    return done.exit_code, json.loads(done.stdout.splitlines()[-1]) if done.stdout else done.exception


def test_nothing_changed_breaks_nothing(repository: Path) -> None:
    code, result = run("diff")
    assert (code, result["breaking"]) == (0, [])
    files = [*repository.glob("schemas/events/*/*/v*.yaml"), *repository.glob("schemas/tables/*/*.yaml")]
    assert result["contracts"] == len(files) > 10


def test_a_breaking_change_is_refused_with_pointer_and_reason(repository: Path) -> None:
    edit(repository, "version: 1.2.0", "version: 1.3.0")
    edit(repository, "minItems: 1", "minItems: 2")
    code, result = run("diff", "HEAD")
    assert code == 1
    (reason,) = result["breaking"]
    assert (reason["contract"], reason["pointer"], reason["kind"]) == (
        "order.created.v1",
        "/data/payload/items",
        "narrowed",
    )
    assert reason["reason"]


def test_a_new_field_and_a_new_type_are_welcome(repository: Path) -> None:
    edit(repository, "version: 1.2.0", "version: 1.3.0")
    field = "          - name: channel\n            logicalType: string\n      - name: metadata"
    edit(repository, "      - name: metadata", field)
    target = repository / "schemas/events/commerce/order.shipped"
    shutil.copytree((repository / ORDER).parent, target)
    new = target / "v1.yaml"
    new.write_text(new.read_text().replace("order.created", "order.shipped"))
    assert run("diff") == (
        0,
        {
            "contracts": len(list(repository.glob("schemas/events/*/*/v*.yaml")))
            + len(list(repository.glob("schemas/tables/*/*.yaml"))),
            "breaking": [],
            "notices": [
                "order.created.v1 /data/payload/channel: the type is open, so clients may send anything there already; "
                "intake will refuse what does not fit, and silver keeps older rows without it"
            ],
            "base": "revision HEAD (of this checkout; --env compares with what is deployed)",
        },
    )


def test_a_version_is_published_once_and_stays(repository: Path) -> None:
    edit(repository, "version: 1.2.0", "version: 1.2.1")
    edit(repository, "purpose: A customer", "purpose: Some customer")
    assert run("publish") == (0, {"published": ["schemas/published/order.created/1.2.1.json"]})
    assert run("publish") == (0, {"published": []})
    assert run("diff")[0] == 0
    file = repository / "schemas/published/order.created/1.2.0.json"
    file.write_text(file.read_text().replace("A customer", "No customer"))
    code, result = run("diff")
    (reason,) = result["breaking"]
    assert (code, reason["contract"], reason["kind"]) == (1, "order.created.v1", "published")
    file.unlink()
    assert "is gone" in run("diff")[1]["breaking"][0]["reason"]


def test_build_keeps_what_is_committed_or_deployed(repository: Path) -> None:
    # Feature views and aggregates read types that this repository does not have.
    for folder in ("features", "aggregates", "patterns", "anomalies", "sigma"):
        shutil.rmtree(repository / "schemas" / folder)
    edit(repository, "version: 1.2.0", "version: 1.3.0")
    file = repository / "schemas/published/order.created/1.3.0.json"
    assert run("build") == (0, {"written": ["schemas/published/order.created/1.3.0.json"]})
    # Nobody has read it yet, so its text follows the contract.
    edit(repository, "purpose: A customer", "purpose: Some customer")
    assert run("build")[0] == 0
    text = file.read_text()
    assert "Some customer" in text
    packed = deployed.pack(deployed.of(repository / "schemas"))
    template = Places(repository).assembly / "millrace-local-ingestion.template.json"
    template.parent.mkdir(parents=True)
    template.write_text(json.dumps({"Metadata": {deployed.METADATA: packed}}))
    assert run("build") == (0, {"written": []})
    edit(repository, "purpose: Some customer", "purpose: The customer")
    code, refusal = run("build")
    assert (code, str(refusal)) == (
        1,
        "order.created.v1: 1.3.0 is deployed here, and the contract has changed since; "
        "millrace contracts diff --env local --fix raises its version",
    )
    assert file.read_text() == text
    edit(repository, "version: 1.3.0", "version: 1.2.0")
    assert "1.2.0 is committed, and the contract has changed since; millrace contracts diff --fix" in str(
        run("build")[1]
    )


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("purpose: A customer", "purpose: Some customer", "1.2.0 is published with another odcs"),
        ("version: 1.2.0", "version: 1.2.1", "1.2.1 is not published; run: millrace contracts publish"),
    ],
)
def test_what_is_not_published_in_its_texts_is_named(repository: Path, old: str, new: str, part: str) -> None:
    """No version may have two schemas."""
    edit(repository, old, new)
    code, result = run("lint")
    assert code == 1
    assert part in str(result)


def test_a_column_that_goes_from_a_table_is_refused(repository: Path) -> None:
    table = repository / "schemas/tables/marts/revenue_by_day.yaml"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(line for line in lines if "name: order_count" not in line))
    code, result = run("diff")
    assert code == 1
    assert [(one["contract"], one["pointer"], one["kind"]) for one in result["breaking"]] == [
        ("marts.revenue_by_day", "/order_count", "removed")
    ]


def test_a_check_of_a_table_that_is_of_no_known_kind_is_named(repository: Path) -> None:
    table = repository / "schemas/tables/marts/revenue_by_day.yaml"
    table.write_text(table.read_text().replace("metric: duplicateValues", "metric: roundValues"))
    code, result = run("lint")
    assert code == 1
    assert "roundValues" in str(result)


def test_a_removed_type_is_refused(repository: Path) -> None:
    shutil.rmtree(repository / "schemas/events/operations/system.health.check")
    code, result = run("diff")
    assert (code, [reason["kind"] for reason in result["breaking"]]) == (1, ["removed"])


def test_what_does_not_compile_and_what_git_does_not_know(repository: Path) -> None:
    code, result = run("diff", "no-such-branch")
    assert isinstance(result, UsageError) or code == 2
    edit(repository, "kind: DataContract", "kind: Nothing")
    assert run("diff")[0] != 0


def test_a_page_for_each_type(repository: Path, tmp_path: Path) -> None:
    code, result = run("docs", "--out", str(tmp_path / "pages"))
    assert code == 0
    assert len(list((tmp_path / "pages").glob("*.v*.md"))) == result["contracts"]
    assert "order.created.v1.md" in (tmp_path / "pages/README.md").read_text()


def test_a_new_type_gets_its_dictionary_once(repository: Path) -> None:
    target = repository / "schemas/events/commerce/order.shipped"
    shutil.copytree((repository / ORDER).parent, target)
    for file in (target / "v1.yaml", target / "samples/v1.golden.json"):
        file.write_text(file.read_text().replace("order.created", "order.shipped"))
    assert run("dictionaries") == (0, {"made": ["order.shipped.v1.1.zdict"]})
    assert run("dictionaries") == (0, {"made": []})
    golden = target / "samples/v1.golden.json"
    golden.write_text(golden.read_text().replace("Lisboa", "Porto"))
    assert run("dictionaries", "--renew", "order.shipped") == (0, {"made": ["order.shipped.v1.2.zdict"]})
