"""Hundreds of users of the repository's own views, hour by hour: what is served is what the offline store has, at a row a payment."""

from datetime import timedelta
from math import isclose
from pathlib import Path

import pyarrow as pa
import pytest

from millrace.features import views as feature_views
from tests.support.payers import START, Payers

pytestmark = pytest.mark.integration
USERS, HOUR = 500, timedelta(hours=1)


def test_a_payment_is_one_row_and_every_value_is_what_the_offline_store_has(
    bundle: Path, tmp_path: Path
) -> None:
    payers = Payers(feature_views.load(), tmp_path, users=USERS, a_day=0.5, days=4, merchants=40)
    users = [*range(USERS), 10**9]
    shops = [f"shop {user % 45}" for user in users]
    frame = pa.table({"user_id": pa.array(users, pa.int64()), "merchant": shops})

    def run(after: timedelta) -> dict[str, int]:
        done = payers.run(START + after)
        assert [one.error for one in done] == [None] * 3
        served, offline = payers.served_and_offline(frame)
        for name, values in offline.items():
            assert [one is None for one in served[name]] == [one is None for one in values], name
            pairs = zip(served[name], values, strict=True)
            # pytest.approx takes a quarter of the test for as many values.
            assert all(isclose(one or 0, other or 0, rel_tol=1e-11, abs_tol=1e-12) for one, other in pairs), (
                name
            )
        return {one.entity: one.written for one in done}

    assert run(timedelta(0)) == {"user": USERS, "merchant": 40, "product": 0}
    payments = written = 0
    for hour in range(1, 6):
        rows = run(hour * HOUR)
        paid = payers.paid(START + (hour - 1) * HOUR, START + hour * HOUR, HOUR)
        assert rows["user"] >= paid
        assert rows["merchant"] <= 40
        payments, written = payments + paid, written + rows["user"]
    assert payments > 40
    # The windows of some thousand older payments have closed meanwhile.
    assert written <= payments * 1.1
    # After three days without a run, too.
    run(timedelta(days=3, hours=5))
