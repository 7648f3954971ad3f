"""A checkout in a temporary folder."""

from pathlib import Path

import pytest

from cli.places import Places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for name in ("stacks", "functions/post_events", "layers", "schemas", ".local"):
        (tmp_path / name).mkdir(parents=True)
    for name in (
        "app.py",
        "cdk.json",
        "requirements.txt",
        "stacks/storage.py",
        "functions/post_events/handler.py",
    ):
        (tmp_path / name).write_text(name)
    return Places(tmp_path)


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of who runs the tests decides nothing in them."""
    monkeypatch.delenv("MILLRACE_API_KEY", raising=False)
