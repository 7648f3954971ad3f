"""`feature_store.yaml`: which tenant's features are read, and where; by the names that Feast has for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from millrace.contracts import registry
from millrace.core.table import Table
from millrace.features import views
from millrace.features.views import FeatureError, FeatureViews

if TYPE_CHECKING:
    from collections.abc import Iterable

    from duckdb import DuckDBPyConnection

FILE = "feature_store.yaml"
OUTPUTS = ".local/outputs.json"
_KEYS = {"project", "environment", "registry", "offline_store", "online_store"}
MEMORY_MB, THREADS = 4_096, 4


@dataclass(frozen=True, slots=True)
class RepoConfig:
    """Where features of one tenant are read.

    Attributes:
        project: the tenant, such as `org_acme`.
        environment: `local`, `dev`, `staging` or `prod`; part of the names of the lake's databases.
        registry: the folder with the compiled views; None is the bundle in force.
        database: a DuckDB file with the views' sources as `schema.table`, instead of the lake.
        bucket: the lake's; empty where there is a database.
        table: the DynamoDB table of the online features.
    """

    project: str
    environment: str
    registry: Path | None
    database: Path | None
    bucket: str
    table: str

    @classmethod
    def read(cls, folder: Path) -> "RepoConfig":
        """The file in a folder; what it leaves out of a local platform is read from the outputs that `make up` wrote there.

        Raises:
            FeatureError: there is no such file, or it holds something else.
        """
        import yaml  # noqa: PLC0415  no function reads it

        file = folder / FILE
        try:
            document = yaml.safe_load(file.read_text())
        except OSError as error:
            raise FeatureError(f"there is no {FILE} in {folder}; docs/features.md shows one") from error
        except yaml.YAMLError as error:
            raise FeatureError(f"{file} is not YAML: {error}") from error
        settings = _mapping(document, str(file))
        if unknown := sorted(settings.keys() - _KEYS):
            raise FeatureError(f"{file}: unknown: {', '.join(map(str, unknown))}")
        if not isinstance(settings.get("project"), str):
            raise FeatureError(f"{file}: project names the tenant, such as org_acme")
        environment = str(settings.get("environment", "local"))
        offline = _mapping(settings.get("offline_store"), f"{file}: offline_store")
        online = _mapping(settings.get("online_store"), f"{file}: online_store")
        outputs = _outputs(folder) if environment == "local" else {}
        return cls(
            project=settings["project"],
            environment=environment,
            registry=folder / settings["registry"] if settings.get("registry") else None,
            database=folder / offline["path"] if offline.get("path") else None,
            bucket=str(offline.get("bucket") or outputs.get("LakeBucket", "")),
            table=str(online.get("table") or outputs.get("FeatureStoreTable", "")),
        )

    def feature_views(self) -> FeatureViews:
        """The compiled views.

        Raises:
            FeatureError: they are not there.
        """
        try:
            return views.load(self.registry)
        except OSError as error:
            raise FeatureError(
                f"there are no compiled feature views ({error}): make up, or name their folder as registry in {FILE}"
            ) from error

    def online_table(self) -> Table:
        """The table of online features, with the region, keys and endpoint that boto3 finds.

        Raises:
            FeatureError: none is named.
        """
        if not self.table:
            raise FeatureError(f"{FILE} names no table in online_store")
        import boto3  # noqa: PLC0415  offline features need none

        return Table(boto3.client("dynamodb"), self.table)

    def connect(self) -> "DuckDBPyConnection":
        """A connection for the sources, without them; the caller closes it.

        Raises:
            FeatureError: there is no such database, and no lake is named.
            PermanentError: there are no credentials for the lake.
        """
        import duckdb  # noqa: PLC0415

        from millrace.lake import duck  # noqa: PLC0415  online features need none

        if self.database is not None:
            if not self.database.exists():
                raise FeatureError(f"there is no {self.database}")
            connection = duckdb.connect(self.database, read_only=True)
            connection.execute("SET TimeZone = 'UTC'")
            return connection
        if not self.bucket:
            raise FeatureError(f"{FILE} names no bucket and no path in offline_store")
        return duck.connect(memory_mb=MEMORY_MB, threads=THREADS, s3=duck.S3Access.from_environment())

    def open_tables(self, connection: "DuckDBPyConnection", names: "Iterable[str]") -> None:
        """Makes the current snapshots of the lake's tables views of the tenant's rows; a database has its own.

        Raises:
            FeatureError: no contract describes a table.
            RetryableError: the catalog did not answer.
        """
        if self.database is not None:
            return
        from millrace.iceberg.tables import catalog, open_table  # noqa: PLC0415
        from millrace.lake.sources import open_views, read_input  # noqa: PLC0415
        from millrace.runs.documents import Sources  # noqa: PLC0415

        tables, lake = registry.load(self.registry).tables(), catalog(self.environment, self.bucket)
        wanted = sorted(set(names))
        if unknown := [name for name in wanted if name not in tables]:
            raise FeatureError(f"there is no table {', '.join(unknown)}")
        inputs = tuple(read_input(name, tables[name], open_table(lake, name)) for name in wanted)
        open_views(connection, Sources("", "", inputs), self.project)


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise FeatureError(f"{what} holds no settings by name")
    return value


def _outputs(folder: Path) -> Mapping[str, Any]:
    file = folder / OUTPUTS
    return _mapping(orjson.loads(file.read_bytes()), str(file)) if file.exists() else {}
