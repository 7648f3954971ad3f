"""Whatever engine reads a table reads what Millrace reads: rows, nulls, sums, first and last values, of each tenant."""

import pytest

from tests.interop.conftest import MOMENTS, Interop
from tests.interop.engines import ENGINES
from tests.interop.platform import EVOLVED, ORGS

# The first waits for the deploy, the downloads of the engines and all of their answers.
pytestmark = pytest.mark.timeout(5400)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_reads_every_table(interop: Interop, engine: str, moment: str) -> None:
    if reason := interop.missing.get(engine):
        pytest.skip(reason)
    assert interop.wrong(engine, moment) == {}


def test_the_moments_differ(interop: Interop) -> None:
    """Else nothing was shown."""
    first, second = interop.moments["first run"].right, interop.moments["second run"].right
    assert {table.partition(".")[0] for table in second} == {"silver", "gold", "marts", "ml_features"}
    assert set(second[EVOLVED]) == set(ORGS)
    assert first[EVOLVED] != second[EVOLVED]
    before, after = second[EVOLVED], interop.moments["evolved"].right[EVOLVED]
    org = max(ORGS)
    assert (after[org]["nulls(currency)"], before[org]["nulls(currency)"]) == ("1", "0")
    assert "nulls(note)" in after[org]
    assert "nulls(note)" not in before[org]
    assert after[org]["first(received_at)"] == "0001-01-01 00:00:00.000000"
    assert after[org]["last(received_at)"] == "9999-12-31 23:59:59.999999"
