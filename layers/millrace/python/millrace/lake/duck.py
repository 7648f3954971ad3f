"""DuckDB as the workers use it: bounded in memory, threads and spill, and fetching nothing that was not deployed."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit
from uuid import uuid4

from millrace.core.errors import PermanentError
from millrace.core.sql import identifier, literal

if TYPE_CHECKING:
    import duckdb

# What DuckDB would read as a pattern instead of a name.
_PATTERN = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class S3Access:
    """How DuckDB reaches the lake. `endpoint`: of an emulator; None for AWS."""

    key_id: str
    secret: str = field(repr=False)
    region: str
    token: str | None = field(default=None, repr=False)
    endpoint: str | None = None

    @classmethod
    def from_environment(cls) -> Self:
        """The credentials and region that boto3 finds here, and the endpoint that it is sent to.

        Raises:
            PermanentError: there are no credentials.
        """
        import boto3  # noqa: PLC0415  a worker on local files needs none of it

        session = boto3.Session()
        credentials = session.get_credentials()
        if credentials is None:
            raise PermanentError("no AWS credentials to read the lake with")
        frozen = credentials.get_frozen_credentials()
        return cls(
            key_id=frozen.access_key,
            secret=frozen.secret_key,
            region=session.region_name or "us-east-1",
            token=frozen.token,
            endpoint=os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"),
        )

    def secret_sql(self) -> str:
        """The statement that gives it to DuckDB."""
        options = {"TYPE": "s3", "KEY_ID": self.key_id, "SECRET": self.secret, "REGION": self.region}
        if self.token:
            options["SESSION_TOKEN"] = self.token
        if self.endpoint:
            address = urlsplit(self.endpoint)
            # An emulator has no host name for each bucket.
            options |= {
                "ENDPOINT": address.netloc,
                "URL_STYLE": "path",
                "USE_SSL": str(address.scheme == "https").lower(),
            }
        return f"CREATE SECRET ({', '.join(f'{name} {literal(value)}' for name, value in options.items())})"


def connect(
    *,
    memory_mb: int,
    threads: int,
    temp_dir: str | Path = "/tmp",  # noqa: S108  a function's only place to write
    temp_limit_mb: int = 4_096,
    s3: S3Access | None = None,
) -> "duckdb.DuckDBPyConnection":
    """A database in memory, of its own, with UTC as its time zone.

    Args:
        memory_mb: what DuckDB may hold before it spills, in MB; Python and what DuckDB does not count come on top.
        threads: how many cores to use.
        temp_dir: where it spills, in a folder of its own that goes with the connection.
        temp_limit_mb: how much it may spill, in MB.
        s3: how to reach the lake; None for local files only.

    Raises:
        PermanentError: the extension that reads S3 is not installed.
    """
    import duckdb  # noqa: PLC0415  80 MB that only the workers load

    connection = duckdb.connect(
        config={
            "memory_limit": f"{memory_mb}MB",
            "threads": threads,
            # Two databases in one folder would write the same files.
            "temp_directory": str(Path(temp_dir) / f"duckdb-{uuid4().hex}"),
            "max_temp_directory_size": f"{temp_limit_mb}MB",
            # On Lambda there is no home, and everything else is read-only.
            "home_directory": str(temp_dir),
            "allow_persistent_secrets": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # The one extension comes in a wheel pinned by its hash. To check its signature as well is to hash 20 MB in every
            # connection: 90 ms of a core. Only what we compile runs here; the SQL of people has a connection of its own.
            "allow_unsigned_extensions": True,
            # A name in SQL is never a variable of the program.
            "python_enable_replacements": False,
            # Whoever needs an order writes ORDER BY; keeping that of the files would hold their rows in memory.
            "preserve_insertion_order": False,
        }
    )
    try:
        connection.execute("SET TimeZone = 'UTC'")
        # In Jupyter it is off without ipywidgets, and setting it asks for them.
        if connection.execute("SELECT current_setting('enable_progress_bar')").fetchone() == (True,):
            connection.execute("SET enable_progress_bar = false")
        # A file is never written twice with another content while a worker looks at it, so its footer is read once.
        connection.execute("SET parquet_metadata_cache = true")
        if s3 is not None:
            connection.execute(f"LOAD {literal(str(extension()))}")
            connection.execute(s3.secret_sql())
            connection.execute("SET enable_http_metadata_cache = true")
    except BaseException:
        connection.close()
        raise
    return connection


def share(memory_mb: int) -> int:
    """How much of a function's memory DuckDB may count as its own, in MB.

    Python, the code and what DuckDB does not count (buffers of the network, of compression) need the rest.
    """
    return max(memory_mb * 6 // 10, memory_mb - 1_500)


def extension() -> Path:
    """The httpfs extension that its wheel carries, for the version of DuckDB that is installed.

    Raises:
        PermanentError: the wheel has none for it.
    """
    import duckdb  # noqa: PLC0415

    path = (
        Path(str(resources.files("duckdb_extension_httpfs")))
        / "extensions"
        / f"v{duckdb.__version__}"
        / "httpfs.duckdb_extension"
    )
    if not path.exists():
        raise PermanentError(f"the httpfs extension is not installed for DuckDB {duckdb.__version__}")
    return path


def create_view(
    connection: "duckdb.DuckDBPyConnection",
    name: str,
    columns: Sequence[tuple[str, str]],
    files: Sequence[str],
    where: str = "",
) -> None:
    """A view of Parquet files as a table with exactly these columns; what a file has no column for is null.

    Args:
        connection: where to create it; a view of that name is replaced.
        name: `silver.x`, whose schema is created, or a name without a schema.
        columns: (name, DuckDB type), in order.
        files: URLs or paths; none makes an empty view.
        where: a SQL condition on its columns.

    Raises:
        ValueError: a file's name is a pattern.
        duckdb.Error: a file cannot be read.
    """
    schema, _, bare = name.rpartition(".")
    if schema:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}")
    target = f"{identifier(schema)}.{identifier(bare)}" if schema else identifier(bare)
    typed = ", ".join(f"CAST(NULL AS {kind}) AS {identifier(column)}" for column, kind in columns)
    source = f"SELECT {typed} WHERE false"
    if files:
        # By name: so a column that only some files have, or none, is null elsewhere. Filters and the choice of columns
        # go through the union down to the files.
        source += f" UNION ALL BY NAME SELECT * FROM {parquet(files)}"  # noqa: S608  names are quoted
    # Files that an older contract wrote may have a narrower type.
    chosen = ", ".join(
        f"CAST({identifier(column)} AS {kind}) AS {identifier(column)}" for column, kind in columns
    )
    condition = f" WHERE {where}" if where else ""
    connection.execute(f"CREATE OR REPLACE VIEW {target} AS SELECT {chosen} FROM ({source}){condition}")  # noqa: S608


def parquet(files: Iterable[str], *options: str) -> str:
    """The call that reads these files as one relation.

    Args:
        files: at least one.
        options: such as `filename = true`.

    Raises:
        ValueError: a file's name is a pattern.
    """
    names = list(files)
    if patterns := [name for name in names if _PATTERN & set(name)]:
        raise ValueError(f"a file's name is not a pattern: {patterns[0]}")
    # Folders of raw are called org=…: those are not columns.
    more = ("union_by_name = true", "hive_partitioning = false", *options)
    return f"read_parquet([{', '.join(literal(name) for name in names)}], {', '.join(more)})"


def is_passing(error: "duckdb.Error") -> bool:
    """Whether the lake may answer another time: not what is missing, and not what is broken."""
    import duckdb  # noqa: PLC0415

    if isinstance(error, duckdb.HTTPException):
        return getattr(error, "status_code", 0) not in {404, 416}
    # A connection that is refused or broken off has no status.
    return isinstance(error, duckdb.ConnectionException) or (
        isinstance(error, duckdb.IOException) and " for HTTP " in str(error)
    )
