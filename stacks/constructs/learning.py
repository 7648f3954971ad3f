"""Learning: the functions of a training, the machine that orders them, and where the training itself runs."""

import os
from pathlib import Path

from aws_cdk import Duration
from constructs import Construct

from layers import build
from millrace.core.prefixes import CURATED, MODELS, PROCESSED, RUNS
from millrace.training.locations import DATASETS
from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import PlatformFunction
from stacks.constructs.state_machine import PlatformStateMachine
from stacks.constructs.training_job import TrainingJob
from stacks.environment import Omission
from stacks.storage import StorageStack

# What stands for a part that an environment has not: the machine never comes to the state that would name it.
NOT_HERE = "-"
SECONDS_PER_HOUR = 3600
# What the training script imports from.
LIBRARIES = ("runtime", "lake", "onnx", "training")


class Learning(Construct):
    """Training, registration and deployment of models, tenant by tenant."""

    def __init__(
        self,
        scope: Construct,
        *,
        fleet: Fleet,
        storage: StorageStack,
        pin_sources: PlatformFunction,
        folder: Path,
    ) -> None:
        """Makes them in the stack.

        Args:
            scope: the stack.
            fleet: the stack's.
            storage: tables and the lake.
            pin_sources: the function that pins what a run reads.
            folder: where the layers are, and the training script's archive is packed.
        """
        super().__init__(scope, "Learning")
        self._stack, self._fleet, self._storage = scope, fleet, storage
        settings = fleet.settings.learning
        functions = {
            "PinSources": pin_sources,
            "BuildTrainingSet": self._build_training_set(),
            "RegisterModels": self._register_models(),
            "MoveModel": self._move_model(),
        }
        job = None
        if fleet.settings.omits(Omission.TRAINING_JOBS):
            functions["TrainModel"] = self._train_model(folder)
        else:
            job = TrainingJob(self, "TrainingJob", storage=storage, folder=folder)
        self.machine = PlatformStateMachine(
            scope,
            "train_model",
            fleet=fleet,
            functions=functions,
            values={
                "TrainIn": settings.train_in,
                "MaxConcurrency": str(settings.max_concurrency),
                "ManagedSpot": str(settings.managed_spot).lower(),
                "MaxRuntime": str(settings.longest_hours * SECONDS_PER_HOUR),
                "MaxWait": str(settings.longest_wait_hours * SECONDS_PER_HOUR),
                "InstanceType": settings.instance_type,
                "TrainingCores": str(settings.cores),
                "TrainingRole": job.role.role_arn if job else NOT_HERE,
                "TrainingImage": job.image if job else NOT_HERE,
                "TrainingSource": job.source if job else NOT_HERE,
                "DataKey": storage.data_key.key_arn,
                **({"TrainModel": NOT_HERE} if job else {}),
            },
        )
        if job is not None:
            self.machine.allow_training(job.role, f"millrace-{fleet.settings.name}-")

    def _build_training_set(self) -> PlatformFunction:
        lakehouse = self._fleet.settings.lakehouse
        function = self._function(
            "build_training_set",
            "Builds a tenant's training set: what was known at each past transaction, and whether it was fraud.",
            memory_mb=lakehouse.worker_memory_mb,
            storage_mb=lakehouse.worker_storage_mb,
            timeout=Duration.minutes(15),
            layers=("runtime", "lake", "duckdb"),
            variables={
                "memory_mb": str(lakehouse.worker_memory_mb),
                # The rest of /tmp is Python's and whatever else writes there.
                "temp_mb": str(lakehouse.worker_storage_mb - 512),
            },
        )
        self._list(function)
        for prefix, why in (
            (RUNS, "Which files a run reads is written below its name."),
            (PROCESSED, "Which files a table is made of is written in what the run has pinned."),
            (CURATED, "Which files a table is made of is written in what the run has pinned."),
        ):
            function.allow_prefix("s3:GetObject", bucket=self._storage.lake, prefix=prefix, reason=why)
        self._write(function, DATASETS, "A training set lies below its tenant's and its run's name.")
        return function

    def _train_model(self, folder: Path) -> PlatformFunction:
        found = [build.third_party_layer(name, self._fleet.settings.name, build=folder) for name in LIBRARIES]
        function = self._function(
            "train_model",
            "Runs the training script under SageMaker's contract, where there is no SageMaker.",
            memory_mb=3008,
            storage_mb=2048,
            timeout=Duration.minutes(15),
            # More than a function may attach: the script runs in a process of its own, on this very machine.
            variables={"libraries": os.pathsep.join(str(layer.path / "python") for layer in found)},
            # The stack has a machine of that name.
            scope=self,
        )
        why = "A training set and what is made of it lie below the tenant's and the run's name."
        function.allow_prefix("s3:GetObject", bucket=self._storage.lake, prefix=DATASETS, reason=why)
        self._write(function, DATASETS, why)
        return function

    def _register_models(self) -> PlatformFunction:
        uri = self._fleet.settings.learning.tracking_uri
        function = self._function(
            "register_models",
            "Registers what a training made: artifacts, rows, the log of experiments.",
            memory_mb=1769,
            timeout=Duration.minutes(5),
            layers=("runtime", "mlflow"),
            variables={"models_table": self._storage.models.table.table_name, "tracking_uri": uri},
        )
        function.allow_prefix(
            "s3:GetObject",
            bucket=self._storage.lake,
            prefix=DATASETS,
            reason="What a training made lies below the tenant's and the run's name.",
        )
        self._read_models(function)
        self._write(function, MODELS, "A version's number is known when it is registered.")
        # Of a transaction's writes each needs its own right.
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
        function.allow(
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            on=[self._storage.models.table.table_arn],
        )
        if uri.startswith("arn:"):
            # One action is the whole of an App's API.
            function.allow("sagemaker:CallMlflowAppApi", on=[uri])
        return function

    def _move_model(self) -> PlatformFunction:
        function = self._function(
            "move_model",
            "Moves a tenant's champion to another version, with the event that says so.",
            memory_mb=512,
            timeout=Duration.minutes(1),
            variables={
                "models_table": self._storage.models.table.table_name,
                "events_table": self._storage.events.table.table_name,
            },
        )
        self._read_models(function)
        function.allow(
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            on=[self._storage.models.table.table_arn],
        )
        function.allow("dynamodb:PutItem", on=[self._storage.events.table.table_arn])
        return function

    def _function(
        self,
        stem: str,
        description: str,
        *,
        memory_mb: int,
        timeout: Duration,
        layers: tuple[str, ...] = ("runtime",),
        variables: dict[str, str] | None = None,
        storage_mb: int | None = None,
        scope: Construct | None = None,
    ) -> PlatformFunction:
        function = PlatformFunction(
            scope or self._stack,
            stem,
            fleet=self._fleet,
            description=description,
            memory_mb=memory_mb,
            timeout=timeout,
            layers=layers,
            variables={"lake_bucket": self._storage.lake.bucket_name, **(variables or {})},
            storage_mb=storage_mb,
        )
        function.allow_use_of(self._storage.data_key)
        return function

    def _list(self, function: PlatformFunction) -> None:
        # Without it an object that is not there is refused instead of missed.
        function.allow("s3:ListBucket", on=[self._storage.lake.bucket_arn])

    def _read_models(self, function: PlatformFunction) -> None:
        self._list(function)
        function.allow_prefix(
            "s3:GetObject",
            bucket=self._storage.lake,
            prefix=MODELS,
            reason="Which version is asked for is known when it is.",
        )

    def _write(self, function: PlatformFunction, prefix: str, reason: str) -> None:
        function.allow_prefix("s3:PutObject", bucket=self._storage.lake, prefix=prefix, reason=reason)
