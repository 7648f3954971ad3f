"""Hours become episodes."""

from millrace.anomalies.episodes import CALM_HOURS, Episode, advance
from millrace.anomalies.judge import ALL, Finding
from millrace.anomalies.watch import Kind


def finding(hour: int, key: str = "orders", *, critical: bool = False, score: float = 6.0) -> Finding:
    return Finding(key, Kind.DROP, hour, 10, 100, -score, critical)


def test_one_for_as_long_as_it_lasts() -> None:
    open_: dict[str, Episode] = {}
    begun, ended = 0, list[Episode]()
    hours = {3, 4, 6, 8, 12, 13}
    for hour in range(30):
        changes = advance(open_, hour, [finding(hour)] if hour in hours else [])
        begun, ended, open_ = begun + len(changes.begun), [*ended, *changes.ended], changes.open
    assert begun == 2
    assert [(one.start, one.last) for one in ended] == [(3, 8), (12, 13)]
    assert open_ == {}


def test_it_becomes_critical_once() -> None:
    open_ = advance({}, 1, [finding(1)]).open
    changes = advance(open_, 2, [finding(2, critical=True, score=12)])
    assert [one.worst.score for one in changes.escalated] == [-12]
    again = advance(changes.open, 3, [finding(3, critical=True, score=20)])
    assert again.escalated == ()
    assert again.open["orders"].worst.score == -20


def test_an_hour_again_changes_nothing() -> None:
    open_ = advance({}, 1, [finding(1)]).open
    assert advance(open_, 1, [finding(1)]).open == open_
    calm = advance(open_, 1 + CALM_HOURS, [])
    assert calm.ended == (open_["orders"],)
    under_way = advance(open_, 1 + CALM_HOURS, [], whole=False)
    assert (under_way.ended, under_way.open) == ((), open_)


def test_while_all_is_off_no_key_is() -> None:
    open_ = advance({}, 1, [finding(1, ALL), finding(1)]).open
    assert set(open_) == {ALL}
    assert advance(open_, 2, [finding(2)]).begun == ()
    assert set(
        advance({"orders": Episode("orders", Kind.DROP, 1, 1, finding(1))}, 2, [finding(2, ALL)]).open
    ) == {ALL, "orders"}
