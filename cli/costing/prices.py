"""The price table, read from its one file."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("prices.yaml")
HOURS_A_MONTH = 730
DAYS_A_MONTH = 30.4
GB = 1024**3


class Usage(dict[str, float]):
    """Quantities by the price table's names, in its units; unused ones are 0."""

    def __missing__(self, name: str) -> float:
        return 0.0

    def add(self, more: Mapping[str, float]) -> None:
        """Adds the quantities of another."""
        for name, quantity in more.items():
            self[name] += quantity


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars for one unit of each thing, and the assumptions.

    Attributes:
        date: the day of the prices.
        dollars: name → dollars for one unit.
        pages: name → where the price is published.
        assumptions: name → number, in the unit that the file gives.
    """

    date: str
    dollars: Mapping[str, float]
    pages: Mapping[str, str]
    assumptions: Mapping[str, float]

    def of(self, usage: Mapping[str, float]) -> float:
        """Dollars for a usage.

        Raises:
            KeyError: something in it has no price.
        """
        return sum(self.dollars[name] * quantity for name, quantity in usage.items())

    def lines(self, usage: Mapping[str, float]) -> dict[str, float]:
        """Dollars by name, the most expensive first."""
        dollars = {name: self.dollars[name] * quantity for name, quantity in usage.items()}
        return dict(sorted(dollars.items(), key=lambda line: -line[1]))


@cache
def load(file: Path = FILE) -> Prices:
    """Reads the table.

    Raises:
        ValueError: a price is negative, or has no unit or page.
    """
    document = yaml.safe_load(file.read_text())
    for name, line in document["prices"].items():
        if line["price"] < 0 or line["per"] <= 0 or not line.get("unit") or "https://" not in line["page"]:
            raise ValueError(f"{file.name}: {name} needs a price, per, a unit and its page")
    return Prices(
        str(document["date"]),
        {name: line["price"] / line["per"] for name, line in document["prices"].items()},
        {name: line["page"] for name, line in document["prices"].items()},
        {name: float(value) for name, value in document["assumptions"].items()},
    )
