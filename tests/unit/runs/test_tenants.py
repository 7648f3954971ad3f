"""A portion of tenants: who is done stays done, and no tenant keeps the others from it."""

from collections.abc import Callable
from typing import Any

import pytest

from millrace.core.errors import RetryableError
from millrace.core.objects import Objects
from millrace.runs.documents import Materialized
from millrace.runs.store import RunStore
from millrace.runs.tenants import materialize_tenants
from tests.support.stores import MemoryS3

RUN = "hourly_etl-20261121T10-1"
ORGS = ("org_a", "org_b", "org_c")


class Killed(BaseException):
    """The worker ended."""


class Portion:
    """Tenants on a lake of their own; `wrong` has what goes wrong with some of them."""

    def __init__(self, orgs: tuple[str, ...] = ORGS) -> None:
        self.store = RunStore(Objects(MemoryS3(), "lake"))
        self.orgs, self.wrong = orgs, dict[str, BaseException]()
        self.begun: list[str] = []

    def __call__(self, left: Callable[[], float] = lambda: 1.0) -> list[str]:
        self.begun = []
        return [one.org for one in materialize_tenants(self.store, RUN, self.orgs, self._one, left)]

    def results(self) -> dict[str, Any]:
        return {one.org: [view.get("error") for view in one.entities] for one in self.store.materialized(RUN)}

    def _one(self, org: str) -> Materialized:
        self.begun.append(org)
        if org in self.wrong:
            raise self.wrong[org]
        return Materialized(RUN, org, ({"entity": "v", "status": "complete"},))


def test_each_tenant_once_and_a_repeated_call_does_nothing() -> None:
    portion = Portion()
    assert portion() == list(ORGS)
    assert portion.results() == {org: [None] for org in ORGS}
    assert portion() == []
    assert portion.begun == []


def test_a_tenant_that_fails_is_named_and_stops_no_other_and_a_retry_does_it_alone() -> None:
    portion = Portion()
    portion.wrong = {"org_a": ValueError("a file is broken")}
    with pytest.raises(RetryableError, match=r"^features of org_a: a file is broken$"):
        portion()
    assert portion.begun == list(ORGS)
    assert portion.results()["org_a"] == ["a file is broken"]
    portion.wrong = {}
    assert portion() == ["org_a"]
    assert portion.results()["org_a"] == [None]


def test_a_view_that_failed_is_done_again() -> None:
    portion = Portion(("org_a",))
    failed = Materialized(RUN, "org_a", ({"entity": "v", "status": "failed", "error": "no"},))
    with pytest.raises(RetryableError, match="v of org_a: no"):
        materialize_tenants(portion.store, RUN, ("org_a",), lambda _: failed, lambda: 1.0)
    assert portion() == ["org_a"]


def test_without_time_no_further_tenant_is_begun_and_a_retry_goes_on() -> None:
    portion = Portion()
    seconds = iter((1.0, 0.0))
    with pytest.raises(RetryableError, match="1 of 3 tenants are left"):
        portion(lambda: next(seconds))
    assert portion.begun == ["org_a", "org_b"]
    # However little time there is, one tenant is done: otherwise none ever would be.
    assert portion(lambda: 0.0) == ["org_c"]


def test_a_tenant_that_ends_its_worker_comes_last_the_next_time() -> None:
    portion = Portion()
    portion.wrong = {"org_a": Killed()}
    with pytest.raises(Killed):
        portion()
    assert portion.begun == ["org_a"]
    with pytest.raises(Killed):
        portion()
    assert portion.begun == ["org_b", "org_c", "org_a"]
    assert portion.results() == {
        "org_a": ["its worker did not come to an end over it: out of memory or out of time"],
        "org_b": [None],
        "org_c": [None],
    }
