"""A platform in process for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emulator import emulator, lake
from tests.support.platform import Platform, platform
from tests.support.publishing import publish, runs, warehouse

__all__ = ["emulator", "lake", "publish", "runs", "warehouse"]


@pytest.fixture
def running(bundle: Path) -> Iterator[Platform]:
    """Both tenants on empty stores."""
    with platform(bundle) as found:
        yield found
