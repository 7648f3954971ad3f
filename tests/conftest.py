"""What every test shares: its marker by folder, no network where none is meant, and the compiled contracts."""

import gc
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer

from tests.support import workers

HERE = Path(__file__).parent
ROOT = HERE.parent
KINDS = ("unit", "contract", "integration", "infrastructure", "e2e", "interop")
# The Node of this environment, before any that the machine has: the CDK library starts it when it is imported.
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
# What a command prints is as wide as a pipe takes it, whatever terminal the tests were started in.
os.environ.pop("COLUMNS", None)
# Test processes share the processors: threads of scikit-learn's loops would only wait for each other, spinning.
os.environ["OMP_NUM_THREADS"] = "1"
# How long an example takes is the machine's load, and no property.
hypothesis.settings.register_profile("millrace", deadline=None)
hypothesis.settings.load_profile("millrace")
WITHOUT_SOCKETS = {"unit", "contract"}
E2E_SECONDS = 900


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> workers.ByFile:
    """Which tests go to which process."""
    return workers.ByFile(config, log)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """As many processes as processors, and one more where one of them drives the deployed platform: it mostly waits."""
    deploys = not config.args or any(
        "e2e" in one or Path(one).resolve() in (HERE, ROOT) for one in config.args
    )
    return (os.cpu_count() or 1) + deploys


def pytest_configure(config: pytest.Config) -> None:
    """Before anything runs."""
    # What is collected stays: looking through it again and again finds nothing to free.
    gc.disable()
    workers.begin(config)


def pytest_collection_finish() -> None:
    """The garbage collector, which from now on leaves out the thousands of tests that stay until the end."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    """After everything has."""
    workers.end(config)


@cache
def _kind(path: Path) -> str:
    kind = path.relative_to(HERE).parts[0]
    if kind not in KINDS:
        raise pytest.UsageError(f"{path}: tests live in {', '.join(KINDS)}")
    return kind


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives each test the marker of its folder. Alone the quick kinds run first, beside other workers the long ones.

    Raises:
        pytest.UsageError: a test lies outside the six folders.
    """
    # What is left at the end is short then: no worker waits long for the other.
    items.sort(key=lambda item: KINDS.index(_kind(item.path)), reverse=workers.beside_others())
    for item in items:
        kind = _kind(item.path)
        item.add_marker(getattr(pytest.mark, kind))
        if kind in WITHOUT_SOCKETS:
            item.add_marker(pytest.mark.disable_socket)
        # The first one waits for the deploy, the last for the end of the platform.
        if kind == "e2e" and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(E2E_SECONDS))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before a test and its fixtures."""
    if _kind(item.path) != "e2e":
        workers.give_way()


@pytest.fixture(scope="session", autouse=True)
def _dummy_account() -> Iterator[None]:
    """Keeps every client away from the account of whoever runs the tests."""
    kept = dict(os.environ)
    for name in [n for n in os.environ if n.startswith("AWS_") and not n.startswith("AWS_ENDPOINT_URL")]:
        del os.environ[name]
    os.environ.update(
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_REGION="us-east-1",
        AWS_EC2_METADATA_DISABLED="true",
        POWERTOOLS_METRICS_NAMESPACE="Millrace",
    )
    yield
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture(scope="session")
def bundle() -> Iterator[Path]:
    """The contracts of `schemas/`, compiled once a run; `MILLRACE_BUNDLE` names the folder meanwhile."""
    from tests.support import own_layer

    folder = own_layer.bundle()
    before = os.environ.get("MILLRACE_BUNDLE")
    os.environ["MILLRACE_BUNDLE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["MILLRACE_BUNDLE"]
    else:
        os.environ["MILLRACE_BUNDLE"] = before
