"""A platform in process for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emulator import emulator, lake
from tests.support.platform import Platform, platform
from tests.support.publishing import publish, runs, warehouse
from tests.support.silver_runs import files, registry, without_checks

__all__ = ["emulator", "files", "lake", "publish", "registry", "runs", "warehouse", "without_checks"]


@pytest.fixture
def running(bundle: Path) -> Iterator[Platform]:
    """Both tenants on empty stores."""
    with platform(bundle) as found:
        yield found


@pytest.fixture(scope="module")
def warm(bundle: Path) -> Iterator[Platform]:
    """One platform for all tests of a file, as the deployed one is."""
    with platform(bundle, in_memory=True) as found:
        yield found
