"""An entity frame of pandas, pyarrow or DuckDB as Arrow, and the answer of the same kind.

The frame's own columns come back unchanged: types, categories, zones, whole numbers beside nulls.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from millrace.core.sql import identifier
from millrace.features.views import FeatureError


class Frame:
    """An entity frame as Arrow; what `answer` gives is of the kind that was given."""

    def __init__(self, given: Any, connection: duckdb.DuckDBPyConnection, titles: Sequence[str]) -> None:
        """Reads the frame.

        Args:
            given: a pandas frame, a pyarrow table or a DuckDB relation.
            connection: where a relation's answer is to live.
            titles: names of the columns that are to be added.

        Raises:
            FeatureError: it is none of these, or two columns would have one name, whatever their case.
        """
        self._given, self._connection, self._titles = given, connection, titles
        names = _names(given)
        if twice := sorted(_alike([*names, *titles])):
            raise FeatureError(
                f"{', '.join(twice)} would be a column twice, for names that differ in case are one in SQL; "
                "full_feature_names=True tells features of two views apart, a column of the frame has to be renamed"
            )
        self.table = _table(given)

    def answer(self, columns: Iterable[pa.ChunkedArray]) -> Any:
        """The frame with a column for each title."""
        added = dict(zip(self._titles, columns, strict=True))
        if _is_pandas(self._given):
            return _with_columns(self._given, added)
        table = self.table
        for title, column in added.items():
            table = table.append_column(title, column)
        if isinstance(self._given, duckdb.DuckDBPyRelation):
            return _relation(self._given, table, self._connection)
        return table


def numbers(column: pa.ChunkedArray, default: Any = None) -> pa.ChunkedArray:
    """A column with the default instead of NaN and infinity."""
    if not pa.types.is_floating(column.type):
        return column
    finite = pc.is_finite(column)
    if pc.all(finite).as_py() is not False:
        return column
    return pc.if_else(finite, column, pa.scalar(default, column.type))


def moments(frame: pa.Table, timestamp: str) -> pa.ChunkedArray:
    """The moments in microseconds since 1970, those of nanoseconds cut down.

    Raises:
        FeatureError: the column holds no moments, or a null.
    """
    column = frame[timestamp]
    if not pa.types.is_timestamp(column.type):
        raise FeatureError(f"{timestamp} holds no moments but {column.type}")
    if column.null_count:
        raise FeatureError(f"{timestamp} is null in {column.null_count} rows")
    whole = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
    return whole.cast(pa.int64())


def _names(given: Any) -> list[str]:
    if isinstance(given, pa.Table):
        return list(given.column_names)
    if isinstance(given, duckdb.DuckDBPyRelation) or _is_pandas(given):
        return [str(name) for name in given.columns]
    raise FeatureError(
        f"an entity frame is of pandas, pyarrow or DuckDB, and this is a {type(given).__name__}"
    )


def _alike(names: Iterable[str]) -> list[str]:
    held = list(names)
    counted = Counter(name.lower() for name in held)
    return list(dict.fromkeys(name for name in held if counted[name.lower()] > 1))


def _is_pandas(given: Any) -> bool:
    return type(given).__module__.partition(".")[0] == "pandas" and hasattr(given, "columns")


def _table(given: Any) -> pa.Table:
    if isinstance(given, pa.Table):
        return given
    if isinstance(given, duckdb.DuckDBPyRelation):
        return given.to_arrow_table()
    try:
        return pa.Table.from_pandas(given, preserve_index=False)
    except (pa.ArrowException, OverflowError, ValueError) as error:
        raise FeatureError(f"the entity frame holds what is not a column: {error}") from error


def _with_columns(given: Any, added: dict[str, pa.ChunkedArray]) -> Any:
    """The pandas frame itself and the features: a conversion to Arrow and back would lose types."""
    import pandas as pd  # noqa: PLC0415  only a caller with a pandas frame has it

    answer = given.copy(deep=False)
    for title, column in added.items():
        # Beside a null pandas would turn whole numbers into floats.
        whole = column.null_count and pa.types.is_integer(column.type)
        values = column.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get if whole else None)
        answer[title] = values.set_axis(given.index)
    return answer


def _relation(
    given: duckdb.DuckDBPyRelation, table: pa.Table, connection: duckdb.DuckDBPyConnection
) -> duckdb.DuckDBPyRelation:
    """A relation of the types that were given: Arrow has none for some of DuckDB's."""
    answer = connection.from_arrow(table)
    kinds = dict(zip(given.columns, given.types, strict=True))
    columns = (
        f"CAST({identifier(name)} AS {kinds[name]}) AS {identifier(name)}"
        if name in kinds and kinds[name] != now
        else identifier(name)
        for name, now in zip(answer.columns, answer.types, strict=True)
    )
    return answer.project(", ".join(columns))
