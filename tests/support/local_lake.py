"""A lake on disk: silver as files by tenant and day, and tables built of them by the pipeline's own builder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from millrace.contracts.columns import duckdb_type
from millrace.contracts.tables import LakeTable
from millrace.lake import table_portions
from millrace.lake.build_table import TableBuilder
from millrace.lake.duck import connect
from millrace.runs.documents import Input, InputFile, Prepared, TableChunk
from millrace.warehouse.project import Project

Days = dict[str, list[InputFile]]


class LocalLake:
    """Files below a folder, and a builder over them."""

    def __init__(self, folder: Path, project: Project, tables: Mapping[str, LakeTable]) -> None:
        self._folder, self._project, self._tables = folder, project, tables
        self.files: dict[str, tuple[InputFile, ...]] = {}

    def keep_silver(self, source: duckdb.DuckDBPyConnection) -> None:
        """Writes each silver table of a database, one file a tenant and day."""
        for name, table in self._tables.items():
            if table.layer != "silver":
                continue
            files = []
            for org, day in source.execute(
                f"SELECT DISTINCT org_id, CAST(event_time AS DATE) FROM {name} ORDER BY ALL"
            ).fetchall():
                path = self._folder / f"{name}-{org}-{day}.parquet"
                source.execute(
                    f"COPY (SELECT * FROM {name} WHERE org_id = '{org}' AND CAST(event_time AS DATE) = '{day}')"
                    f" TO '{path}' (FORMAT parquet)"
                )
                files.append(InputFile(str(path), org, str(day), size=path.stat().st_size))
            self.files[name] = tuple(files)

    def prepared(self, name: str, run: str = "run-1") -> Prepared:
        """All work of a table."""
        transform = self._project.transform(name)
        inputs = tuple(
            Input(
                table,
                1,
                tuple((c.name, duckdb_type(c.type)) for c in self._tables[table].columns),
                self.files.get(table, ()),
            )
            for table in transform.inputs
        )
        grains = {table: self._tables[table].grain for table in transform.inputs}
        todo = table_portions.everything(transform.grain, inputs, grains)
        chunks = table_portions.chunks(todo, transform.grain, inputs, grains)
        return Prepared(run, name, "ready", "", transform.definition, None, inputs, chunks, whole=True)

    def run(
        self, name: str, prepared: Prepared | None = None, *, memory_mb: int = 500, threads: int = 1
    ) -> list[TableChunk]:
        """Builds a table within DuckDB's memory and threads; its files are then what other tables read."""
        asked = prepared or self.prepared(name)
        with connect(memory_mb=memory_mb, threads=threads, temp_dir=self._folder) as connection:
            builder = TableBuilder(connection, self._project, self._tables, self._place)
            made = [builder.run(asked, number) for number in range(len(asked.chunks))]
        self.files[name] = tuple(
            InputFile(part.file, part.org, part.day, part.rows, part.size)
            for chunk in made
            for part in chunk.parts
            if part.file is not None
        )
        return made

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Everything in a table's files."""
        paths = [file.path for file in self.files[name]]
        connection = duckdb.connect(config={"threads": 1})
        connection.execute("SET TimeZone = 'UTC'")
        cursor = connection.execute(f"SELECT * FROM read_parquet({paths})") if paths else None
        if cursor is None:
            return []
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _place(self, table: str, run: str, org: str, day: str | None) -> str:
        return str(self._folder / f"{table}-{run}-{org}-{day or 'all'}.parquet")
