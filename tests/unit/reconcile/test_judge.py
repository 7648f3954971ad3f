"""What a missing event means, case by case; and that nothing is repaired that should not be."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.eventstore import consumers
from millrace.eventstore.consumers import ConsumerSpec, Source
from millrace.reconcile.compare import (
    EVENTS,
    MANIFEST,
    MOST_FURTHER,
    OWNED,
    POINTERS,
    RAW,
    SILVER,
    STORED,
    YOUNG,
    further,
    missing,
    names,
)
from millrace.reconcile.judge import LOG, MOST_REPAIRS, PROJECT, REOPEN, EventFacts, Status, judge

SETTLED = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
OLD = SETTLED - timedelta(hours=3)
LAKE = MANIFEST | RAW | SILVER
WHOLE = EVENTS | POINTERS | LAKE | STORED | OWNED


@pytest.mark.parametrize(
    ("mask", "facts", "status", "repair"),
    [
        (WHOLE, EventFacts(received_at=OLD), Status.EQUAL, 0),
        # The capture gap: only Events has it.
        (EVENTS, EventFacts(received_at=OLD), Status.REPAIRED, LOG),
        (EVENTS, EventFacts(received_at=OLD, owned=True), Status.REPAIRED, LOG | PROJECT),
        (EVENTS, EventFacts(received_at=SETTLED), Status.SETTLING, 0),
        (
            EVENTS,
            EventFacts(received_at=OLD, dead_letters=frozenset({"archive_events"})),
            Status.EXPLAINED,
            0,
        ),
        (WHOLE & ~MANIFEST, EventFacts(received_at=OLD), Status.REPAIRED, LOG),
        (WHOLE & ~MANIFEST | YOUNG, EventFacts(received_at=OLD), Status.SETTLING, 0),
        (WHOLE & ~(RAW | STORED | OWNED), EventFacts(received_at=OLD, owned=True), Status.REPAIRED, LOG),
        (WHOLE & ~POINTERS, EventFacts(received_at=OLD), Status.REPAIRED, PROJECT),
        (WHOLE & ~POINTERS, EventFacts(), Status.OPEN, 0),
        (
            WHOLE & ~POINTERS,
            EventFacts(received_at=OLD, dead_letters=frozenset({"project_events"})),
            Status.EXPLAINED,
            0,
        ),
        (WHOLE & ~SILVER, EventFacts(received_at=OLD), Status.REPAIRED, REOPEN),
        (WHOLE & ~SILVER, EventFacts(received_at=OLD, waiting="soon"), Status.EXPLAINED, 0),
        (WHOLE & ~SILVER, EventFacts(received_at=OLD, waiting="late"), Status.OPEN, 0),
        (WHOLE & ~SILVER, EventFacts(received_at=OLD, waiting="aside"), Status.EXPLAINED, 0),
        (WHOLE & ~SILVER, EventFacts(received_at=OLD, untyped=True), Status.EXPLAINED, 0),
        (WHOLE & ~SILVER, EventFacts(received_at=OLD, in_silver=True), Status.EQUAL, 0),
        (WHOLE & ~SILVER | YOUNG, EventFacts(received_at=OLD), Status.SETTLING, 0),
        # The index is behind the table, or the row has gone.
        (WHOLE & ~EVENTS, EventFacts(received_at=OLD), Status.EQUAL, 0),
        (WHOLE & ~EVENTS, EventFacts(), Status.OPEN, 0),
        # `store: none` has no row to make anything of.
        (LAKE, EventFacts(), Status.EQUAL, 0),
        (MANIFEST | SILVER, EventFacts(), Status.OPEN, 0),
        (RAW | SILVER | YOUNG, EventFacts(), Status.SETTLING, 0),
        (RAW | SILVER, EventFacts(), Status.OPEN, 0),
        (MANIFEST, EventFacts(), Status.OPEN, 0),
        (EVENTS, EventFacts(received_at=OLD, repairs=MOST_REPAIRS - 1), Status.REPAIRED, LOG),
        (EVENTS, EventFacts(received_at=OLD, repairs=MOST_REPAIRS), Status.OPEN, 0),
        (EVENTS, EventFacts(received_at=OLD, repairs=1, repaired_lately=True), Status.REPAIRED, 0),
        (EVENTS, EventFacts(received_at=OLD, repairs=MOST_REPAIRS, repaired_lately=True), Status.REPAIRED, 0),
    ],
)
def test_each_case(mask: int, facts: EventFacts, status: Status, repair: int) -> None:
    verdict = judge(mask, facts, SETTLED)
    assert (verdict.status, verdict.repair) == (status, repair)
    assert bool(verdict.reasons) == (status is not Status.EQUAL)


masks = st.integers(1, 255).filter(lambda mask: mask & (EVENTS | POINTERS | LAKE) != 0)
facts = st.builds(
    EventFacts,
    received_at=st.none() | st.sampled_from([OLD, SETTLED, SETTLED + timedelta(minutes=1)]),
    owned=st.booleans(),
    dead_letters=st.frozensets(st.sampled_from(["archive_events", "project_events"])),
    untyped=st.booleans(),
    in_silver=st.booleans(),
    waiting=st.sampled_from(["", "soon", "late", "aside"]),
    repairs=st.integers(0, 5),
    repaired_lately=st.booleans(),
)


@settings(deadline=None)
@given(masks, facts)
def test_what_holds_of_every_verdict(mask: int, known: EventFacts) -> None:
    verdict = judge(mask, known, SETTLED)
    if verdict.status is Status.EQUAL:
        assert not verdict.missing
        assert not missing(mask) & ~(EVENTS | SILVER)
    if verdict.repair:
        assert known.received_at is None or known.received_at < SETTLED, "what is in flight is not touched"
        assert known.repairs < MOST_REPAIRS, "nothing is tried for ever"
        assert not known.repaired_lately
    if verdict.repair & (LOG | PROJECT):
        assert known.received_at is not None, "only a row of Events is put anywhere"
    if verdict.repair & LOG:
        assert "archive_events" not in known.dead_letters
    if verdict.status is Status.REPAIRED:
        assert verdict.repair or known.repaired_lately


@pytest.mark.parametrize(
    ("source", "facts", "status", "repair"),
    [
        (Source.LOG, EventFacts(received_at=OLD), Status.REPAIRED, LOG),
        (Source.LOG, EventFacts(), Status.OPEN, 0),
        (Source.TABLE_STREAM, EventFacts(received_at=OLD), Status.OPEN, 0),
        (Source.TABLE_STREAM, EventFacts(dead_letters=frozenset({"count_orders"})), Status.EXPLAINED, 0),
    ],
)
def test_a_further_consumer_without_a_receipt(
    monkeypatch: pytest.MonkeyPatch, source: Source, facts: EventFacts, status: Status, repair: int
) -> None:
    """One that reads the log is given the event again; one that reads the table's stream is fed by redrive alone."""
    counter = ConsumerSpec(
        name="count_orders", function="f", source=source, kind="counted", compared_since="2026-11-01"
    )
    monkeypatch.setattr(consumers, "CONSUMERS", (*consumers.CONSUMERS, counter))
    ((bit, _),) = further().items()
    assert judge(WHOLE | bit << MOST_FURTHER | bit, facts, SETTLED).status is Status.EQUAL
    verdict = judge(WHOLE | bit << MOST_FURTHER, facts, SETTLED)
    assert (verdict.status, verdict.repair, names(verdict.missing)) == (status, repair, ["counted"])
