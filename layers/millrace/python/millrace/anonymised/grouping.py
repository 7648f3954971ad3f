"""Which groups may be told of: a tree, from all rows of a period down, a dimension at each step.

A group is safe where it is of `k` people or more, and no measure of it is mostly one person's. Of each group that is told of,
three things are safe: the group; each group below that is told of; and the rest, which those leave of it, for whoever subtracts
them has the rest. Where the rest is not safe, the smallest groups join it until it is. Below a group that is not told of, none
is. So whatever is added or subtracted along the tree, what comes out is of `k` people or of none.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millrace.anonymised.cells import CELLS
from millrace.anonymised.definition import Anonymised
from millrace.core.errors import PermanentError

if TYPE_CHECKING:
    import duckdb

# More are no table for people to read, and would take minutes.
MOST_GROUPS = 10_000
Path = tuple[str, ...]


class TooFewPeopleError(PermanentError):
    """The period is of fewer people than a group has to be, or mostly one person's."""


class TooManyGroupsError(PermanentError):
    """The dimensions are too fine."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group.

    Attributes:
        path: the values of the first dimensions; of all rows of the period there is none.
        people: in it.
        measures: of it, in the order of the definition.
        share: the largest part of any measure that is one person's.
    """

    path: Path
    people: int
    measures: tuple[Any, ...]
    share: float

    def is_safe(self, definition: Anonymised) -> bool:
        """Whether it tells of nobody."""
        return self.people >= definition.k and self.share <= definition.share


def published(connection: "duckdb.DuckDBPyConnection", definition: Anonymised) -> list[Group]:
    """The groups that may be told of, each after the one that it is in.

    Args:
        connection: with the table `cells`.
        definition: how they are grouped.

    Raises:
        TooFewPeopleError: not even all of them together may.
        TooManyGroupsError: there are more than can be judged.
    """
    everybody = _groups(connection, definition, 0)
    if not everybody or not everybody[0].is_safe(definition):
        raise TooFewPeopleError(
            f"the period is of fewer than {definition.k} people, or one person has more than {definition.share:.0%} of a measure"
        )
    found, above = list(everybody), {everybody[0].path}
    for level in range(1, len(definition.dimensions) + 1):
        below: dict[Path, list[Group]] = defaultdict(list)
        for one in _groups(connection, definition, level):
            if one.path[:-1] in above:
                below[one.path[:-1]].append(one)
        if sum(map(len, below.values())) > MOST_GROUPS:
            raise TooManyGroupsError(f"more than {MOST_GROUPS:,} groups: keep fewer values of a dimension")
        told = [one for path in sorted(below) for one in _told(connection, definition, path, below[path])]
        found += told
        above = {one.path for one in told}
    return found


def _told(
    connection: "duckdb.DuckDBPyConnection", definition: Anonymised, path: Path, groups: list[Group]
) -> list[Group]:
    """Those of the groups of one group that are told of: the others together are safe."""
    rest = [one.path[-1] for one in groups if not one.is_safe(definition)]
    left = sorted(
        (one for one in groups if one.is_safe(definition)),
        key=lambda one: (one.people, one.path),
        reverse=True,
    )
    while rest and left and not _rest(connection, definition, path, rest).is_safe(definition):
        rest.append(left.pop().path[-1])
    # What is left alone is the group itself, or that without a rest that is safe.
    return sorted(left, key=lambda one: one.path)


def _groups(connection: "duckdb.DuckDBPyConnection", definition: Anonymised, level: int) -> list[Group]:
    names = [f"d{at}" for at in range(1, level + 1)]
    rows = connection.execute(_sql(definition, names, "")).fetchall()
    return [_group(row, level) for row in rows if row[level]]


def _rest(
    connection: "duckdb.DuckDBPyConnection", definition: Anonymised, path: Path, values: Sequence[str]
) -> Group:
    conditions = [f"d{at} = ?" for at in range(1, len(path) + 1)]
    marks = ", ".join("?" for _ in values)
    where = " AND ".join([*conditions, f"d{len(path) + 1} IN ({marks})"])
    row = connection.execute(_sql(definition, [], f"WHERE {where}"), [*path, *values]).fetchone()
    return _group(row or (), 0)


def _sql(definition: Anonymised, names: list[str], where: str) -> str:
    """Values, people, each measure, and of each what its largest part and all parts come to, whatever their sign."""
    numbers = range(1, len(definition.measures) + 1)
    chosen = ", ".join([*names, "person", *(f"SUM(m{at}) AS m{at}" for at in numbers)])
    sums = [f"SUM(m{at})" for at in numbers]
    parts = [part for at in numbers for part in (f"MAX(ABS(m{at}))", f"SUM(ABS(m{at}))")]
    listed = ", ".join([*names, "COUNT(*)", *sums, *parts])
    each = ", ".join([*names, "person"])
    grouped = f" GROUP BY {', '.join(names)}" if names else ""
    return f"SELECT {listed} FROM (SELECT {chosen} FROM {CELLS} {where} GROUP BY {each}){grouped}"  # noqa: S608


def _group(row: tuple[Any, ...], level: int) -> Group:
    path, people, *numbers = tuple(row[:level]), row[level], *row[level + 1 :]
    measures, parts = numbers[: len(numbers) // 3], numbers[len(numbers) // 3 :]
    shares = [float(largest / all_) for largest, all_ in zip(parts[::2], parts[1::2], strict=True) if all_]
    return Group(path, int(people), tuple(measures), max(shares, default=0.0))
