"""The lakehouse: the catalog, the functions of a run, the machines that run them in order, and when they start."""

import json
from collections.abc import Sequence
from pathlib import Path

from aws_cdk import CfnOutput, Duration
from constructs import Construct

from millrace.contracts.tables import LAYERS
from millrace.core.uses import Resource
from stacks.constructs.erasure import Erasure
from stacks.constructs.glue_catalog import GlueCatalog
from stacks.constructs.grants import Deployed
from stacks.constructs.lake_functions import hourly_functions, maintain_table, plan_backfill
from stacks.constructs.learning import Learning
from stacks.constructs.platform_function import PlatformFunction
from stacks.constructs.reconciliation import Reconciliation
from stacks.constructs.schedule import Schedule
from stacks.constructs.sealing import Sealing
from stacks.constructs.state_machine import PlatformStateMachine, camel
from stacks.network import NetworkStack
from stacks.platform_stack import PlatformStack
from stacks.storage import StorageStack


class LakehouseStack(PlatformStack):
    """From raw Parquet to the tables that people read, by machines that can be restarted at any time."""

    third_party = ("runtime", "lake", "duckdb", "iceberg", "mlflow", "sketches", "privacy")

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        storage: StorageStack,
        layers: Path,
        network: NetworkStack | None,
    ) -> None:
        super().__init__(scope, construct_id, storage=storage, layers=layers, network=network)
        self.catalog = GlueCatalog(
            self, "Catalog", settings=self.settings, lake=storage.lake, key=storage.data_key
        )
        functions = {one.node.id: one for one in hourly_functions(self, self.fleet)}
        at_once = {"MaxConcurrency": str(self.settings.lakehouse.max_concurrency)}

        def machine(
            name: str, *stems: str, machines: Sequence[PlatformStateMachine] = (), **values: str
        ) -> PlatformStateMachine:
            called = [functions[stem] for stem in stems]
            return PlatformStateMachine(
                self,
                name,
                fleet=self.fleet,
                functions=called,
                machines=machines,
                values={**at_once, **values},
            )

        raw_to_silver = machine("raw_to_silver", "transform_partitions")
        refresh_table = machine("refresh_table", "prepare_table", "build_table", "commit_table")
        hourly_etl = machine(
            "hourly_etl",
            "plan_run",
            "commit_table",
            "pin_sources",
            "materialize_features",
            "publish_run",
            machines=[raw_to_silver, refresh_table],
            CaptureSeconds=str(self.settings.lakehouse.capture_seconds),
        )
        backfill = PlatformStateMachine(
            self,
            "backfill",
            fleet=self.fleet,
            functions=[plan_backfill(self, self.fleet)],
            machines=[hourly_etl],
        )
        maintenance = PlatformStateMachine(
            self,
            "maintenance",
            fleet=self.fleet,
            functions=[maintain_table(self, self.fleet)],
            values=at_once,
        )
        sealing = Sealing(
            self, "Sealing", fleet=self.fleet, pin_sources=functions["pin_sources"], values=at_once
        )
        learning = Learning(self, fleet=self.fleet, pin_sources=functions["pin_sources"], folder=layers)
        # Those that are started by themselves; they start the others.
        self._machines = (hourly_etl, backfill, maintenance, sealing.machine, learning.machine)
        # Started by whoever takes the request, not by the clock.
        self.erasure = Erasure(self, "Erasure", fleet=self.fleet).machine
        self._schedule(self._start_run())
        Reconciliation(self, "Reconciliation", fleet=self.fleet)
        self._outputs()

    def _start_run(self) -> PlatformFunction:
        return PlatformFunction(
            self,
            "start_run",
            fleet=self.fleet,
            description="Starts a machine under the next free name of its interval, unless one runs for it.",
            memory_mb=512,
            timeout=Duration.seconds(60),
            resources={
                Resource("machine", machine.node.id): Deployed(machine.arn, machine.arn)
                for machine in self._machines
            },
        )

    def _schedule(self, function: PlatformFunction) -> None:
        times = self.settings.lakehouse
        for name, expression, description, payload in (
            (
                "Hourly",
                times.hourly,
                "Takes in what has arrived since the last run, up to the hourly tables.",
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
                "Seal",
                times.seal,
                "Days of aggregates from silver, in the place of what the stream counted.",
                {"machine": "seal_tiles", "input": {}},
            ),
            (
                "Weekly",
                self.settings.learning.weekly,
                "Trains every tenant's models, and serves the best that pass the gates.",
                {"machine": "train_model", "input": {}},
            ),
        ):
            Schedule(
                self,
                name,
                fleet=self.fleet,
                expression=expression,
                description=description,
                function=function,
                payload=json.dumps(payload),
            )

    def _outputs(self) -> None:
        outputs = {
            **{f"{camel(machine.node.id)}Machine": machine.arn for machine in self._machines},
            **{f"{camel(layer)}Database": self.catalog.databases[layer] for layer in ("raw", *LAYERS)},
        }
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)
