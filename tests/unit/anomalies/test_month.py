"""On a month in which it is known what is wrong."""

from bench import p34_anomalies as bench
from cli.seeding.volumes import month


def test_a_labelled_month() -> None:
    hours, planted = month(1)
    assert {one.kind for one in planted} == {"spike", "drop", "silence", "share", "drift"}
    ours = [bench.judged(hours, planted, bench.by_season)]
    peer = [bench.judged(hours, planted, bench.by_z_score)]
    assert bench.precision(ours) >= 0.9
    assert bench.recall(ours) >= 0.8
    assert bench.precision(ours) > bench.precision(peer)
    assert bench.recall(ours) > bench.recall(peer)


def test_a_seed_is_the_same_month() -> None:
    assert month(3, past_weeks=0, days=10) == month(3, past_weeks=0, days=10)
