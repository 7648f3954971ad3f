"""From `schemas/anonymised/*.yaml` to tables about nobody (`anonymised/definition.py`). Build only."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from millrace.anonymised.definition import Anonymised, Dimension, Each, Kind, Measure
from millrace.compiler.definitions import Definitions
from millrace.compiler.sentences import meant
from millrace.contracts.columns import duckdb_type
from millrace.contracts.contract import PROTECTED
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.tables import LakeTable

FOLDER = "anonymised"
# Fewer people are no crowd, whatever a table is for.
LEAST_PEOPLE = 10
MOST_VALUES, MOST_DIMENSIONS = 1_000, 6
_MEANINGS = {"version": "a version is major.minor.patch, such as 1.2.0"}
_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
_Text = Annotated[str, Field(min_length=1, max_length=500)]
_NUMBERS, _TIMES = ("BIGINT", "INTEGER", "DECIMAL", "DOUBLE"), ("TIMESTAMP", "DATE")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _Period(_Strict):
    column: _Name
    each: Each
    settled_days: int = Field(14, alias="settledDays", ge=1, le=366)


class _Dimension(_Strict):
    name: _Name
    column: _Name
    keep: int | None = Field(None, ge=1, le=MOST_VALUES)
    by: Each | None = None
    buckets: list[int] | None = Field(None, min_length=1, max_length=100)


class _Measure(_Strict):
    name: _Name
    measure: Literal["rows", "sum"]
    column: _Name | None = None


class AnonymisedDefinition(_Strict):
    """A file."""

    name: _Name
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    description: _Text
    owner: _Text
    source: _Text
    subject: _Name
    period: _Period
    k: int = Field(LEAST_PEOPLE, ge=LEAST_PEOPLE, le=100_000)
    share: float = Field(0.5, gt=0, le=0.9)
    dimensions: list[_Dimension] = Field(min_length=1, max_length=MOST_DIMENSIONS)
    measures: list[_Measure] = Field(min_length=1, max_length=20)


DEFINITIONS = Definitions(FOLDER, "table", AnonymisedDefinition, _MEANINGS)


def compile_anonymised(schemas_dir: Path, lake: Iterable[LakeTable]) -> list[dict[str, Any]]:
    """Every table about nobody by name, as `Anonymised.of_json` takes it.

    Raises:
        ContractError: with every problem of every file.
    """
    tables = {table.full_name: table for table in lake}
    read, problems = DEFINITIONS.read(schemas_dir)
    found, sources = [], dict[str, str]()
    for file, one in read.items():
        wrong = [ContractProblem(file, *problem) for problem in _problems(one, tables)]
        other = sources.setdefault(one.source, file)
        if other != file:
            # Whoever has two groupings of the same rows subtracts one from the other.
            wrong.append(ContractProblem(file, "/source", f"{one.source} is grouped by {other} already"))
        problems += wrong
        if not wrong:
            found.append(_compiled(one).to_json())
    if problems:
        raise ContractError(problems)
    return found


def _problems(one: AnonymisedDefinition, tables: dict[str, LakeTable]) -> Iterator[tuple[str, str]]:
    table = tables.get(one.source)
    if table is None:
        yield "/source", f"there is no table {one.source}{meant(one.source, tables)}"
        return
    columns = {column.name: column for column in table.columns}
    for place, name, wanted in _named(one):
        column = columns.get(name)
        if column is None:
            yield place, f"{one.source} has no column {name}{meant(name, columns)}"
        elif column.classification in PROTECTED and place != "/subject":
            yield place, f"{name} is {column.classification}: no group of it is told of"
        elif not duckdb_type(column.type).startswith(wanted):
            yield place, f"{name} is no {'time' if wanted == _TIMES else 'number'}"
        elif name == one.subject and place != "/subject":
            yield place, "a group by person is a person"
    for at, dimension in enumerate(one.dimensions):
        yield from ((f"/dimensions/{at}{place}", said) for place, said in _dimension_problems(dimension))
    for at, measure in enumerate(one.measures):
        if (measure.measure == "sum") != (measure.column is not None):
            yield f"/measures/{at}", "a sum has a column, and rows have none"
    names = ["people", *(of.name for of in one.dimensions), *(of.name for of in one.measures)]
    if len(set(names)) != len(names):
        yield "/dimensions", "dimensions, measures and people have a name each"


def _named(one: AnonymisedDefinition) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The columns that it names: where, which, and what its type begins with."""
    yield "/subject", one.subject, ("",)
    yield "/period/column", one.period.column, _TIMES
    for at, of in enumerate(one.dimensions):
        wanted = _TIMES if of.by is not None else _NUMBERS if of.buckets is not None else ("",)
        yield f"/dimensions/{at}/column", of.column, wanted
    for at, measure in enumerate(one.measures):
        if measure.column is not None:
            yield f"/measures/{at}/column", measure.column, _NUMBERS


def _dimension_problems(one: _Dimension) -> Iterator[tuple[str, str]]:
    ways = [way for way in (one.keep, one.by, one.buckets) if way is not None]
    if len(ways) != 1:
        yield "", "a dimension is made coarser in one way: keep, by or buckets"
    if one.buckets is not None and sorted(set(one.buckets)) != one.buckets:
        yield "/buckets", "intervals begin at numbers that grow"


def _compiled(one: AnonymisedDefinition) -> Anonymised:
    return Anonymised(
        name=one.name,
        version=one.version,
        description=one.description,
        owner=one.owner,
        source=one.source,
        subject=one.subject,
        time=one.period.column,
        each=one.period.each,
        settled_days=one.period.settled_days,
        k=one.k,
        share=one.share,
        dimensions=tuple(
            Dimension(each.name, each.column, _kind(each), each.keep or 0, tuple(each.buckets or ()))
            for each in one.dimensions
        ),
        measures=tuple(Measure(each.name, each.column or "") for each in one.measures),
    )


def _kind(one: _Dimension) -> Kind:
    if one.by is not None:
        return one.by
    return "text" if one.buckets is None else "buckets"
