"""From raw to the files of silver: one tenant-day (or a bucket of it) at a time, in memory that does not grow with it."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from millrace.contracts import columns
from millrace.contracts.contract import Contract
from millrace.contracts.errors import UnknownType, UnknownVersion
from millrace.contracts.registry import Registry
from millrace.contracts.tables import silver_table
from millrace.core.errors import RetryableError, in_a_line
from millrace.core.prefixes import DEAD_LETTERS
from millrace.core.sql import literal
from millrace.iceberg.layout import data_file
from millrace.lake import conversion_sql, silver_sql, suspects
from millrace.lake.duck import is_passing
from millrace.lake.kept_rows import KeptRows
from millrace.lake.raw_rows import MOST_UNFIT, BadRowsError, ContractRows, RawRows
from millrace.quality.checks import checks_of
from millrace.quality.measure import measure
from millrace.quality.result import CheckResult
from millrace.runs.documents import Failure, Part, TenantDay, Unit

if TYPE_CHECKING:
    import duckdb

NAME = "transform_partitions"
UNKNOWN = "unknown_contract"
_NOTHING: Mapping[str, Sequence[str]] = MappingProxyType({})
# What a reader takes at once, and what a worker holds of a file that it writes.
ROW_GROUP = 122_880
# What a raw row is kept as, where it cannot be typed.
_DEAD_LETTER = (
    "* EXCLUDE (filename, file_row_number) REPLACE (hex(fingerprint) AS fingerprint), filename AS object"
)


@dataclass(slots=True)
class Done:
    """What came of a unit. `unread`: rows of events that no contract in force describes, by their reference."""

    parts: list[Part] = field(default_factory=list)
    unread: list[Part] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


class SilverTransform:
    """Makes the files of silver."""

    def __init__(
        self,
        connect: Callable[[], "duckdb.DuckDBPyConnection"],
        registry: Registry,
        bucket: str,
        root: str = "",
    ) -> None:
        """Binds it to a lake.

        Args:
            connect: a database of its own for each unit, so that no tenant's rows meet another's.
            registry: the contracts in force.
            bucket: the lake's.
            root: a folder that stands for `s3://<bucket>`; empty for S3 itself.
        """
        self._connect, self._registry, self._bucket, self._root = connect, registry, bucket, root

    def unit(
        self, run: str, unit: Unit, day: TenantDay, kept: Mapping[str, Sequence[str]] = _NOTHING
    ) -> Done:
        """Makes one unit; what cannot be done is named in what it returns.

        Args:
            run: its id.
            unit: of the day.
            day: what the run takes in of it.
            kept: by table, the files that silver has of a day that merges: what is not made of raw again stays.

        Raises:
            RetryableError: the lake did not answer.
        """
        import duckdb  # noqa: PLC0415  only the workers have it

        objects = {self._place(f"s3://{self._bucket}/{part.key}"): part.rows for part in day.objects}
        connection = self._connect()
        rows = RawRows(connection, unit, objects)
        try:
            silver = KeptRows(connection, unit, self._registry, self._places(kept))
            return self._made(run, unit, connection, rows, silver)
        except RetryableError:
            raise
        except duckdb.Error as error:
            if is_passing(error):
                raise RetryableError(f"silver of {unit.org} {unit.day}: {in_a_line(error)}") from error
            # An error in the middle of a query does not always say in which object.
            reason = None if isinstance(error, duckdb.OutOfMemoryException) else rows.bad_object()
            return _failed(unit, BadRowsError(reason) if reason else error)
        except Exception as error:  # noqa: BLE001  whatever one tenant's day sets off must not stop the others
            return _failed(unit, error)
        finally:
            connection.close()

    def _made(
        self,
        run: str,
        unit: Unit,
        connection: "duckdb.DuckDBPyConnection",
        rows: RawRows,
        silver: KeptRows,
    ) -> Done:
        rows.check_objects()
        known: dict[str, tuple[Contract, list[ContractRows]]] = {}
        done = Done()
        for group in rows.groups():
            try:
                contract = self._registry.of_ref(group.ref)
            except (UnknownType, UnknownVersion):
                done.unread.append(self._unread(run, unit, connection, rows, group))
                continue
            known.setdefault(contract.name, (contract, []))[1].append(group)
        duplicates = rows.find_duplicates()
        for contract, groups in known.values():
            if kept := silver.of(_table(contract)):
                duplicates = rows.note_received_before(kept, groups)
        for contract, groups in known.values():
            counts = (sum(group.rows for group in groups), sum(duplicates.get(g.ref, 0) for g in groups))
            source = rows.of(groups, distinct=counts[1] > 0)
            part = self._part(run, unit, connection, rows, contract, source, counts)
            older = _of_older_minors(contract, groups)
            nulled = (
                self._nulled(connection, contract, rows.of(older, distinct=counts[1] > 0)) if older else ()
            )
            # Another choice in each run, so that a day's runs together look at most of its objects.
            sample = rows.sample(groups, f"{run}/{unit.org}/{unit.day}/{unit.bucket}", suspects.OBJECTS)
            looked, suspected = suspects.find(connection, contract, *sample)
            done.parts.append(
                replace(part, checks=(*part.checks, *nulled), looked=looked, suspected=suspected)
            )
        for contract, groups in known.values():
            for newer in self._registry.majors(contract.event_type).values():
                if newer.up_converter.get("from") == contract.major:
                    native = known.get(newer.name, (newer, []))[1]
                    done.parts.append(
                        self._converted(
                            run,
                            unit,
                            connection,
                            rows,
                            (contract, groups),
                            (newer, native),
                            silver.of(_table(newer)),
                        )
                    )
        # Of every table, in every bucket: a commit replaces the day of a table as a whole.
        done.parts += [self._kept(run, unit, connection, silver, table, done) for table in silver.tables]
        return done

    def _kept(
        self,
        run: str,
        unit: Unit,
        connection: "duckdb.DuckDBPyConnection",
        silver: KeptRows,
        table: str,
        done: Done,
    ) -> Part:
        """The rows of a table that are not made of raw again, as they are."""
        made = [self._place(part.file) for part in done.parts if part.table == table and part.file]
        file = data_file(self._bucket, table, run, unit.org, unit.day, unit.bucket)
        rows, size = self._copy(connection, silver.left(table, made), file)
        return Part(
            table=table,
            org=unit.org,
            day=unit.day,
            file=file if rows else None,
            rows_in=rows,
            rows=rows,
            size=size if rows else 0,
        )

    def _converted(
        self,
        run: str,
        unit: Unit,
        connection: "duckdb.DuckDBPyConnection",
        raw: RawRows,
        older: tuple[Contract, list[ContractRows]],
        newer: tuple[Contract, list[ContractRows]],
        kept: str,
    ) -> Part:
        """The rows of an older major as the newer one's converter makes them; where both have an id, the newer major's row stays."""
        (old, groups), (contract, native) = older, newer
        rows_in = sum(group.rows for group in groups)
        superseded = raw.note_superseded(groups, native, kept) if native or kept else 0
        source = raw.of(groups, distinct=True)
        (left,) = connection.execute(f"SELECT count(*) FROM {source}").fetchone() or (0,)  # noqa: S608
        if native or kept:
            source = f"(SELECT * FROM {source} ANTI JOIN superseded USING (filename, file_row_number))"  # noqa: S608
        made = conversion_sql.converted(contract, old, source)
        # The minors of the older major say nothing of this one's fields.
        counts = (rows_in, rows_in - left + superseded)
        strict = replace(contract, since={})
        return self._part(run, unit, connection, raw, strict, made, counts, converted_from=old.major)

    def _part(
        self,
        run: str,
        unit: Unit,
        connection: "duckdb.DuckDBPyConnection",
        raw: RawRows,
        contract: Contract,
        source: str,
        counts: tuple[int, int],
        *,
        converted_from: int | None = None,
    ) -> Part:
        rows_in, duplicates = counts
        table = _table(contract)
        fit, unfit = source, ""
        without = f"(SELECT * FROM {source} ANTI JOIN unfit USING (filename, file_row_number))"  # noqa: S608
        noted = f" UNION ALL BY NAME SELECT * FROM {source} JOIN unfit USING (filename, file_row_number)"  # noqa: S608
        connection.execute("DROP TABLE IF EXISTS unfit")

        def write() -> tuple[str, int, int, tuple[CheckResult, ...]]:
            # Each time under another name: of a file that was looked at the footer is kept.
            file = data_file(self._bucket, table, run, unit.org, unit.day, unit.bucket)
            rows, size = self._copy(connection, silver_sql.typed(contract, fit), file)
            return file, rows, size, self._checked(connection, contract, file) if rows else ()

        try:
            file, rows, size, results = write()
        except Exception as error:
            if not self._is_of_rows(error, raw, contract, source):
                raise
            fit, unfit = without, noted
            file, rows, size, results = write()
        # However many converted rows do not fit, they hold nothing up: all of them are in the older major's table.
        most = MOST_UNFIT if converted_from is None else math.inf
        if broken := self._broken(raw, contract, source, file, results, most):
            before, (fit, unfit) = results, (without, noted)
            file, rows, size, results = write()
            results = _told(broken, results if rows else before)
        dead = rows_in - duplicates - rows
        if dead:
            # Only now: that there are any is rare, and to look for them reads everything once more.
            dead_letters = f"SELECT {_DEAD_LETTER} FROM ({silver_sql.dead(contract, fit)}{unfit})"  # noqa: S608
            name = table if converted_from is None else f"{table}-from-v{converted_from}"
            self._set_aside(connection, dead_letters, run, unit, name, dead)
        return Part(
            table=table,
            org=unit.org,
            day=unit.day,
            file=file if rows else None,
            rows_in=rows_in,
            rows=rows,
            duplicates=duplicates,
            dead=dead,
            size=size if rows else 0,
            checks=results,
        )

    def _nulled(
        self, connection: "duckdb.DuckDBPyConnection", contract: Contract, source: str
    ) -> Iterator[CheckResult]:
        """A warning for each field that older rows hold a value in which does not fit it, and which is null in silver."""
        pointers, sql = silver_sql.nulled(contract, source)
        counts = connection.execute(sql).fetchone() or ()
        (rows,) = connection.execute(f"SELECT count(*) FROM {source}").fetchone() or (0,)  # noqa: S608
        for pointer, count in zip(pointers, counts, strict=True):
            if count:
                yield CheckResult(f"older_minor({pointer})", "warning", count, rows)

    def _is_of_rows(self, error: Exception, raw: RawRows, contract: Contract, source: str) -> bool:
        """Whether single rows are to blame for an error; those are noted in the table `unfit` then."""
        import duckdb  # noqa: PLC0415  only the workers have it

        if not isinstance(error, duckdb.Error) or isinstance(error, duckdb.OutOfMemoryException):
            return False
        if is_passing(error) or raw.bad_object() is not None:
            return False
        return raw.note_unfit(source, lambda some: silver_sql.typed(contract, some)) > 0

    def _broken(
        self,
        raw: RawRows,
        contract: Contract,
        source: str,
        file: str,
        results: tuple[CheckResult, ...],
        most: float,
    ) -> dict[str, CheckResult]:
        """The blocking checks that a few rows break, by name; those rows are noted in the table `unfit` then."""
        failed = {one.check: one for one in results if one.status == "fail"}
        checks = {one.name: one for one in checks_of(silver_table(contract)) if one.name in failed}
        # Where many rows break a check, it is the contract or the code: the last good rows stay.
        if not checks or sum(one.failed for one in failed.values()) > most:
            return {}
        if not all(one.condition for one in checks.values()):
            return {}
        written = f"read_parquet({literal(self._place(file))})"
        raw.note_broken(source, written, [(one.name, one.condition) for one in checks.values()])
        return failed

    def _checked(
        self, connection: "duckdb.DuckDBPyConnection", contract: Contract, file: str
    ) -> tuple[CheckResult, ...]:
        """The checks on the rows as they were written, not as they were meant."""
        written = f"read_parquet({literal(self._place(file))})"
        return tuple(measure(connection, written, checks_of(silver_table(contract))))

    def _unread(
        self,
        run: str,
        unit: Unit,
        connection: "duckdb.DuckDBPyConnection",
        rows: RawRows,
        group: ContractRows,
    ) -> Part:
        dead_letters = (
            f"SELECT {_DEAD_LETTER}, {literal(UNKNOWN)} AS reason FROM {rows.of([group], distinct=False)}"  # noqa: S608
        )
        self._set_aside(connection, dead_letters, run, unit, group.ref.replace("/", "-"), group.rows)
        return Part(group.ref, unit.org, unit.day, None, rows_in=group.rows, rows=0, dead=group.rows)

    def _set_aside(
        self,
        connection: "duckdb.DuckDBPyConnection",
        dead_letters: str,
        run: str,
        unit: Unit,
        name: str,
        expected: int,
    ) -> None:
        key = f"{DEAD_LETTERS}{NAME}/{run}/{unit.org}/{unit.day}-{unit.bucket}-{name}.ndjson"
        place = self._target(f"s3://{self._bucket}/{key}")
        cursor = connection.execute(f"COPY ({dead_letters}) TO {literal(place)} (FORMAT json)")
        (written,) = cursor.fetchone() or (0,)
        if written != expected:
            raise BadRowsError(
                f"{expected} rows of {name} cannot become rows of silver, and {written} of them are dead letters"
            )

    def _copy(self, connection: "duckdb.DuckDBPyConnection", sql: str, file: str) -> tuple[int, int]:
        """Rows and bytes of the Parquet file that was written."""
        options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}, RETURN_STATS"
        cursor = connection.execute(f"COPY ({sql}) TO {literal(self._target(file))} ({options})")
        names = [column[0] for column in cursor.description or ()]
        written = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return sum(row["count"] for row in written), sum(row["file_size_bytes"] for row in written)

    def _places(self, files: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        return {table: [self._place(url) for url in urls] for table, urls in files.items()}

    def _target(self, url: str) -> str:
        place = self._place(url)
        if self._root:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
        return place

    def _place(self, url: str) -> str:
        return f"{self._root}{url.removeprefix(f's3://{self._bucket}')}" if self._root else url


def _table(contract: Contract) -> str:
    return f"silver.{columns.table(contract)}"


def _of_older_minors(contract: Contract, groups: Sequence[ContractRows]) -> list[ContractRows]:
    """The rows that were accepted before the contract had all of its fields."""
    last = max(contract.since.values(), default=0)
    return [one for one in groups if int(one.ref.partition("/")[2].split(".")[1]) < last]


def _failed(unit: Unit, error: Exception) -> Done:
    return Done(failures=[Failure(unit.org, unit.day, in_a_line(error))])


def _told(broken: Mapping[str, CheckResult], left: Sequence[CheckResult]) -> tuple[CheckResult, ...]:
    """The checks of what is left; of those that were broken and are no more, what was found, as a warning.

    Args:
        broken: by name, with the rows that are dead letters now.
        left: of the rows that are left; of none, those of all.
    """
    return tuple(
        replace(broken[one.check], severity="warning")
        if one.check in broken and (one.status == "pass" or one == broken[one.check])
        else one
        for one in left
    )
