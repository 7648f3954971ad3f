"""One synth an environment and session."""

import pytest

from tests.support.templates import NAMES, Templates, templates


@pytest.fixture(params=NAMES)
def every(request: pytest.FixtureRequest) -> Templates:
    """Each environment in turn."""
    return templates(request.param)


@pytest.fixture
def local() -> Templates:
    return templates("local")


@pytest.fixture
def dev() -> Templates:
    return templates("dev")


@pytest.fixture
def prod() -> Templates:
    return templates("prod")
