"""Whatever extreme a contract lets in goes all the way, and nobody else pays for it.

Here both ends of every field of every event type; `make extremes` is the long run, with what is odd between them.
"""

import pytest

from tests.support.emulator import pointed_at
from tests.support.extremes.story import Size, run_extremes

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
TURNS = (0, 1)


@pytest.mark.usefixtures("bundle")
def test_extremes_go_all_the_way_and_nobody_else_pays(emulator: str) -> None:
    with pointed_at(emulator):
        report = run_extremes(emulator, Size(TURNS))
    assert report.wrong == []
