"""What is an anomaly, and what is none."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from millrace.anomalies.judge import ALL, Finding, Judge
from millrace.anomalies.norms import History
from millrace.anomalies.watch import Kind, Mute, Threshold, Watch

SCORES = {Kind.SPIKE: 5.0, Kind.DROP: 5.0, Kind.SILENCE: 15.0, Kind.SHARE: 6.0, Kind.DRIFT: 5.0}
WATCH = Watch("volume", "1.0.0", "", "", "events_by_type", "events", scores=SCORES)
MEANS = {"pages": 1000.0, "orders": 200.0, "refunds": 60.0, "visits": 400.0}
DAYS = 28
Change = Callable[[int, dict[str, float]], Mapping[str, float]]


def usual(hour: int) -> dict[str, float]:
    """More by day than by night, and never twice the same."""
    shape = 1 + 0.5 * math.sin(hour % 24 / 24 * 2 * math.pi)
    return {
        key: round(mean * shape * (1 + 0.05 * math.sin(hour * 7.3 + mean))) for key, mean in MEANS.items()
    }


def learned(watch: Watch = WATCH, days: int = DAYS) -> History:
    history = History(watch, 0)
    for day in range(days):
        assert history.learn([usual(day * 24 + hour) for hour in range(24)]) == []
    return history


def found(change: Change, watch: Watch = WATCH, hours: int = 24, days: int = DAYS) -> list[Finding]:
    """What is found in a day after some weeks."""
    judge = Judge(watch, learned(watch, days).norms())
    at = range(days * 24, days * 24 + hours)
    return [one for hour in at for one in judge.hour(hour, change(hour, usual(hour)))]


def test_usual_days_have_none() -> None:
    assert found(lambda _, values: values) == []


@pytest.mark.parametrize(
    ("factor", "kind", "critical"),
    [(3.0, Kind.SPIKE, True), (1.6, Kind.SPIKE, False), (0.4, Kind.DROP, False), (0.0, Kind.SILENCE, True)],
)
def test_an_hour_that_is_off(factor: float, kind: Kind, critical: bool) -> None:
    at = DAYS * 24 + 6
    (one,) = found(
        lambda hour, values: {**values, "orders": values["orders"] * (factor if hour == at else 1)}
    )
    assert (one.key, one.kind, one.hour, one.critical) == ("orders", kind, at, critical)
    assert one.expected == pytest.approx(300, rel=0.1)


def test_a_key_that_is_absent_is_silent() -> None:
    kinds = {one.kind for one in found(lambda _, values: {**values, "orders": 0.0}, hours=3)}
    left_out = found(lambda _, values: {key: values[key] for key in values if key != "orders"}, hours=3)
    assert kinds == {one.kind for one in left_out} == {Kind.SILENCE}


def test_little_is_no_anomaly() -> None:
    small = replace(WATCH, at_least=10_000)
    assert found(lambda _, values: {**values, "refunds": 300.0}, small) == []


def test_a_change_of_share() -> None:
    """All of the others grow, and what is a part of them does not."""
    shares = replace(WATCH, scores={Kind.SHARE: 6.0})

    def grown(_: int, values: dict[str, float]) -> dict[str, float]:
        return {key: value * (1 if key == "orders" else 2) for key, value in values.items()}

    assert {(one.key, one.score < 0) for one in found(grown, shares)} == {("orders", True)}
    assert found(lambda _, values: {key: value * 2 for key, value in values.items()}, shares) == []


def test_a_drift_that_no_hour_shows() -> None:
    """Of one series alone there is no share."""
    alone = History(WATCH, 0)
    for day in range(DAYS):
        alone.learn([{ALL: usual(day * 24 + hour)["orders"]} for hour in range(24)])
    judge = Judge(WATCH, alone.norms())
    hours = range(DAYS * 24, DAYS * 24 + 24)
    kinds = [one.kind for hour in hours for one in judge.hour(hour, {ALL: usual(hour)["orders"] * 0.8})]
    assert kinds
    assert set(kinds) == {Kind.DRIFT}


def test_what_is_off_together_is_one() -> None:
    at = DAYS * 24 + 6
    (one,) = found(lambda hour, values: {key: value * (hour != at) for key, value in values.items()})
    assert (one.key, one.kind, one.observed) == (ALL, Kind.SILENCE, 0)


def test_nothing_in_the_first_two_weeks_but_thresholds() -> None:
    watch = replace(WATCH, thresholds=(Threshold("orders", below=1.0), Threshold("pages", above=5000.0)))
    history = History(watch, 0)
    assert history.learn([usual(hour) for hour in range(24)]) == []
    kinds = [one.kind for one in history.learn([{"pages": 6000.0}] * 24)]
    assert kinds == [Kind.BELOW, Kind.ABOVE] * 24


def test_holidays_and_mutes_raise_nothing() -> None:
    silent: Change = lambda _, values: {**values, "orders": 0.0}  # noqa: E731
    assert found(silent, replace(WATCH, holidays=frozenset({DAYS}))) == []
    muted = replace(WATCH, mutes=(Mute("orders", DAYS * 24, DAYS * 24 + 23),))
    assert [one.hour for one in found(silent, muted)] == [DAYS * 24 + 23]


def test_an_anomaly_is_not_learned() -> None:
    history = learned()
    history.learn(
        [
            {**usual(DAYS * 24 + hour), "orders": 0.0 if hour == 6 else usual(hour)["orders"]}
            for hour in range(24)
        ]
    )
    for day in range(DAYS + 1, DAYS + 7):
        history.learn([usual(day * 24 + hour) for hour in range(24)])
    assert history.norms(24)["orders"].expected[6] == pytest.approx(300, rel=0.1)


def test_the_same_anomaly_for_as_many_weeks_as_were_usual_is_not_learned() -> None:
    history = learned(days=14)
    for day in range(14, 28):
        hours = [usual(day * 24 + hour) for hour in range(24)]
        if day % 7 == 0:
            hours[6] = {**hours[6], "orders": 0.0}
        history.learn(hours)
    assert history.norms(24)["orders"].expected[6] == pytest.approx(300, rel=0.1)


def test_an_hour_that_is_not_over_can_only_be_too_much() -> None:
    hour = DAYS * 24 + 6
    judge = Judge(WATCH, learned().norms())
    assert judge.hour(hour, {"pages": 10.0}, whole=False) == []
    assert [one.kind for one in judge.hour(hour, {"orders": 900.0}, whole=False)] == [Kind.SPIKE]
    assert judge.hour(hour, usual(hour)) == []


def test_a_mean_has_no_silence() -> None:
    watch = replace(WATCH, kind="mean", scores={Kind.SPIKE: 5, Kind.DROP: 5}, at_least=0)
    assert found(lambda _, values: {key: values[key] for key in ("pages",)}, watch) == []
    kinds = {one.kind for one in found(lambda _, values: {**values, "orders": values["orders"] * 2}, watch)}
    assert kinds == {Kind.SPIKE}
