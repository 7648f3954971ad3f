"""Funnels: sessions that took steps in their order, whatever the order and grouping of events, within bounds that hold."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.aggregates import blocks, funnels, measures
from millrace.aggregates.definition import TILE_SECONDS, Measure
from millrace.aggregates.funnels import MOMENTS, SESSIONS, Funnel, Taken

STEPS = ("viewed", "added", "started", "completed")
MEASURE = Measure("steps", "funnel", dict.fromkeys(STEPS, "session_id"), "string", (), 0, (), STEPS)
KIND = Funnel(MEASURE)
START, TILE = 1_763_700_600_000_000, TILE_SECONDS * 1_000_000


def stored(taken: Iterable[Taken]) -> bytes:
    return KIND.cut(KIND.add_all(KIND.zero(), list(taken)))


def merged(states: Sequence[bytes]) -> dict[str, Any]:
    return KIND.shown(KIND.merge_all([KIND.read(one) for one in states]))


def sessions(answer: dict[str, Any]) -> list[int]:
    return [step["sessions"] for step in answer["steps"]]


def plainly(taken: Iterable[Taken]) -> list[int]:
    """Sessions by the steps taken, from all events."""
    by_session: dict[Any, list[tuple[int, int]]] = {}
    for name, at, session in taken:
        by_session.setdefault(session, []).append((at, STEPS.index(name)))
    reached = [0] * len(STEPS)
    for several in by_session.values():
        level = 0
        for _, step in sorted(several):
            if step == level:
                reached[level] += 1
                level += 1
    return reached


def journey(*steps: str, session: str = "s", start: int = START) -> list[Taken]:
    return [(name, start + at * 1_000_000, session) for at, name in enumerate(steps)]


@pytest.mark.parametrize(
    ("steps", "reached"),
    [
        (STEPS, [1, 1, 1, 1]),
        (("completed",), [0, 0, 0, 0]),
        (("added", "started", "completed"), [0, 0, 0, 0]),
        (("viewed", "completed", "started", "added"), [1, 1, 0, 0]),
        (("added", "viewed", "added", "completed", "started"), [1, 1, 1, 0]),
        (("viewed", "viewed", "added", "viewed", "started", "added", "completed", "completed"), [1, 1, 1, 1]),
    ],
)
def test_a_step_counts_behind_the_steps_before_it(steps: Sequence[str], reached: list[int]) -> None:
    assert sessions(merged([stored(journey(*steps))])) == reached


def test_steps_of_one_moment_count_in_the_order_of_the_funnel() -> None:
    at_once = [(name, START, "s") for name in reversed(STEPS)]
    assert sessions(merged([stored(at_once)])) == [1, 1, 1, 1]


def test_conversion_is_from_the_step_before() -> None:
    taken = [*journey("viewed", "added", session="a"), *journey("viewed", session="b")]
    found = merged([stored(taken)])
    assert [step["conversion"] for step in found["steps"]] == [None, 0.5, 0.0, None]
    assert found["exact"]


def test_nothing_is_none() -> None:
    assert sessions(KIND.shown(KIND.zero())) == [0, 0, 0, 0]
    assert sessions(merged([stored([])])) == [0, 0, 0, 0]


TAKEN = st.lists(
    st.tuples(
        st.sampled_from(STEPS),
        st.integers(0, 3),
        st.sampled_from([0, 1, 2, 299_999_999]),
        st.sampled_from("abc"),
    ),
    max_size=25,
)


@given(TAKEN, st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_copies_and_parts_change_nothing(
    drawn: list[tuple[str, int, int, str]], chance: random.Random, number: int
) -> None:
    taken = [(name, START + tile * TILE + offset, session) for name, tile, offset, session in drawn]
    delivered = [*taken, *chance.choices(taken, k=len(taken))] if taken else []
    chance.shuffle(delivered)
    parts: dict[tuple[int, int], list[Taken]] = {}
    for one in delivered:
        parts.setdefault((one[1] // TILE, chance.randrange(number)), []).append(one)
    states = [stored(several) for several in parts.values()] or [stored([])]
    chance.shuffle(states)
    found = merged(states)
    assert sessions(found) == plainly(taken)
    assert found["exact"]
    of_tile = [stored(several) for (tile, _), several in parts.items() if tile == START // TILE]
    if of_tile:
        whole = stored(one for one in taken if one[1] // TILE == START // TILE)
        assert KIND.cut(KIND.merge_all([KIND.read(one) for one in of_tile])) == whole


def test_a_session_of_a_hundred_thousand_events_is_small_and_its_steps_are_right() -> None:
    rng = random.Random(1)
    taken = [(rng.choice(STEPS), START + rng.randrange(TILE), "bot") for _ in range(100_000)]
    halves = stored(taken[::2]), stored(taken[1::2])
    assert len(stored(taken)) < 200
    assert KIND.cut(KIND.merge_all([KIND.read(one) for one in halves])) == stored(taken)
    assert sessions(merged(halves)) == plainly(taken)


def test_an_answer_that_depends_on_moments_left_out_says_so() -> None:
    added = [("added", START + at, "s") for at in range(2 * MOMENTS)]
    viewed = ("viewed", START + MOMENTS, "s")
    later = [("started", START + 3 * MOMENTS, "s"), ("completed", START + 3 * MOMENTS, "s")]
    found = merged([stored([*added, viewed, *later])])
    assert (sessions(found), found["exact"]) == ([1, 1, 1, 1], False)
    # Whoever looked first has the first of them, and nothing depends on the others.
    assert merged([stored([*added, ("viewed", START, "s"), *later])])["exact"]


def test_a_hundred_thousand_sessions_are_a_sample_within_its_error() -> None:
    rng = random.Random(2)
    taken = [
        one
        for number in range(100_000)
        for one in journey(*STEPS[: rng.choice((1, 1, 1, 2, 3, 4))], session=f"session_{number}")
    ]
    rng.shuffle(taken)
    parts = [stored(taken[at::7]) for at in range(7)]
    whole = stored(taken)
    assert KIND.cut(KIND.merge_all([KIND.read(one) for one in parts])) == whole
    found = merged(parts)
    assert not found["exact"]
    for estimate, real in zip(sessions(found), plainly(taken), strict=True):
        assert abs(estimate - real) < 0.12 * real
    assert found["steps"][1]["conversion"] == pytest.approx(0.5, abs=0.04)


def test_the_largest_state_is_an_item() -> None:
    steps = (*STEPS, "paid", "sent")
    assert len(steps) == funnels.MOST_STEPS
    kind = measures.of(Measure("steps", "funnel", {}, "string", (), 0, (), steps))
    rng = random.Random(3)
    state = kind.zero()
    for number in range(SESSIONS + 10):
        taken = [
            (name, START + rng.randrange(TILE), f"s{number}") for name in steps for _ in range(MOMENTS + 3)
        ]
        state = kind.add_all(state, taken)
    _, packed = blocks.pack({START // 1_000_000: {(): [state]}}, [kind])
    (block,) = packed.values()
    assert len(block) < 300_000
    read = blocks.unpack(block, [kind])
    assert kind.cut(read[START // 1_000_000][()][0]) == kind.cut(state)
