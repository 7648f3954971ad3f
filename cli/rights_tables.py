"""All that the lake has, for the tables of who may what: tables of contracts, raw, and the views of staging."""

from pathlib import Path

from millrace.catalog.datasets import RAW_COLUMNS
from millrace.compiler.event_contracts import compile_contracts
from millrace.compiler.golden_rights import Dataset, datasets
from millrace.compiler.table_contracts import compile_tables
from millrace.contracts.tables import silver_table
from millrace.queries.masks import DOCUMENTS, RAW

# A view is made of columns that are not protected, which the build sees to: one class for all of it.
WHOLE = {"*": "internal"}


def lake(root: Path) -> list[Dataset]:
    """Every dataset of a checkout.

    Raises:
        ContractError: a contract does not compile.
    """
    schemas = root / "schemas"
    tables = [*map(silver_table, compile_contracts(schemas)), *compile_tables(schemas)]
    raw = {name: "restricted" if name in DOCUMENTS else "internal" for name in RAW_COLUMNS}
    views = sorted((root / "warehouse" / "models" / "staging").glob("*.sql"))
    return datasets(tables, {RAW: raw, **{f"staging.{one.stem}": WHOLE for one in views}})
