"""The raw rows of one unit as DuckDB sees them: checked against the plan, counted, and without the second of a kind."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millrace.core import isolate
from millrace.core.errors import in_a_line
from millrace.core.sql import literal
from millrace.lake.duck import parquet
from millrace.runs.documents import Unit

if TYPE_CHECKING:
    import duckdb


# A UUID in two spellings is one id, as everywhere else; other ids are looked at as they are once two are found alike.
_LIKE = "lower(event_id)"
_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ID = f"if(regexp_full_match(event_id, '{_UUID}'), {_LIKE}, event_id)"

# Rows of a contract that are looked for one by one; where more fail, it is not the rows.
MOST_UNFIT = 100


def id_of(relation: str) -> str:
    """SQL of the id of an event in a relation that has `event_id`, by which two rows are the same event."""
    column = f"{relation}.event_id"
    return f"if(regexp_full_match({column}, '{_UUID}'), lower({column}), {column})"


def of_bucket(unit: Unit) -> str:
    """SQL of whether a row with `event_id` is in the bucket of a unit."""
    # By MD5, which is the same in every version of DuckDB: two workers of one run may have two.
    if unit.buckets == 1:
        return "true"
    return f"md5_number({_LIKE}) % {unit.buckets} = {unit.bucket}"


class BadRowsError(Exception):
    """Raw does not hold what the plan names; the message says where."""


@dataclass(frozen=True, slots=True)
class ContractRows:
    """The rows of one contract's reference: how many, and in which objects."""

    ref: str
    rows: int
    objects: tuple[str, ...]


class RawRows:
    """The rows of a unit. The memory it takes grows with the ids that come twice, and hardly with the rows."""

    def __init__(
        self, connection: "duckdb.DuckDBPyConnection", unit: Unit, objects: Mapping[str, int]
    ) -> None:
        """`objects`: URL → rows that the manifest counts in it."""
        self._connection, self._unit, self._objects = connection, unit, objects

    def check_objects(self) -> None:
        """Looks at every object's footer.

        Raises:
            BadRowsError: an object has fewer rows than the manifest counts.
            duckdb.Error: an object is missing or is not Parquet.
        """
        names = ", ".join(literal(url) for url in self._objects)
        sql = f"SELECT file_name, num_rows FROM parquet_file_metadata([{names}])"  # noqa: S608  quoted
        counts = dict(self._connection.execute(sql).fetchall())
        for url, rows in self._objects.items():
            if counts.get(url, 0) < rows:
                raise BadRowsError(f"{url} has {counts.get(url, 0)} rows, its manifest {rows}")

    def groups(self) -> list[ContractRows]:
        """What is there, by contract.

        Raises:
            BadRowsError: a row is another tenant's, or happened on another day.
        """
        org, day = literal(self._unit.org), literal(self._unit.day)
        sql = f"""
            SELECT contract, filename, count(*), count(*) FILTER (WHERE org_id <> {org}),
                count(*) FILTER (WHERE CAST(event_time AT TIME ZONE 'UTC' AS DATE) <> CAST({day} AS DATE))
            FROM {self._scan(self._objects)} WHERE {self._mine()} GROUP BY contract, filename"""  # noqa: S608
        rows: dict[str, int] = defaultdict(int)
        objects: dict[str, list[str]] = defaultdict(list)
        for ref, url, count, strangers, strays in sorted(self._connection.execute(sql).fetchall()):
            if strangers or strays:
                whose = f"{strangers} rows of other tenants" if strangers else f"{strays} rows of other days"
                raise BadRowsError(f"{url} has {whose}")
            rows[ref] += count
            objects[ref].append(url)
        return [ContractRows(ref, rows[ref], tuple(objects[ref])) for ref in sorted(rows)]

    def find_duplicates(self) -> dict[str, int]:
        """Notes each row whose event came earlier; how many there are, by the contract's reference.

        An id is unique in type and major, however its letters are written. The first received stays; of those received
        at once, the one of the smallest request, then of the smallest fingerprint.
        """
        scan, mine = self._scan(self._objects), self._mine()
        # First by a hash of eight bytes: only what shares one is looked at by its id.
        self._connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE twice AS
            SELECT hash({_LIKE}) AS id FROM {scan} WHERE {mine} GROUP BY id HAVING count(*) > 1""")  # noqa: S608
        self._connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE later AS
            SELECT contract, filename, file_row_number FROM (
                SELECT contract, filename, file_row_number, row_number() OVER (
                    PARTITION BY {_ID}, split_part(contract, '/', 1),
                        split_part(split_part(contract, '/', 2), '.', 1)
                    ORDER BY received_at, request_id, fingerprint, filename, file_row_number) AS place
                FROM {scan} WHERE {mine} AND hash({_LIKE}) IN (SELECT id FROM twice)
            ) WHERE place > 1""")  # noqa: S608
        return self._counted()

    def note_received_before(self, kept: str, groups: Sequence[ContractRows]) -> dict[str, int]:
        """Notes, beside the duplicates, rows of these groups whose event silver has from an earlier moment.

        Args:
            kept: silver's rows of the day, as what stands behind FROM.
            groups: of `groups`.

        Returns:
            What `find_duplicates` does, with these.
        """
        self._connection.execute(f"""
            INSERT INTO later SELECT contract, filename, file_row_number FROM {self.of(groups, distinct=True)} AS raw
            WHERE EXISTS (SELECT 1 FROM {kept} AS kept WHERE {id_of("kept")} = {id_of("raw")}
                AND kept.received_at < raw.received_at)""")  # noqa: S608
        return self._counted()

    def note_superseded(
        self, older: Sequence[ContractRows], newer: Sequence[ContractRows], kept: str = ""
    ) -> int:
        """Notes, in the table `superseded`, each row of `older` whose id a row of `newer` has as well; how many there are.

        Follows `find_duplicates`; what that noted is left out. `kept`: rows that silver's table of the newer major has, as what
        stands behind FROM; of these, those of the same event are its own conversion.
        """
        conditions = []
        if kept:
            conditions.append(
                f"EXISTS (SELECT 1 FROM {kept} AS kept WHERE {id_of('kept')} = {id_of('raw')} "  # noqa: S608
                "AND kept.received_at <> raw.received_at)"
            )
        shared = f"hash({_LIKE}) IN (SELECT id FROM twice)"  # noqa: S608
        if newer:
            newer_ids = f"SELECT {_ID} FROM {self.of(newer, distinct=False)} WHERE {shared}"  # noqa: S608
            conditions.append(f"({shared} AND {_ID} IN ({newer_ids}))")
        (count,) = self._connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE superseded AS
            SELECT filename, file_row_number FROM {self.of(older, distinct=True)} AS raw
            WHERE {" OR ".join(conditions) or "false"}""").fetchone() or (0,)  # noqa: S608
        return int(count)

    def of(self, groups: Sequence[ContractRows], *, distinct: bool) -> str:
        """The rows of these groups as what stands behind FROM.

        Args:
            groups: of `groups`.
            distinct: without what `find_duplicates` noted.
        """
        objects = dict.fromkeys(url for group in groups for url in group.objects)
        refs = ", ".join(literal(group.ref) for group in groups)
        without = " ANTI JOIN later USING (filename, file_row_number)" if distinct else ""
        return f"(SELECT * FROM {self._scan(objects)}{without} WHERE {self._mine()} AND contract IN ({refs}))"  # noqa: S608

    def sample(self, groups: Sequence[ContractRows], seed: str, most: int) -> tuple[str, int]:
        """Rows of these groups out of at most so many objects, as what stands behind FROM, and how many these are, about.

        Args:
            groups: of `groups`.
            seed: the same makes the same choice.
            most: objects.
        """
        urls = sorted({url for group in groups for url in group.objects})
        chosen = set(random.Random(seed).sample(urls, min(most, len(urls))))  # noqa: S311  a choice, no secret
        kept = [
            ContractRows(group.ref, group.rows, tuple(url for url in group.objects if url in chosen))
            for group in groups
        ]
        rows = sum(group.rows for group in groups) * len(chosen) // len(urls)
        return self.of(kept, distinct=False), rows

    def note_unfit(self, source: str, made: Callable[[str], str]) -> int:
        """Notes each row over which the engine fails, in the table `unfit` with its reason; how many there are.

        Args:
            source: rows, as what stands behind FROM.
            made: the query over such rows.

        Raises:
            BadRowsError: there are too many to look for them.
            duckdb.Error: the memory, the lake or the database is to blame, and no row.
        """
        import duckdb  # noqa: PLC0415  only the workers have it

        self._connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE numbered AS
            SELECT filename, file_row_number, row_number() OVER () - 1 AS number FROM {source}""")  # noqa: S608
        (count,) = self._connection.execute("SELECT count(*) FROM numbered").fetchone() or (0,)
        alone = 0

        def attempt(some: Sequence[int]) -> None:
            nonlocal alone
            part = (
                f"(SELECT held.* FROM {source} AS held JOIN numbered USING (filename, file_row_number) "  # noqa: S608
                f"WHERE number BETWEEN {some[0]} AND {some[-1]})"
            )
            try:
                self._connection.execute(f"SELECT bit_xor(hash(made)) FROM ({made(part)}) AS made").fetchall()  # noqa: S608
            except duckdb.Error:
                alone += len(some) == 1
                if alone > MOST_UNFIT:
                    raise BadRowsError(f"more than {MOST_UNFIT} rows cannot be typed") from None
                raise

        of_no_row = (
            BadRowsError,
            MemoryError,
            duckdb.OutOfMemoryException,
            duckdb.IOException,
            duckdb.ConnectionException,
            duckdb.InternalException,
            duckdb.FatalException,
        )
        unfit = isolate.failing(range(count), attempt, of_no_row)
        self._connection.execute("CREATE OR REPLACE TEMP TABLE reasons (number BIGINT, reason VARCHAR)")
        for number, error in unfit.items():
            self._connection.execute("INSERT INTO reasons VALUES (?, ?)", [number, in_a_line(error)])
        self._connection.execute("""
            CREATE OR REPLACE TEMP TABLE unfit AS
            SELECT filename, file_row_number, reason FROM numbered JOIN reasons USING (number)""")
        return len(unfit)

    def note_broken(self, source: str, written: str, checks: Sequence[tuple[str, str]]) -> int:
        """Notes each row of `source` whose row of silver breaks a check, beside what `unfit` has; how many those are.

        Args:
            source: rows, as what stands behind FROM.
            written: silver's rows of them, likewise.
            checks: name and condition of each.
        """
        cases = " ".join(f"WHEN {condition} THEN {literal(f'breaks {name}')}" for name, condition in checks)
        self._connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS unfit (filename VARCHAR, file_row_number BIGINT, reason VARCHAR)"
        )
        (count,) = self._connection.execute(f"""
            INSERT INTO unfit SELECT filename, file_row_number, broken.reason FROM {source} AS held JOIN (
                SELECT event_id, CASE {cases} END AS reason FROM {written}
            ) AS broken USING (event_id) WHERE broken.reason IS NOT NULL""").fetchone() or (0,)  # noqa: S608
        return int(count)

    def bad_object(self) -> str | None:
        """The first object that cannot be read to its end, and why; None if all can."""
        import duckdb  # noqa: PLC0415  only the workers have it

        for url in self._objects:
            try:
                self._connection.execute(
                    f"SELECT bit_xor(hash(rows)) FROM read_parquet([{literal(url)}]) AS rows"  # noqa: S608
                ).fetchall()
            except duckdb.Error as error:
                # DuckDB's sentence names the object again, and what went wrong stands behind it.
                return f"{url}: {' '.join(str(error).replace(url, 'it').split())[:300]}"
        return None

    def _counted(self) -> dict[str, int]:
        return dict(self._connection.execute("SELECT contract, count(*) FROM later GROUP BY ALL").fetchall())

    def _scan(self, objects: Iterable[str]) -> str:
        return parquet(objects, "filename = true", "file_row_number = true")

    def _mine(self) -> str:
        return of_bucket(self._unit)
