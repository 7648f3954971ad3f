"""Groups of many people each: sizes, shares, rests, and every attack of a reader who knows all but one person's rows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import duckdb
import pytest

from millrace.anonymised import cells, risk
from millrace.anonymised.definition import Anonymised, Dimension, Measure
from millrace.anonymised.grouping import Group, TooFewPeopleError, published
from millrace.anonymised.period import parse
from millrace.core.sql import literal

K = 10
COUNTRIES = ("DE", "PT", "FR", "NO", "MT")
CATEGORIES = ("coffee", "tea", "books", "tools")
Row = tuple[str | None, str, str, str, int, float]


def definition(**changes: Any) -> Anonymised:
    of: dict[str, Any] = {
        "name": "orders",
        "version": "1.0.0",
        "description": "x",
        "owner": "x",
        "source": "marts.orders",
        "subject": "user_id",
        "time": "at",
        "each": "month",
        "settled_days": 14,
        "k": K,
        "share": 0.5,
        "dimensions": (
            Dimension("country", "country", "text", keep=4),
            Dimension("category", "category", "text", keep=10),
            Dimension("items", "items", "buckets", buckets=(1, 2, 5)),
        ),
        "measures": (Measure("orders"), Measure("units", "units")),
    }
    return Anonymised(**{**of, **changes})


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


def put(connection: duckdb.DuckDBPyConnection, rows: Iterable[Row]) -> None:
    connection.execute(
        'CREATE OR REPLACE TABLE orders (user_id VARCHAR, "at" TIMESTAMPTZ, country VARCHAR, category VARCHAR, items BIGINT, units DECIMAL(38,0))'
    )
    listed = ", ".join(
        f"({', '.join('NULL' if value is None else literal(value) for value in one)})" for one in rows
    )
    connection.execute(f"INSERT INTO orders VALUES {listed}")


def groups(
    connection: duckdb.DuckDBPyConnection, rows: Iterable[Row], of: Anonymised | None = None
) -> list[Group]:
    chosen = of or definition()
    put(connection, rows)
    cells.make(connection, chosen, "orders", parse("month", "2026-10"))
    return published(connection, chosen)


def row(
    user: str | None, country: str = "DE", category: str = "tea", items: int = 1, units: float = 1
) -> Row:
    return (user, "2026-10-05 10:00:00+00", country, category, items, units)


def thousands(seed: int, tenant: str = "a") -> list[Row]:
    """3,000 rows, of few people in some places and many in others; who orders often does so in several groups."""
    random = Random(seed)
    weights = (60, 25, 10, 4, 1)
    return [
        row(
            f"{tenant}{min(random.randrange(900), random.randrange(900))}",
            random.choices(COUNTRIES, weights)[0],
            random.choices(CATEGORIES, (50, 30, 15, 5))[0],
            random.choice((1, 1, 1, 2, 3, 7)),
            random.randrange(1, 5),
        )
        for _ in range(3_000)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_no_attack_on_thousands_of_rows_finds_fewer_people_than_k(
    connection: duckdb.DuckDBPyConnection, seed: int
) -> None:
    """Everything that is told is subtracted from everything it is in, over the rows themselves and not over `cells`."""
    rows = thousands(seed)
    found = groups(connection, rows)
    of_path: dict[tuple[str, ...], set[str]] = defaultdict(set)
    held: Counter[tuple[str, ...]] = Counter()
    kept = {value for value, _ in _people_by(rows, 2)[:4]}
    for user, _, country, category, items, _units in rows:
        bucket = "1" if items == 1 else "2 to 4" if items < 5 else "5 and more"
        leaf = (country if country in kept else "other", category, bucket)
        for level in range(4):
            of_path[leaf[:level]].add(str(user))
            held[leaf[:level]] += 1
    told = {one.path: one for one in found}
    assert len(told) > 20
    assert len(told) < len(of_path), "there are groups that are too small"
    for path, one in told.items():
        assert one.people == len(of_path[path]) >= K
        assert one.measures[0] == held[path]
        assert path == () or path[:-1] in told
        hidden = [
            other
            for other in of_path
            if len(other) == len(path) + 1 and other[:-1] == path and other not in told
        ]
        rest = set().union(*(of_path[other] for other in hidden)) if hidden else set()
        assert not rest or len(rest) >= K
    measured = risk.measure(connection, [(one.path, one.people) for one in found], 3)
    measured.must_be_below(K)
    assert measured.prosecutor <= 1 / K


def _people_by(rows: list[Row], column: int) -> list[tuple[str, int]]:
    people: dict[str, set[str]] = defaultdict(set)
    for one in rows:
        people[str(one[column])].add(str(one[0]))
    return sorted(((value, len(who)) for value, who in people.items()), key=lambda one: (-one[1], one[0]))


def test_an_outside_table_links_nobody(connection: duckdb.DuckDBPyConnection) -> None:
    """A neighbour knows the values of people by name, and looks each up: nobody is found alone, or among fewer than ten."""
    rows = [*thousands(7), row("planted", "MT", "tools", 7, 400)]
    found = groups(connection, rows)
    by_path = {one.path: one for one in found}
    kept = {value for value, _ in _people_by(rows, 2)[:4]}
    linked = []
    for user, _, country, category, items, _units in rows:
        bucket = "1" if items == 1 else "2 to 4" if items < 5 else "5 and more"
        leaf = (country if country in kept else "other", category, bucket)
        finest = next(by_path[leaf[:level]] for level in (3, 2, 1, 0) if leaf[:level] in by_path)
        linked.append((user, finest.people))
    assert min(people for _, people in linked) >= K
    assert ("planted", 1) not in linked
    assert not any(float(one.measures[1]) == 400 for one in found)


def test_rows_are_not_people(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(TooFewPeopleError, match="fewer than 10"):
        groups(connection, [row(f"u{number % 9}") for number in range(900)])
    assert groups(connection, [row(f"u{number % 10}") for number in range(900)])[0].people == 10


def test_nobodys_rows_are_left_out(connection: duckdb.DuckDBPyConnection) -> None:
    found = groups(connection, [*(row(f"u{at}") for at in range(20)), *(row(None) for _ in range(50))])
    assert {(one.people, one.measures[0]) for one in found} == {(20, 20)}


def test_the_smallest_group_joins_a_rest_that_is_too_small(connection: duckdb.DuckDBPyConnection) -> None:
    """NO has 3 people: whoever subtracts the others from all has them, unless another is left out as well."""
    sizes = {"DE": 40, "PT": 20, "FR": 12, "NO": 3}
    rows = [row(f"{country}{at}", country) for country, size in sizes.items() for at in range(size)]
    found = groups(connection, rows)
    assert {one.path for one in found if len(one.path) == 1} == {("DE",), ("PT",)}
    measured = risk.measure(connection, [(one.path, one.people) for one in found], 3)
    assert (measured.smallest_group, measured.smallest_difference) == (20, 15)


def test_below_a_group_that_is_left_out_nothing_is_told(connection: duckdb.DuckDBPyConnection) -> None:
    sizes = {"DE": 40, "FR": 30, "NO": 3}
    rows = [row(f"{country}{at}", country) for country, size in sizes.items() for at in range(size)]
    assert {one.path[0] for one in groups(connection, rows) if one.path} == {"DE"}


def test_a_group_that_is_mostly_one_persons_is_left_out(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [row(f"{country}{at}", country) for country in ("DE", "PT") for at in range(30)]
    rows.append(row("DE0", "DE", units=200))
    # Of all it is 201 of 260 as well: more than half.
    with pytest.raises(TooFewPeopleError, match="one person"):
        groups(connection, rows)
    rows += [row(f"FR{at}", "FR", units=20) for at in range(30)]
    found = groups(connection, rows)
    # FR has most people of the two that are safe with DE, so PT would be told of first; but all of FR is in the rest then.
    assert ("DE",) not in {one.path for one in found}
    assert {one.path for one in found if len(one.path) == 1} == {("PT",)}


def test_what_can_be_negative_counts_by_its_size(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [*(row(f"u{at}", units=0) for at in range(30)), row("u0", units=50), row("u1", units=-50)]
    found = groups(connection, rows, definition(share=0.6))
    assert found[0].measures == (32, 0)
    with pytest.raises(TooFewPeopleError):
        groups(connection, [*rows, row("u0", units=80)], definition(share=0.6))


def test_values_are_made_coarser(connection: duckdb.DuckDBPyConnection) -> None:
    put(connection, [row(f"u{at}", f"C{at % 6}", "", at) for at in range(60)])
    cells.make(connection, definition(), "orders", parse("month", "2026-10"))
    found = connection.execute("SELECT DISTINCT d1, d2, d3 FROM cells").fetchall()
    assert {one[0] for one in found} == {"C0", "C1", "C2", "C3", "other"}
    assert {one[1] for one in found} == {"unknown"}
    assert {one[2] for one in found} == {"under 1", "1", "2 to 4", "5 and more"}


def test_only_rows_of_the_period_count(connection: duckdb.DuckDBPyConnection) -> None:
    inside = ("2026-10-01 00:00:00+00", "2026-10-31 23:59:59.999999+00", "2026-11-01 00:30:00+01")
    outside = ("2026-09-30 23:59:59.999999+00", "2026-11-01 00:00:00+00")
    rows = [
        (f"u{at}", moment, "DE", "tea", 1, 1.0)
        for moment in (*inside, *outside)
        for at in range(20 if moment in inside else 7)
    ]
    assert groups(connection, rows)[0].measures[0] == 60


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([((), 50), (("DE",), 40), (("PT",), 9)], "smallest group is of 9"),
        ([((), 50), (("DE",), 40), (("PT",), 1)], "smallest group is of 1"),
        ([((), 60), (("DE",), 40), (("FR",), 12)], "difference of 8"),
        ([((), 60), (("DE",), 41), (("FR",), 12), (("PT",), 8)], "wrong"),
    ],
)
def test_a_release_that_tells_of_somebody_is_found(
    connection: duckdb.DuckDBPyConnection, told: list[tuple[tuple[str, ...], int]], said: str
) -> None:
    """What grouping would have to get wrong, each time in one way."""
    sizes = {"DE": 40, "FR": 12, "PT": 8} if told[0][1] == 60 else {"DE": 40, "PT": told[-1][1], "FR": 10}
    put(connection, [row(f"{country}{at}", country) for country, size in sizes.items() for at in range(size)])
    cells.make(connection, definition(), "orders", parse("month", "2026-10"))
    with pytest.raises(risk.ReidentificationError, match=said):
        risk.measure(connection, told, 3).must_be_below(K)
