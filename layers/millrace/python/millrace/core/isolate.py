"""Finds the parts of a whole that foreign code does not take, where it does not say which. Pure."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Part = TypeVar("Part")


def failing(
    parts: Sequence[Part],
    attempt: Callable[[Sequence[Part]], object],
    passing: tuple[type[Exception], ...],
) -> dict[Part, Exception]:
    """Each part that fails by itself, with its error. A few of many are found in few attempts: by halves.

    Args:
        parts: of the whole.
        attempt: tries some of them, without effect.
        passing: errors that say nothing of any part; they are raised.
    """
    if not parts:
        return {}
    try:
        attempt(parts)
    except passing:
        raise
    except Exception as error:  # noqa: BLE001  whatever one part sets off must not stop the others
        if len(parts) == 1:
            return {parts[0]: error}
        half = len(parts) // 2
        return failing(parts[:half], attempt, passing) | failing(parts[half:], attempt, passing)
    return {}
