"""SQL of people over a lake on disk: every table of every contract, with rows of two tenants that tell whose they are."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import orjson

from millrace.access.actions import ALL_DATASETS
from millrace.catalog.datasets import RAW_COLUMNS
from millrace.contracts import registry
from millrace.contracts.columns import duckdb_type
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.queries.bounds import Days
from millrace.queries.iceberg import LakeFile
from millrace.queries.reader import Reader
from millrace.queries.service import Limits, Queries, Question
from millrace.queries.tables import Tables
from millrace.warehouse import project
from tests.support.lake_queries import Files
from tests.support.stores import MemoryDynamoDB, MemoryS3

ORGS = ("org_a", "org_b")
DAYS = ("2026-11-20", "2026-11-21")
# Of the first row of each day; the second has what stood there before fields were protected.
TOKEN = "tk_" + "a" * 22
_AT = {"2026-11-20": 1, "2026-11-21": 2}


class DiskTable:
    """A table as `millrace.queries.iceberg` has it, over files on disk: a tenant's day each."""

    def __init__(self, name: str, columns: list[tuple[str, str]], folder: Path) -> None:
        self.name, self.columns, self._folder = name, columns, folder

    def snapshots(self) -> list[Any]:
        """Two: the first has the first day."""
        return [DiskSnapshot(_AT[day], datetime.fromisoformat(day).replace(tzinfo=UTC)) for day in DAYS]

    def snapshot(self, id_: int | None = None, at: datetime | None = None) -> Any:
        """The newest one of that id, or until that moment."""
        known = [one for one in self.snapshots() if id_ in (None, one.id) and (at is None or one.at <= at)]
        if not known:
            from millrace.core.errors import PermanentError

            raise PermanentError(f"{self.name} has no snapshot {id_} (any more)")
        return known[-1]

    def files(self, snapshot: Any, org: str | None) -> list[LakeFile]:
        """Of a snapshot."""
        return [
            LakeFile(str(self._file(one, day)), one, day, 1_000, {})
            for one in ORGS
            for day in DAYS
            if org in (None, one) and _AT[day] <= snapshot.id
        ]

    def _file(self, org: str, day: str) -> Path:
        path = self._folder / f"{self.name}-{org}-{day}.parquet"
        if not path.exists():
            rows = " UNION ALL ".join(
                f"SELECT {', '.join(self._value(name, of, org, day, place) for name, of in self.columns)}"
                for place in (0, 1)
            )
            duckdb.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet)")
        return path

    def _value(self, name: str, of: str, org: str, day: str, place: int) -> str:
        protected = name in _protected().get(self.name, ())
        text = {"org_id": org}.get(name) or (TOKEN if protected and not place else f"clear_{org}_{name}")
        value = f"'{text}'" if of == "VARCHAR" else f"'{day} 12:00:00+00'" if of == "TIMESTAMPTZ" else "NULL"
        if of in {"VARCHAR", "TIMESTAMPTZ"}:
            return f'CAST({value} AS {of}) AS "{name}"'
        number = (
            f"{place + 1}" if of in {"BIGINT", "INTEGER", "DOUBLE"} or of.startswith("DECIMAL") else "NULL"
        )
        return f'CAST({number} AS {of}) AS "{name}"'


class DiskSnapshot:
    """Of a `DiskTable`."""

    def __init__(self, id_: int, at: datetime) -> None:
        self.id, self.at, self.properties = id_, at, {"operation": "overwrite", "total-records": "8"}


class DiskTables(Tables):
    """The tables, with their rows on disk instead of in a lake."""

    def __init__(self, folder: Path) -> None:
        super().__init__(None, "local", Objects(MemoryS3(), "lake"), registry.load(), project.load)
        self._folder = folder

    def _existing(self) -> list[str]:
        return sorted(self._registry.tables())

    def _table(self, dataset: str) -> Any:
        described = self._registry.tables().get(dataset)
        if described is None:
            return None
        columns = [(column.name, duckdb_type(column.type)) for column in described.columns]
        return DiskTable(dataset, columns, self._folder)

    def _objects(self, org: str, days: Days) -> Iterable[LakeFile]:
        for one in ORGS:
            for day in DAYS:
                if org in ("", one) and days.hold(day):
                    path = _raw(self._folder, one, day)
                    yield LakeFile(str(path), one, day, path.stat().st_size, {})


def queries(folder: Path, *, read_mb: int = 100, memory_mb: int = 1_000) -> tuple[Queries, Table]:
    """A service over `DiskTables`, and the table that it writes its audit to."""
    metadata = Table(MemoryDynamoDB(), "Metadata")
    limits = Limits(memory_mb, 500, read_mb, threads=1, temp_dir=str(folder))
    return Queries(DiskTables(folder), metadata, Files(folder), limits, lambda: None), metadata


def ask(asked: Queries, who: Reader, sql: str, seconds: float = 20, **how: Any) -> dict[str, Any]:
    """An answer, as whoever reads its JSON has it."""
    found: dict[str, Any] = orjson.loads(orjson.dumps(asked.ask(who, Question(sql, **how), seconds)))
    return found


def reader(org: str = "org_a", *datasets: str) -> Reader:
    """A caller who may read these datasets, or all."""
    return Reader(org, "tester", frozenset({"query:run", *(datasets or (ALL_DATASETS,))}))


def _raw(folder: Path, org: str, day: str) -> Path:
    year, month, of_month = day.split("-")
    path = folder / f"org={org}/category=user-events/year={year}/month={month}/day={of_month}/a.parquet"
    if not path.exists():
        path.parent.mkdir(parents=True)
        kinds = {"string": "VARCHAR", "timestamp": "TIMESTAMPTZ", "binary": "BLOB", "bigint": "BIGINT"}
        values = {
            "event_type": "'user.registered'",
            "event_time": f"'{day} 12:00:00+00'",
            "received_at": f"'{day} 12:00:00+00'",
            "org_id": f"'{org}'",
            "user_id": f"'u_{org}'",
            "payload": f"""'{{"userId":"u_{org}","email":"clear_{org}@x.example","registrationSource":"web"}}'""",
            "metadata": f"""'{{"ipAddress":"clear_{org}","note":"kept"}}'""",
        }
        columns = ", ".join(
            f'CAST({values.get(name, "NULL")} AS {kinds[of]}) AS "{name}"'
            for name, (of, _) in RAW_COLUMNS.items()
        )
        duckdb.execute(f"COPY (SELECT {columns}) TO '{path}' (FORMAT parquet)")
    return path


@cache
def _protected() -> dict[str, frozenset[str]]:
    return {
        name: frozenset(c.name for c in table.columns if c.classification in {"confidential", "restricted"})
        for name, table in registry.load().tables().items()
    }
