"""Times that an option takes, such as 30m, 2h or 7d."""

import re
from datetime import timedelta

from cli.errors import UsageError

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def parse(option: str, text: str) -> timedelta:
    """The time that an option's text says.

    Raises:
        UsageError: it says none; the message names the option.
    """
    found = re.fullmatch(r"([0-9]{1,5})([mhd])", text, re.ASCII)
    if found is None:
        raise UsageError(f"{option} is {text!r}, and a time is a number with m, h or d, such as 2h")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
