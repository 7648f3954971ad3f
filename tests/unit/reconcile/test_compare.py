"""Any event that is missing in any store is found, and nothing else is, in whatever order and however often it is added."""

import uuid
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.contracts.registry import Registry
from millrace.core.identity import as_text, identity
from millrace.eventstore import consumers
from millrace.eventstore.consumers import ConsumerSpec, Source
from millrace.reconcile import compare
from millrace.reconcile.compare import (
    EVENTS,
    MANIFEST,
    OWNED,
    POINTERS,
    RAW,
    SILVER,
    STORED,
    Comparison,
    missing,
    names,
)

TYPED = (EVENTS, POINTERS, RAW, SILVER)
ids = st.binary(min_size=16, max_size=16)


@st.composite
def events(draw: st.DrawFn) -> dict[tuple[str, bytes], tuple[int, bool, bool]]:
    """Type and id → hour, whether it is stored, whether it has a user."""
    keys = draw(st.lists(st.tuples(st.sampled_from(["order.created", "page.seen"]), ids), unique=True))
    return {
        key: (draw(st.integers(0, 23)), stored := draw(st.booleans()), stored and draw(st.booleans()))
        for key in keys
    }


@settings(deadline=None)
@given(events(), st.data())
def test_whatever_is_missing_anywhere_is_found_and_nothing_else(
    known: dict[tuple[str, bytes], tuple[int, bool, bool]], data: st.DataObject
) -> None:
    # By id, since the manifest knows no type: of two types under one id both are in it, or neither.
    listed = {identifier: data.draw(st.booleans()) for _, identifier in known}
    added: list[tuple[int, str | None, int, bytes]] = []
    planted: dict[tuple[str, bytes], int] = {}
    for (event_type, identifier), (hour, stored, owned) in known.items():
        should = MANIFEST | RAW | SILVER | (EVENTS if stored else 0) | (POINTERS if owned else 0)
        # Raw is where it is known what belongs where; what raw has lost is the next test's.
        gone = data.draw(st.sampled_from([0, EVENTS, POINTERS, SILVER, EVENTS | SILVER])) & should
        gone |= 0 if listed[identifier] else MANIFEST
        planted[event_type, identifier] = gone
        for source in TYPED:
            if source & should & ~gone:
                flags = (STORED if stored else 0) | (OWNED if owned else 0) if source == RAW else 0
                added += [(source | flags, event_type, hour, identifier)] * data.draw(st.integers(1, 3))
        if not gone & MANIFEST:
            added += [(MANIFEST, None, 0, identifier)] * data.draw(st.integers(1, 2))
    with closing(Comparison(spool_bytes=data.draw(st.sampled_from([1, 1 << 20])))) as comparison:
        for source, named, hour, identifier in data.draw(st.permutations(added)):
            if named is None:
                comparison.add_ids(source, [identifier])
            else:
                comparison.add(source, named, [(hour, identifier)])
        compared = list(comparison.events())
    assert {(one.event_type, one.id): missing(one.mask) for one in compared} == planted
    assert len(compared) == len(planted)
    assert {(one.event_type, one.id): one.hour for one in compared} == {key: v[0] for key, v in known.items()}


@settings(deadline=None)
@given(st.sets(st.integers(0, 31)))
def test_what_raw_has_lost_is_missing_in_raw_wherever_else_it_is(masks: set[int]) -> None:
    for mask in masks:
        if mask and not mask & RAW:
            assert missing(mask) & RAW


def test_an_id_that_only_the_manifest_has_is_given_once() -> None:
    one = uuid.uuid4().bytes
    with closing(Comparison()) as comparison:
        comparison.add_ids(MANIFEST, [one, one])
        assert [(e.event_type, e.id, e.mask) for e in comparison.events()] == [(None, one, MANIFEST)]


def test_an_id_of_two_types_is_two_events_and_of_two_hours_is_one() -> None:
    one = uuid.uuid4().bytes
    with closing(Comparison()) as comparison:
        comparison.add(RAW, "a", [(7, one), (3, one)])
        comparison.add(RAW, "b", [(5, one)])
        comparison.add_ids(MANIFEST, [one])
        compared = sorted((e.event_type or "", e.hour, e.mask) for e in comparison.events())
    assert compared == [("a", 3, RAW | MANIFEST), ("b", 5, RAW | MANIFEST)]


def test_memory_does_not_grow_with_the_events() -> None:
    """Behind its bound a bucket is a file, and what one bucket holds is all that is compared at once."""
    buckets: Counter[int] = Counter()
    with closing(Comparison(spool_bytes=1000)) as comparison:
        comparison.add(EVENTS, "a", [(0, uuid.uuid4().bytes) for _ in range(5000)])
        assert all(file._rolled for file in comparison._files)  # type: ignore[attr-defined]
        buckets.update(entry.id[0] % compare.BUCKETS for entry in comparison.events())
        assert sum(buckets.values()) == comparison.taken == 5000
    assert max(buckets.values()) < 5000 / 8


@settings(deadline=None)
@given(st.uuids())
def test_ids_are_the_same_however_they_are_written(identifier: uuid.UUID) -> None:
    assert identity(str(identifier)) == identity(str(identifier).upper()) == identifier.bytes
    assert as_text(identifier.bytes) == str(identifier)


def test_names_are_in_the_order_of_the_stores() -> None:
    assert names(SILVER | EVENTS | MANIFEST) == ["events", "manifest", "silver"]


def test_a_further_consumer_is_expected_of_its_types_from_its_first_day_on(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = ConsumerSpec(
        name="count_orders",
        function="f",
        source=Source.LOG,
        event_types=frozenset({"order.created"}),
        kind="counted",
        compared_since="2026-11-02",
    )
    monkeypatch.setattr(consumers, "CONSUMERS", (*consumers.CONSUMERS, counter))
    ((bit, _),) = compare.further().items()
    registry = Registry(bundle)
    expected = compare.Expected(registry, "2026-11-02")
    whole = MANIFEST | RAW | SILVER
    assert missing(whole | expected.of("order.created", owned=True)) == bit
    assert not expected.of("page.viewed", owned=True)
    assert not compare.Expected(registry, "2026-11-01").of("order.created", owned=True)
    one = uuid.uuid4().bytes
    with closing(Comparison()) as comparison:
        comparison.add(whole | expected.of("order.created", owned=True), "order.created", [(5, one)])
        comparison.add_ids(bit, [one])
        (event,) = comparison.events()
    assert (event.hour, missing(event.mask)) == (5, 0)
    assert names(event.mask) == ["manifest", "raw", "silver", "counted"]
    assert compare.store_names()[-1] == "counted"
