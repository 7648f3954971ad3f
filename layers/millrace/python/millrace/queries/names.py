"""Names of the columns of a result."""

from collections.abc import Iterable


def distinct(names: Iterable[str]) -> list[str]:
    """Names made distinct, ignoring case: `a, a, A` → `a, a_1, A_2`, as DuckDB names a subquery's columns."""
    result: dict[str, str] = {}
    for name in names:
        candidate, number = name, 0
        while candidate.lower() in result:
            number += 1
            candidate = f"{name}_{number}"
        result[candidate.lower()] = candidate
    return list(result.values())
