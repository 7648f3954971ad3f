"""`make notebook`: which platform it reads, who may reach it; and the committed notebooks hold no results."""

import json
from pathlib import Path

import pytest

from cli import notebook
from cli.places import Places

pytestmark = pytest.mark.unit
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "path", sorted((ROOT / notebook.FOLDER).glob("*.ipynb")), ids=lambda path: str(path.name)
)
def test_a_notebook_is_committed_without_results(path: Path) -> None:
    """In JupyterLab: Edit, Clear Outputs of All Cells, then save."""
    document = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    assert cells
    assert [cell["id"] for cell in cells if cell["outputs"] or cell["execution_count"]] == []
    assert path.stat().st_size < 16_384


def test_the_first_one_is_there() -> None:
    assert (ROOT / notebook.FOLDER / notebook.FIRST).exists()
    assert f"--LabApp.default_url=/lab/tree/{notebook.FIRST}" in notebook.command("python", 8889)


def test_it_is_reachable_from_this_machine_only() -> None:
    assert {"--ServerApp.ip=127.0.0.1", "--ServerApp.port=8889"} <= set(notebook.command("python", 8889))


def test_it_reads_the_local_platform_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_PORT", "4577")
    local = notebook.environ({"PATH": "/bin", "PYTHONPATH": "/x"}, Places(tmp_path))
    assert local["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4577"
    assert local["PYTHONPATH"] == str(tmp_path / "layers/millrace/python")
    other = notebook.environ({"AWS_PROFILE": "shop"}, Places(tmp_path))
    assert set(other) == {"AWS_PROFILE", "PYTHONPATH"}


def test_it_has_the_platforms_versions() -> None:
    names = {pin.partition("==")[0].partition("[")[0] for pin in notebook.requirements()}
    assert names >= notebook._SHARED
