"""What a contract may say of its end and of its consumers, and how an announced end may change."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.compiler import retirements
from millrace.compiler.diff import compare, gate
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError
from millrace.contracts.retirement import NOTICE_DAYS, Retirement
from tests.support.contracts import contract, field

END: dict[str, Any] = {
    "announced": "2028-02-15",
    "ends": "2028-02-29",
    "by": 2,
    "decision": "docs/decisions/0001-why.md",
}
CONTRACT = contract(field("a"))
DAYS = st.dates(date(2000, 1, 1), date(2200, 1, 1))
WINDOWS = st.integers(NOTICE_DAYS, 400)


def ending(ends: date, by: int = 2, version: str = "1.0.0") -> Contract:
    end = Retirement(ends - timedelta(days=NOTICE_DAYS), ends, by, END["decision"])
    return replace(CONTRACT, retirement=end, version=version)


def kinds(old: Contract, new: Contract, today: date) -> list[str]:
    return [found.kind for found in compare(old, replace(new, version="1.0.1"), today)]


def test_end_and_consumers_are_read_and_survive_the_bundle() -> None:
    consumers = [{"name": "billing", "contact": "billing@example.org"}]
    found = contract(field("a"), retirement=END, consumers=consumers)
    assert found.retirement == Retirement(date(2028, 2, 15), date(2028, 2, 29), 2, END["decision"])
    assert found.consumers == ({"name": "billing", "contact": "billing@example.org"},)
    assert Contract.from_json(found.to_json()) == found
    assert (CONTRACT.retirement, CONTRACT.consumers) == (None, ())


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"ends": "2028-02-28"}, "at least 14 days, and from 2028-02-15 to 2028-02-28 are 13"),
        ({"ends": "2027-02-29"}, "there is no day 2027-02-29"),
        ({"announced": "15.02.2028"}, "announced is a day"),
        ({"announced": "20280215"}, "announced is a day"),
        ({"ends": 20280229}, "ends is a day"),
        ({"by": "2"}, "by is the major"),
        ({"by": True}, "by is the major"),
        ({"decision": "decisions/0001.md"}, "decision is the path"),
        ({"decision": "docs/decisions/../../0001.md"}, "decision is the path"),
        ({"decision": "docs/decisions/"}, "decision is the path"),
        ({"reason": "it is old"}, "retirement is an object such as"),
    ],
)
def test_an_end_that_makes_no_sense_is_refused(change: dict[str, Any], part: str) -> None:
    with pytest.raises(ContractError, match=part):
        contract(field("a"), retirement={**END, **change})


@pytest.mark.parametrize(
    "value",
    [
        "billing",
        [{"name": "billing"}],
        [{"name": "billing", "contact": " "}],
        [{"name": "", "contact": "x"}],
        [{"name": "billing", "contact": 5}],
        [{"name": "billing", "contact": "x", "team": "y"}],
        ["billing"],
    ],
)
def test_a_consumer_without_contact_is_refused(value: Any) -> None:
    with pytest.raises(ContractError, match=r"consumers is a list of \{name, contact\}"):
        contract(field("a"), consumers=value)


def test_what_replaces_a_major_is_there_and_is_newer(tmp_path: Path) -> None:
    old, new = ending(date(2028, 2, 29)), replace(CONTRACT, version="2.0.0")
    assert list(retirements.references([old, new])) == []
    assert list(retirements.references([old])) == [(old.name, "retirement: there is no thing.happened.v2")]
    backwards = ending(date(2028, 2, 29), by=1, version="2.0.0")
    ((_, sentence),) = retirements.references([CONTRACT, backwards])
    assert sentence == "retirement: version 1 is not newer than this one"
    as_soon = ending(date(2028, 2, 29), by=3, version="2.0.0")
    third = replace(CONTRACT, version="3.0.0")
    ((name, sentence),) = retirements.references([old, as_soon, third])
    assert (name, sentence) == (old.name, "retirement: version 2 itself ends on 2028-02-29")
    later = ending(date(2028, 3, 1), by=3, version="2.0.0")
    assert list(retirements.references([old, later, third])) == []
    assert [one.name for one, _ in retirements.without_decision([old, new], tmp_path)] == [old.name]
    record = tmp_path / END["decision"]
    record.parent.mkdir(parents=True)
    record.touch()
    assert list(retirements.without_decision([old, new], tmp_path)) == []


@given(DAYS, st.integers(-400, 400))
def test_a_new_end_leaves_a_fortnight_from_today(today: date, days: int) -> None:
    found = kinds(CONTRACT, ending(today + timedelta(days=days)), today)
    assert found == (["retirement"] if days < NOTICE_DAYS else [])


@given(DAYS, DAYS, st.integers(-400, 400))
def test_an_announced_end_moves_later_only(today: date, ends: date, days: int) -> None:
    """On whatever day: who postpones gives time, even on the last day and when events are refused already."""
    found = kinds(ending(ends), ending(ends + timedelta(days=days)), today)
    assert found == (["retirement"] if days < 0 else [])


@given(DAYS, DAYS)
def test_an_end_may_be_called_off_and_a_new_one_has_its_own_fortnight(today: date, ends: date) -> None:
    assert kinds(ending(ends), CONTRACT, today) == []
    again = kinds(CONTRACT, ending(ends), today)
    assert (again == []) == (ends - today >= timedelta(days=NOTICE_DAYS))


@given(DAYS, st.lists(st.integers(-60, 60), max_size=6), WINDOWS)
def test_no_series_of_changes_shortens_what_was_announced(today: date, moves: list[int], window: int) -> None:
    """Whatever the gate lets through day after day, the end that holds never comes nearer while it stands."""
    known = ending(today + timedelta(days=window))
    assert kinds(CONTRACT, known, today) == []
    promised = known.retirement
    assert promised is not None
    for number, days in enumerate(moves):
        assert known.retirement is not None
        proposed = ending(known.retirement.ends + timedelta(days=days))
        if kinds(known, proposed, today + timedelta(days=number)) == []:
            known = proposed
    assert known.retirement is not None
    assert known.retirement.ends >= promised.ends


def test_another_successor_is_another_announcement() -> None:
    ends = date(2028, 2, 29)
    assert kinds(ending(ends), ending(ends, by=3), ends - timedelta(days=50)) == ["retirement"]


def test_it_needs_a_version_of_its_own() -> None:
    today = date(2028, 2, 1)
    assert [found.kind for found in compare(CONTRACT, ending(date(2028, 2, 29)), today)] == ["version"]


@given(DAYS, st.integers(-10, 200))
def test_a_file_goes_when_its_last_rows_have_expired(ends: date, days: int) -> None:
    today = ends + timedelta(days=days)
    found = [(one.pointer, one.kind) for one in gate([ending(ends)], [], today)]
    assert found == ([] if days > CONTRACT.retention_days else [("", "removed")])
    assert [one.kind for one in gate([CONTRACT], [], today)] == ["removed"]
