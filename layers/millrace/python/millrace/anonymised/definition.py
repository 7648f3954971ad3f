"""A table about nobody, as `schemas/anonymised/*.yaml` declares it. Pure; it is read from the bundle."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from millrace.core import bundle

Each = Literal["month", "quarter", "year"]
Kind = Literal["text", "month", "quarter", "year", "buckets"]
EACH: tuple[Each, ...] = ("month", "quarter", "year")
# What stands for a value that is not there, and for values that are too many to be named.
UNKNOWN, OTHER = "unknown", "other"


@dataclass(frozen=True, slots=True)
class Dimension:
    """A quasi-identifier, made coarser.

    Attributes:
        name: of the column in the release.
        column: of the source.
        kind: how it is made coarser: the most frequent texts, the part of a year, or intervals of a number.
        keep: of `text`: values that keep their names; all others are `other`.
        buckets: of `buckets`: where each interval begins, ascending; the last has no end.
    """

    name: str
    column: str
    kind: Kind
    keep: int = 0
    buckets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """What is told of a group: its rows, or the sum of a column of them (`column`)."""

    name: str
    column: str = ""


@dataclass(frozen=True, slots=True)
class Anonymised:
    """A table about nobody.

    Attributes:
        name: of it.
        version: of this declaration.
        description: what a row is.
        owner: who answers for it.
        source: the table that it is made of, such as `marts.orders_enriched`.
        subject: the column of the source that says whose a row is.
        time: the column that says when.
        each: a release is of one such part of the year.
        settled_days: how long after its end a period is released: by then its rows have come.
        k: people that a group has at least.
        share: of a measure of a group that is one person's at most.
        dimensions: from the coarsest to the finest; a group is told of below a group that is.
        measures: of each group.
    """

    name: str
    version: str
    description: str
    owner: str
    source: str
    subject: str
    time: str
    each: Each
    settled_days: int
    k: int
    share: float
    dimensions: tuple[Dimension, ...]
    measures: tuple[Measure, ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the source that are read."""
        read = {self.subject, self.time, *(one.column for one in self.dimensions)}
        return frozenset(read | {one.column for one in self.measures if one.column})

    def to_json(self) -> dict[str, Any]:
        """The form in the bundle."""
        return asdict(self)

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> "Anonymised":
        """Reads what `to_json` wrote."""
        dimensions = (
            Dimension(**{**one, "buckets": tuple(one["buckets"])}) for one in document["dimensions"]
        )
        measures = (Measure(**one) for one in document["measures"])
        return cls(**{**document, "dimensions": tuple(dimensions), "measures": tuple(measures)})


def load(folder: Path | None = None) -> Mapping[str, Anonymised]:
    """The tables about nobody of the bundle in `folder`, else of the one in force, by name."""
    return bundle.load(_read, folder)


def _read(folder: Path) -> Mapping[str, Anonymised]:
    found = map(Anonymised.of_json, bundle.document(folder, bundle.ANONYMISED))
    return {one.name: one for one in found}
