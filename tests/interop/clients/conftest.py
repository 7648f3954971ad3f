"""The API behind a socket, in process, and a key of a tenant: what a client is given."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.platform import ACME, Platform, platform
from tests.support.served import served

DOCUMENT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[3] / "schemas" / "openapi.yaml").read_text()
)


@dataclass(frozen=True)
class Api:
    """Where it answers, a key of one tenant, and the platform behind it."""

    url: str
    key: str
    platform: Platform


@pytest.fixture(scope="module")
def api(bundle: Path) -> Iterator[Api]:
    with platform(bundle, in_memory=True) as running, served(DOCUMENT, running.functions) as url:
        yield Api(url, running.keys[ACME], running)
