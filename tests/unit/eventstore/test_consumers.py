"""The table of consumers holds together: names are unique, a function has one source, and filters are what AWS takes."""

from collections import Counter
from dataclasses import replace

import pytest

from millrace.contracts import registry
from millrace.eventstore import consumers
from millrace.eventstore.consumers import (
    ARCHIVE,
    COUNTER,
    MOST_READERS_OF_TABLE_STREAM,
    PROJECTION,
    ROUTER,
    SCORER,
    ConsumerSpec,
    ReceiptKind,
    Source,
    filter_pattern,
)
from millrace.reconcile import compare
from tests.support.functions import STEMS

ALL = consumers.CONSUMERS


def test_names_are_unique_and_functions_are_there() -> None:
    for names in (
        [one.name for one in ALL],
        [one.step for one in ALL if one.step],
        [one.kind for one in ALL if one.kind],
        [one.check for one in ALL if one.check],
    ):
        assert max(Counter(names).values()) == 1
    assert {one.function for one in ALL} <= set(STEMS)


def test_a_function_has_one_source_and_the_table_s_stream_two_readers_at_most() -> None:
    for function in {one.function for one in ALL}:
        assert len({one.source for one in consumers.named(function)}) == 1
    assert len(consumers.reading(Source.TABLE_STREAM)) <= MOST_READERS_OF_TABLE_STREAM


def test_what_is_compared_leaves_something_that_can_be() -> None:
    for one in consumers.compared():
        assert one.receipt in {ReceiptKind.BATCH, ReceiptKind.POINTER}
        assert bool(one.kind) is (one.receipt is ReceiptKind.BATCH)
    assert len(compare.further()) <= compare.MOST_FURTHER


def test_more_consumers_than_the_comparison_has_bits_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    some = tuple(replace(ARCHIVE, name=f"consumer_{number}") for number in range(compare.MOST_FURTHER + 1))
    monkeypatch.setattr(consumers, "CONSUMERS", (*ALL, *some))
    with pytest.raises(ValueError, match="at most 4"):
        compare.further()


@pytest.mark.usefixtures("bundle")
def test_who_handles_which_event() -> None:
    order, check = (registry.load().find(name) for name in ("order.created", "system.health.check"))
    transaction = registry.load().find("transaction.created")
    handled = [one.name for one in ALL[:5] if one.expects(order, owned=True)]
    assert handled == [PROJECTION.name, ARCHIVE.name, COUNTER.name, ROUTER.name]
    assert not PROJECTION.expects(check, owned=False)
    assert SCORER.expects(transaction, owned=True)
    assert ROUTER.expects(replace(check, route=True), owned=False)
    assert not ROUTER.expects(replace(check, route=False), owned=False)


def test_a_shared_function_is_given_the_types_of_all_its_consumers() -> None:
    def of(source: Source, *types: str) -> ConsumerSpec:
        return ConsumerSpec(name="c", function="f", source=source, event_types=frozenset(types))

    change = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"eventType": {"S": ["a", "b", "c"]}}}}
    for source, pattern in ((Source.TABLE_STREAM, change), (Source.LOG, {"data": change})):
        assert filter_pattern([of(source, "c", "a"), of(source, "b")]) == pattern
    assert filter_pattern([of(Source.TABLE_STREAM, "a"), of(Source.TABLE_STREAM)]) == {
        "eventName": ["INSERT"]
    }
    assert filter_pattern([of(Source.LOG)]) is None
