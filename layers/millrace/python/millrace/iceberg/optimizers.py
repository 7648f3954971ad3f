"""Glue's own compaction, retention and removal of orphan files for a table: on AWS, where a role for them is set.

An optimizer belongs to a table, and tables are made by commits, so a commit makes them too.
https://docs.aws.amazon.com/glue/latest/dg/table-optimizers.html
"""

from collections.abc import Callable, Mapping
from typing import Any

from millrace.core.aws import calling
from millrace.core.errors import MillraceError, NotFoundError
from millrace.iceberg.tables import IcebergCatalog, OpenTable

PROPERTY = "millrace.optimizers"
RETENTION_DAYS, RETAINED_SNAPSHOTS = 7, 20
ORPHAN_DAYS = 3


class Optimizers:
    """Makes the optimizers of tables that have none."""

    def __init__(
        self, glue: Any, catalog: IcebergCatalog, role_arn: str, warn: Callable[[str], None]
    ) -> None:
        """Makes nothing yet.

        Args:
            glue: the client.
            catalog: of the environment.
            role_arn: the role that Glue works under; empty where there is no optimizer (not on AWS, not in prod).
            warn: called with what Glue refused. Rows are committed without an optimizer, and the next commit tries again.
        """
        self._glue, self._catalog, self._role_arn, self._warn = glue, catalog, role_arn, warn

    def of(self, opened: OpenTable) -> Mapping[str, str]:
        """Makes what is missing; the property that remembers it, so that each table's are made once."""
        if not self._role_arn or opened.properties.get(PROPERTY):
            return {}
        database, table = self._catalog.identifier(opened.name)
        # The tables' account is the role's: arn:aws:iam::<account>:role/<name>.
        account = self._role_arn.split(":")[4]
        for kind, more in _KINDS.items():
            try:
                with calling("make an optimizer"):
                    self._glue.create_table_optimizer(
                        CatalogId=account,
                        DatabaseName=database,
                        TableName=table,
                        Type=kind,
                        TableOptimizerConfiguration={"roleArn": self._role_arn, "enabled": True, **more},
                    )
            except MillraceError as error:
                if error.code != "AlreadyExistsException":
                    self._warn(f"no {kind} of {opened.name} by Glue: {error}")
                    return {}
        return {PROPERTY: "glue"}


class OptimizerRuns:
    """What Glue reports of a table's optimizers."""

    def __init__(self, glue: Any, catalog: IcebergCatalog, account: str) -> None:
        """Makes no call.

        Args:
            glue: the client.
            catalog: of the environment.
            account: the AWS account that the catalog is of.
        """
        self._glue, self._catalog, self._account = glue, catalog, account

    def failed(self, opened: OpenTable) -> tuple[str, ...]:
        """The kinds whose optimizer is gone, is switched off, or failed at its last run.

        Raises:
            MillraceError: Glue did not answer.
        """
        database, table = self._catalog.identifier(opened.name)
        return tuple(kind for kind in _KINDS if not self._works(database, table, kind))

    def _works(self, database: str, table: str, kind: str) -> bool:
        try:
            with calling("look at an optimizer"):
                answer = self._glue.get_table_optimizer(
                    CatalogId=self._account, DatabaseName=database, TableName=table, Type=kind
                )
        except NotFoundError:
            return False
        optimizer = answer["TableOptimizer"]
        # Before its first run there is none to fail.
        last = optimizer.get("lastRun", {}).get("eventType")
        return bool(optimizer.get("configuration", {}).get("enabled", True)) and last != "failed"


_KINDS: dict[str, dict[str, Any]] = {
    "compaction": {"compactionConfiguration": {"icebergConfiguration": {"strategy": "binpack"}}},
    "retention": {
        "retentionConfiguration": {
            "icebergConfiguration": {
                "snapshotRetentionPeriodInDays": RETENTION_DAYS,
                "numberOfSnapshotsToRetain": RETAINED_SNAPSHOTS,
                "cleanExpiredFiles": True,
            }
        }
    },
    "orphan_file_deletion": {
        "orphanFileDeletionConfiguration": {
            "icebergConfiguration": {"orphanFileRetentionPeriodInDays": ORPHAN_DAYS}
        }
    },
}
