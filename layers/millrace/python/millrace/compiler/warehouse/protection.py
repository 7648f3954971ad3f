"""Whether a transform keeps the class of what its columns are made of: what is protected in silver is protected wherever it goes."""

from collections.abc import Iterator, Mapping

from millrace.contracts.contract import CLASSES, PROTECTED
from millrace.contracts.tables import LakeTable
from millrace.warehouse.project import Lineage


def weaker(table: LakeTable, lineage: Lineage, tables: Mapping[str, LakeTable]) -> Iterator[str]:
    """A sentence for each column whose class is weaker than that of a protected column that it is made of.

    Args:
        table: what a transform makes.
        lineage: of its columns.
        tables: all tables by name.
    """
    for column in table.columns:
        source, of = strictest(lineage.get(column.name, ()), tables)
        if of in PROTECTED and CLASSES.index(of) > CLASSES.index(column.classification):
            yield (
                f"{column.name} is {column.classification} and made of {source}, which is {of}: "
                f"write classification: {of} into its contract"
            )


def exposed(lineage: Lineage, tables: Mapping[str, LakeTable]) -> Iterator[str]:
    """A sentence for each column of a view, which has no contract and so no class, that is made of a protected one."""
    for name, sources in lineage.items():
        source, of = strictest(sources, tables)
        if of in PROTECTED:
            yield f"{name} is made of {source}, which is {of}: views of staging are shown to all who may read them"


def strictest(sources: tuple[tuple[str, str], ...], tables: Mapping[str, LakeTable]) -> tuple[str, str]:
    """Of the columns that one is made of, that of the strictest class, `table.column`, and its class."""
    known = [
        (f"{name}.{column.name}", column.classification)
        for name, wanted in sources
        for column in (tables[name].columns if name in tables else ())
        if column.name == wanted
    ]
    return max(known, key=lambda one: CLASSES.index(one[1]), default=("", CLASSES[0]))
