"""A table's shape in Iceberg: its schema, partitions and properties from its contract, and how both change.

Every field is optional: files are written by DuckDB, which writes optional columns only, and what is required is a
check before the commit.
"""

from collections.abc import Iterator
from itertools import count

from pyiceberg.exceptions import NoSuchNamespaceError, TableAlreadyExistsError, ValidationError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Transaction
from pyiceberg.transforms import DayTransform, IdentityTransform
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    PrimitiveType,
    StringType,
    StructType,
    TimestamptzType,
)

from millrace.contracts.columns import WIDE_INTEGER, WIDE_MONEY, Array, Column, Scalar, Struct, Type
from millrace.contracts.tables import LakeTable
from millrace.core.errors import PermanentError
from millrace.iceberg.layout import location
from millrace.iceberg.tables import ORG_COLUMN, IcebergCatalog, OpenTable, open_table

# What Glue takes as the comment of a column, and as the description of a table.
COMMENT_LENGTH, DESCRIPTION_LENGTH = 255, 2048
NAME_MAPPING = "schema.name-mapping.default"
_SCALARS: dict[str, PrimitiveType] = {
    "string": StringType(),
    "int": IntegerType(),
    "long": LongType(),
    "double": DoubleType(),
    "decimal": DecimalType(18, 4),
    WIDE_MONEY: DecimalType(38, 4),
    WIDE_INTEGER: DecimalType(38, 0),
    "boolean": BooleanType(),
    "date": DateType(),
    "timestamptz": TimestamptzType(),
}
_FIXED = {
    "format-version": "2",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
    # Retried by iceberg/commit.py, which looks at its fence again each time.
    "commit.retry.num-retries": "0",
}


def schema(table: LakeTable) -> Schema:
    """The schema; ids are counted here and given anew by whoever creates or evolves with it."""
    ids = count(1)
    numbers = [next(ids) for _ in table.columns]
    return Schema(
        *(
            NestedField(number, c.name, _type(c.type, ids), required=False, doc=_comment(c.description))
            for number, c in zip(numbers, table.columns, strict=True)
        )
    )


def spec(table: LakeTable, of: Schema) -> PartitionSpec:
    """The tenant and, for grain `day`, the day of the time column."""
    fields = [PartitionField(of.find_field(ORG_COLUMN).field_id, 1000, IdentityTransform(), ORG_COLUMN)]
    if table.grain == "day":
        if table.time_column is None:
            raise PermanentError(f"{table.full_name} is by day and names no time column")
        # Not the name of any column: a table may have a column `day`.
        name = f"{table.time_column}_day"
        fields.append(PartitionField(of.find_field(table.time_column).field_id, 1001, DayTransform(), name))
    return PartitionSpec(*fields)


def open_or_create(catalog: IcebergCatalog, table: LakeTable) -> OpenTable:
    """The table, made if there is none. Of two that make it at once, both get the one that came first."""
    name = table.full_name
    opened = open_table(catalog, name)
    if opened is not None:
        return opened
    fields = schema(table)
    try:
        made = catalog.glue.create_table(
            catalog.identifier(name),
            fields,
            location(catalog.bucket, name),
            spec(table, fields),
            properties={**_FIXED, "Description": table.description[:DESCRIPTION_LENGTH]},
        )
    except TableAlreadyExistsError:
        opened = open_table(catalog, name)
        if opened is None:
            raise
        return opened
    except NoSuchNamespaceError as error:
        raise PermanentError(f"{name} has no database in Glue: {error}") from error
    return OpenTable(name, made)


def evolve(transaction: Transaction, table: LakeTable) -> None:
    """Adds the columns that the contract has and the table has not, and widens types; nothing else is ever dropped.

    Iceberg widens int to long and decimals to more digits. A whole number that outgrew 64 bits it cannot widen: its column
    is dropped and comes anew under the same name, by which our files are read. The transform's other definition makes all rows
    anew in the same commit; rows of a tenant that could not be made anew are read as they are, by a cast (lake/duck.py).

    Raises:
        PermanentError: a column's type changed into one that Iceberg cannot read the old files as.
    """
    try:
        if outgrown := _outgrown(transaction.table_metadata.schema(), table):
            with transaction.update_schema(allow_incompatible_changes=True) as update:
                for column in outgrown:
                    update.delete_column(column.name)
                    update.add_column(column.name, DecimalType(38, 0), _comment(column.description))
        with transaction.update_schema() as update:
            update.union_by_name(schema(table))
    except (ValidationError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise PermanentError(f"{table.full_name} cannot become what its contract says: {reason}") from error
    metadata = transaction.table_metadata
    mapping = metadata.schema().name_mapping.model_dump_json()
    if metadata.properties.get(NAME_MAPPING) != mapping:
        # Files carry no field ids; readers find columns by name through this.
        transaction.set_properties({NAME_MAPPING: mapping})


def _outgrown(held: Schema, table: LakeTable) -> list[Column]:
    whole = {field.name for field in held.fields if isinstance(field.field_type, IntegerType | LongType)}
    return [c for c in table.columns if c.type == Scalar(WIDE_INTEGER) and c.name in whole]


def _type(of: Type, ids: Iterator[int]) -> IcebergType:
    if isinstance(of, Array):
        return ListType(next(ids), _type(of.item, ids), element_required=False)
    if isinstance(of, Struct):
        return StructType(
            *(NestedField(next(ids), name, _type(part, ids), required=False) for name, part, _ in of.fields)
        )
    return _SCALARS[of.name]


def _comment(text: str) -> str | None:
    return text[:COMMENT_LENGTH] or None
