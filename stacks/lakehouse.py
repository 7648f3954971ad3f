"""The lakehouse: the catalog, the functions of a run, the machines that order them, and when they start."""

import json
from pathlib import Path

from aws_cdk import CfnOutput, Duration, Stack
from constructs import Construct

from millrace.contracts.tables import LAYERS
from stacks.constructs.fleet import Fleet
from stacks.constructs.glue_catalog import GlueCatalog
from stacks.constructs.lake_functions import LakeFunctions
from stacks.constructs.learning import Learning
from stacks.constructs.platform_function import PlatformFunction
from stacks.constructs.reconciliation import Reconciliation
from stacks.constructs.schedule import Schedule
from stacks.constructs.state_machine import PlatformStateMachine
from stacks.environment import EnvironmentSettings
from stacks.storage import StorageStack


class LakehouseStack(Stack):
    """From raw Parquet to the tables that people read, by machines that can be started again at any time."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: EnvironmentSettings,
        storage: StorageStack,
        layers: Path,
    ) -> None:
        super().__init__(scope, construct_id)
        self._storage, self._settings = storage, settings
        self._fleet = Fleet(
            self,
            "Fleet",
            settings=settings,
            third_party=("runtime", "lake", "duckdb", "iceberg", "mlflow"),
            layers=layers,
            alarms=storage.alarms,
        )
        self.catalog = GlueCatalog(
            self, "Catalog", settings=settings, lake=storage.lake, key=storage.data_key
        )
        functions = LakeFunctions(self, fleet=self._fleet, storage=storage, databases=self.catalog.databases)
        self._hourly_etl = PlatformStateMachine(
            self,
            "hourly_etl",
            fleet=self._fleet,
            functions={
                "PlanRun": functions.plan_run,
                "TransformPartitions": functions.transform_partitions,
                "CommitTable": functions.commit_table,
                "PrepareTable": functions.prepare_table,
                "BuildTable": functions.build_table,
                "PinSources": functions.pin_sources,
                "MaterializeFeatures": functions.materialize_features,
                "PublishRun": functions.publish_run,
            },
            values={"MaxConcurrency": str(settings.lakehouse.max_concurrency)},
        )
        self._backfill = PlatformStateMachine(
            self,
            "backfill",
            fleet=self._fleet,
            functions={"PlanBackfill": functions.plan_backfill},
            machines={"HourlyEtlMachine": self._hourly_etl},
        )
        self._maintenance = PlatformStateMachine(
            self,
            "maintenance",
            fleet=self._fleet,
            functions={"MaintainTable": functions.maintain_table},
            values={"MaxConcurrency": str(settings.lakehouse.max_concurrency)},
        )
        self._learning = Learning(
            self,
            fleet=self._fleet,
            storage=storage,
            pin_sources=functions.pin_sources,
            folder=layers,
        )
        self._schedule(self._start_run())
        Reconciliation(
            self, "Reconciliation", fleet=self._fleet, storage=storage, databases=self.catalog.databases
        )
        self._outputs()

    def _start_run(self) -> PlatformFunction:
        machines = (self._hourly_etl, self._backfill, self._maintenance, self._learning.machine)
        function = PlatformFunction(
            self,
            "start_run",
            fleet=self._fleet,
            description="Starts a machine under the next free name of its interval, unless one runs for it.",
            memory_mb=512,
            timeout=Duration.seconds(60),
            variables={f"{machine.node.id}_machine": machine.arn for machine in machines},
        )
        function.allow(
            "states:ListExecutions", "states:StartExecution", on=[machine.arn for machine in machines]
        )
        return function

    def _schedule(self, function: PlatformFunction) -> None:
        times = self._settings.lakehouse
        for name, expression, description, payload in (
            (
                "Hourly",
                times.hourly,
                "What has come in since the last run, to the last hourly table.",
                {"machine": "hourly_etl", "input": {"refresh": ["hourly"]}},
            ),
            (
                "Daily",
                times.daily,
                "The same, and the tables that are built once a day.",
                {"machine": "hourly_etl", "input": {"refresh": ["hourly", "daily"]}},
            ),
            (
                "Maintenance",
                times.maintenance,
                "Old snapshots, files without one, and small files.",
                {"machine": "maintenance", "input": {}},
            ),
            (
                "Weekly",
                self._settings.learning.weekly,
                "Trains every tenant's models anew, and serves the best that pass the gates.",
                {"machine": "train_model", "input": {}},
            ),
        ):
            Schedule(
                self,
                name,
                fleet=self._fleet,
                expression=expression,
                description=description,
                function=function,
                payload=json.dumps(payload),
            )

    def _outputs(self) -> None:
        outputs = {
            "HourlyEtlMachine": self._hourly_etl.arn,
            "BackfillMachine": self._backfill.arn,
            "MaintenanceMachine": self._maintenance.arn,
            "TrainModelMachine": self._learning.machine.arn,
            **{
                f"{layer.title().replace('_', '')}Database": self.catalog.databases[layer]
                for layer in ("raw", *LAYERS)
            },
        }
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)
