"""Velocity is what a brute force over all transactions says, in whatever order and however often they come."""

import random
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from millrace.fraud import velocity

WINDOW = 30 * velocity.MS_PER_MINUTE
START = 1_763_700_000_000


def brute_force(moments: dict[str, int], own: str) -> set[bytes]:
    end = moments[own]
    return {velocity.id_hash(one) for one, at in moments.items() if end - WINDOW < at <= end}


@given(st.lists(st.integers(0, 90 * 60_000), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_sets_in_any_order_and_any_number_of_times_count_as_brute_force(
    offsets: list[int], rng: random.Random
) -> None:
    moments = {f"event-{number}": START + offset for number, offset in enumerate(offsets)}
    sets: dict[int, set[bytes]] = defaultdict(set)
    deliveries = [*moments, *moments]
    rng.shuffle(deliveries)
    for one in deliveries:
        minute, element = velocity.element(moments[one], velocity.id_hash(one))
        sets[minute].add(element)
    for one, at in moments.items():
        found = velocity.counted(sets, at, velocity.id_hash(one), WINDOW)
        assert set(found) == brute_force(moments, one)
        assert len(found) == len(set(found))
        assert found[-1] == velocity.id_hash(one)


def test_the_window_is_half_open_to_the_millisecond() -> None:
    for apart, both in ((WINDOW, False), (WINDOW - 1, True), (0, True)):
        sets: dict[int, set[bytes]] = defaultdict(set)
        for name, at in (("first", START), ("second", START + apart)):
            minute, element = velocity.element(at, velocity.id_hash(name))
            sets[minute].add(element)
        found = velocity.counted(sets, START + apart, velocity.id_hash("second"), WINDOW)
        assert len(found) == (2 if both else 1)


def test_an_event_that_a_full_set_did_not_take_still_counts_itself() -> None:
    hashes = [velocity.id_hash(str(number)) for number in range(velocity.SATURATION)]
    sets = {START // 60_000: {velocity.element(START, one)[1] for one in hashes}}
    own = velocity.id_hash("one more")
    found = velocity.counted(sets, START, own, WINDOW)
    assert len(found) == velocity.SATURATION
    assert found[-1] == own


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 120 * 60_000)), max_size=60))
def test_sliding_counts_over_ordered_history_are_brute_force(rows: list[tuple[int, int]]) -> None:
    rows.sort(key=lambda row: row[1])
    counts = velocity.SlidingCounts(WINDOW)
    for position, (user, at) in enumerate(rows):
        expected = sum(other == user and at - WINDOW < then <= at for other, then in rows[: position + 1])
        assert counts.add(user, at) == expected
