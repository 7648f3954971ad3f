"""The re-identification test of a release: what an attacker could learn who knows every row of the source but one person's.

It reads what is to be told and what each person has, and uses nothing of how groups were chosen (`grouping`). Three attacks:

- *Prosecutor*: the attacker knows that a person is in the table, and each of that person's values. The smallest group that fits
  is all that is learned: the risk is 1 by its people (El Emam and Dankar, 2008).
- *Uniqueness*: a combination of values that is one person's alone.
- *Difference*: the groups below a group are subtracted from it; what is left is of how many people?
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millrace.anonymised.cells import CELLS
from millrace.core.errors import PermanentError

if TYPE_CHECKING:
    import duckdb

_TOLD = "told"


class ReidentificationError(PermanentError):
    """A release would tell of somebody; it is not made."""


@dataclass(frozen=True, slots=True)
class Risk:
    """What the attacks come to.

    Attributes:
        smallest_group: people of the smallest group.
        smallest_difference: people of the smallest rest; None where there is none.
        unique: groups and rests of one person.
        wrong: groups whose number of people is not the one that is told.
    """

    smallest_group: int
    smallest_difference: int | None
    unique: int
    wrong: int

    @property
    def prosecutor(self) -> float:
        """The chance to name the person behind a row."""
        smallest = [one for one in (self.smallest_group, self.smallest_difference) if one is not None]
        return 1 / max(1, min(smallest))

    def must_be_below(self, k: int) -> None:
        """Returns where nobody can be told from `k - 1` others.

        Raises:
            ReidentificationError: somebody can.
        """
        if self.prosecutor > 1 / k or self.unique or self.wrong:
            raise ReidentificationError(
                f"the release would tell of a person: the smallest group is of {self.smallest_group}, the smallest difference of "
                f"{self.smallest_difference}, {self.unique} are unique and {self.wrong} are wrong"
            )

    def to_json(self) -> dict[str, Any]:
        """As a release has it."""
        return {
            "smallestGroup": self.smallest_group,
            "smallestDifference": self.smallest_difference,
            "uniqueCombinations": self.unique,
            "prosecutorRisk": round(self.prosecutor, 6),
        }


def measure(
    connection: "duckdb.DuckDBPyConnection", told: Sequence[tuple[tuple[str, ...], int]], dimensions: int
) -> Risk:
    """Attacks a release.

    Args:
        connection: with the table `cells`.
        told: of each group its values, and the people that it is said to be of.
        dimensions: how many there are.
    """
    names = [f"d{at}" for at in range(1, dimensions + 1)]
    columns = ", ".join(f"{name} VARCHAR" for name in names)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_TOLD} (level INTEGER, people BIGINT{', ' if columns else ''}{columns})"
    )
    marks = ", ".join("?" for _ in range(dimensions + 2))
    connection.executemany(
        f"INSERT INTO {_TOLD} VALUES ({marks})",  # noqa: S608
        [(len(path), people, *path, *[None] * (dimensions - len(path))) for path, people in told],
    )
    groups, rests, wrong = [], [], 0
    for level in range(dimensions + 1):
        for said, people in connection.execute(_groups_sql(names[:level])).fetchall():
            groups.append(people)
            wrong += said != people
        if level:
            rests += [row[0] for row in connection.execute(_rests_sql(names[:level])).fetchall()]
    return Risk(
        smallest_group=min(groups, default=0),
        smallest_difference=min(rests, default=None),
        unique=sum(one == 1 for one in (*groups, *rests)),
        wrong=wrong,
    )


def _groups_sql(names: list[str]) -> str:
    """Of each group of a level: the people that are told, and those that there are."""
    same = " AND ".join([f"t.level = {len(names)}", *(f"t.{name} = c.{name}" for name in names)])
    by = ", ".join(["t.people", *(f"t.{name}" for name in names)])
    return (
        f"SELECT t.people, COUNT(DISTINCT c.person) FROM {_TOLD} AS t LEFT JOIN {CELLS} AS c ON {same} "  # noqa: S608
        f"WHERE t.level = {len(names)} GROUP BY {by}"
    )


def _rests_sql(names: list[str]) -> str:
    """The people in what the groups of a level leave of each group of the level above that is told."""
    *above, _ = names
    parent = " AND ".join([f"t.level = {len(above)}", *(f"t.{name} = c.{name}" for name in above)])
    child = " AND ".join([f"b.level = {len(names)}", *(f"b.{name} = c.{name}" for name in names)])
    by = f" GROUP BY {', '.join(f'c.{name}' for name in above)}" if above else " HAVING COUNT(*) > 0"
    return (
        f"SELECT COUNT(DISTINCT c.person) FROM {CELLS} AS c JOIN {_TOLD} AS t ON {parent} "  # noqa: S608
        f"WHERE NOT EXISTS (SELECT 1 FROM {_TOLD} AS b WHERE {child}){by}"
    )
