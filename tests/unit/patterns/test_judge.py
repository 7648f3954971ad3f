"""Which events close a match does not depend on the order in which they came, and is what a plain search finds."""

from datetime import timedelta
from itertools import combinations, permutations, product

from hypothesis import given
from hypothesis import strategies as st

from millrace.patterns.definition import ALL, COUNT, SEQUENCE, Comparison, Pattern, Step
from millrace.patterns.judge import Fact, compared, matches

MINUTE = 60_000_000


def pattern(kind: str, *counts: int, different: bool = False, distinct: bool = False) -> Pattern:
    steps = tuple(
        Step(
            f"s{at}",
            ("x.y",),
            (),
            count,
            (Comparison("v", 0, "v", same=False),) if different and at else (),
            ("v",),
            "v" if distinct and count > 1 else "",
        )
        for at, count in enumerate(counts)
    )
    texts = ("name", "1.0.0", kind, "title", "", "owner", "info", "user", "user")
    return Pattern(*texts, timedelta(minutes=10), timedelta(), steps, None)


def closings(one: Pattern, facts: list[Fact]) -> set[str]:
    return {match.closing.event_id for match in matches(one, facts)}


def plain(one: Pattern, facts: list[Fact]) -> set[str]:
    """Every choice of events, tried one by one."""
    found = set()
    needed = [at for at, step in enumerate(one.steps) for _ in range(step.count)]
    for some in combinations(sorted(facts), len(needed)):
        if (
            len({fact.event_id for fact in some}) < len(some)
            or some[-1].micros - some[0].micros > 10 * MINUTE
        ):
            continue
        if any(left.place == right.place for left, right in combinations(some, 2)):
            continue
        steps = [fact.step for fact in some]
        if steps != needed and not (one.kind == ALL and sorted(steps) == needed):
            continue
        if any(
            a.step == b.step and one.steps[a.step].distinct and a.values == b.values
            for a, b in combinations(some, 2)
        ):
            continue
        if all(compared(one.steps[a.step], a, b) for a, b in permutations(some, 2)):
            found.add(some[-1].event_id)
    return found


facts = st.lists(
    st.builds(
        Fact,
        st.integers(0, 12).map(lambda minutes: minutes * MINUTE),
        st.sampled_from("abcdefgh"),
        st.integers(0, 1),
        st.just(0),
        st.sampled_from(["a", "b", "c"]).map(lambda value: (("v", value),)),
    ),
    max_size=8,
    unique_by=lambda fact: (fact.event_id, fact.step),
)
PATTERNS = [
    pattern(kind, *counts, different=different, distinct=distinct)
    for (kind, counts), different, distinct in product(
        [
            (SEQUENCE, (1, 1)),
            (SEQUENCE, (2, 1)),
            (SEQUENCE, (1, 2)),
            (ALL, (1, 1)),
            (ALL, (2, 1)),
            (COUNT, (3,)),
        ],
        [False, True],
        [False, True],
    )
]


@given(st.sampled_from(PATTERNS), facts, st.randoms())
def test_closing_events_are_those_of_a_plain_search(one: Pattern, some: list[Fact], rng: object) -> None:
    # An event happens once, whichever steps it is.
    moments = {fact.event_id: fact.micros for fact in some}
    values = {fact.event_id: fact.values for fact in some}
    real = [
        Fact(moments[f.event_id], f.event_id, min(f.step, len(one.steps) - 1), 0, values[f.event_id])
        for f in some
    ]
    real = list(dict.fromkeys(real))
    wanted = plain(one, real)
    assert closings(one, real) == wanted
    rng.shuffle(real)  # type: ignore[attr-defined]
    assert closings(one, real) == wanted
