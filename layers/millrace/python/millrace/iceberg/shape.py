"""A table's shape in Iceberg: its schema, partitions and properties from its contract, and how they change.

A field is `required` where its contract requires the column and no file of the table holds a null of it. A new table begins
so: what is required is a blocking check of every file. In a table that exists a field becomes required once the manifests
show it of every file, and optional with a contract that no longer requires it. Only scalars: a manifest does not count the
lists that are absent. Inside of lists everything is optional, as DuckDB writes it.
"""

from collections.abc import Collection, Iterable, Iterator
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
from millrace.iceberg.data_file import DataFile
from millrace.iceberg.layout import ORG_COLUMN, location
from millrace.iceberg.tables import IcebergCatalog, OpenTable, open_table
from millrace.quality.checks import unique_columns

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
# Iceberg identifies no row by a floating-point number.
_IDENTIFYING = tuple(Scalar(name) for name in _SCALARS if name != "double")
_FIXED = {
    "format-version": "2",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
    # Retried by iceberg/commit.py, which looks at its fence again each time.
    "commit.retry.num-retries": "0",
}


def schema(table: LakeTable, required: Collection[str]) -> Schema:
    """The schema; ids are counted here and given anew by whoever creates or evolves with it.

    Args:
        table: its contract.
        required: names of the fields that are never null.
    """
    ids = count(1)
    numbers = {column.name: next(ids) for column in table.columns}
    names = key(table)
    return Schema(
        *(
            NestedField(
                numbers[c.name],
                c.name,
                _type(c.type, ids),
                required=c.name in required,
                doc=_comment(c.description),
            )
            for c in table.columns
        ),
        identifier_field_ids=[numbers[name] for name in names] if set(names) <= set(required) else [],
    )


def never_null(table: LakeTable) -> frozenset[str]:
    """The columns whose fields may be required."""
    return frozenset(c.name for c in table.columns if c.required and isinstance(c.type, Scalar))


def key(table: LakeTable) -> tuple[str, ...]:
    """The columns that identify a row, as far as its checks prove it; none where no required columns are unique."""
    fit = {column.name for column in table.columns if column.required and column.type in _IDENTIFYING}
    for unique in unique_columns(table):
        names = dict.fromkeys(name for name in (ORG_COLUMN, table.time_column, *unique) if name is not None)
        if fit.issuperset(names):
            return tuple(names)
    return ()


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
    fields = schema(table, never_null(table))
    try:
        made = catalog.glue.create_table(
            catalog.identifier(name),
            fields,
            location(catalog.bucket, name),
            spec(table, fields),
            properties={**_FIXED, **_described(table)},
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
    """Adds the columns that the contract has and the table has not, widens types and says what is no longer required.

    Nothing is ever dropped. Iceberg widens int to long and decimals to more digits. A whole number that outgrew 64 bits it
    cannot widen: its column is dropped and comes anew under the same name, by which our files are read. The transform's other
    definition makes all rows anew in the same commit; rows of a tenant that could not be made anew are read as they are, by a
    cast (lake/duck.py).

    Raises:
        PermanentError: a column's type changed into one that Iceberg cannot read the old files as.
    """
    held = transaction.table_metadata.schema()
    outgrown = _outgrown(held, table)
    required = {field.name for field in held.fields if field.required}
    kept = (required & never_null(table)) - {column.name for column in outgrown}
    try:
        if outgrown or required - kept:
            with transaction.update_schema(allow_incompatible_changes=True) as update:
                if not held.identifier_field_names() <= kept:
                    update.set_identifier_fields()
                for name in required - kept:
                    update.make_column_optional(name)
                for column in outgrown:
                    update.delete_column(column.name)
                    update.add_column(column.name, DecimalType(38, 0), _comment(column.description))
        with transaction.update_schema() as update:
            update.union_by_name(schema(table, kept))
    except (ValidationError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise PermanentError(f"{table.full_name} cannot become what its contract says: {reason}") from error
    metadata = transaction.table_metadata
    # Files carry no field ids; readers find columns by name through the mapping.
    wanted = _described(table) | {NAME_MAPPING: metadata.schema().name_mapping.model_dump_json()}
    if changed := {name: text for name, text in wanted.items() if metadata.properties.get(name) != text}:
        transaction.set_properties(changed)


def require(transaction: Transaction, table: LakeTable, files: Iterable[DataFile]) -> None:
    """Makes fields required that the contract requires and no row lacks, and names the key of the table.

    Iceberg calls the first incompatible, because older rows may have nulls. That they have none is in the manifests, and a
    former snapshot is read with the schema that it was written with.

    Args:
        transaction: of `evolve`.
        table: its contract.
        files: all that the table will have.
    """
    held = list(files)
    fields = [
        field for field in transaction.table_metadata.schema().fields if field.name in never_null(table)
    ]
    proven = {field.name for field in fields if field.required or _complete(held, field.field_id)}
    names = key(table)
    with transaction.update_schema(allow_incompatible_changes=True) as update:
        for name in proven:
            update.update_column(name, required=True)
        update.set_identifier_fields(*(names if set(names) <= proven else ()))


def _complete(files: Iterable[DataFile], number: int) -> bool:
    """Whether every file says that it has no null of a field; one without the column, or without counts, does not."""
    return all((file.iceberg.null_value_counts or {}).get(number) == 0 for file in files)


def _described(table: LakeTable) -> dict[str, str]:
    """What people are told: Glue's description by pyiceberg's name for it and by that of every other writer, and the owner."""
    description = table.description[:DESCRIPTION_LENGTH]
    return {"Description": description, "comment": description, "owner": table.owner}


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
