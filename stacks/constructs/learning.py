"""Learning: the functions of a training, the machines that run them, and where the training itself runs."""

import os
from pathlib import Path

from aws_cdk import Duration
from constructs import Construct

from layers import build
from stacks.constructs.fleet import Fleet
from stacks.constructs.lake_functions import LONGEST, STEP, worker
from stacks.constructs.platform_function import ONE_PROCESSOR_MB, PlatformFunction
from stacks.constructs.state_machine import PlatformStateMachine
from stacks.constructs.training_job import TrainingJob
from stacks.omissions import Omission

# The value of a part that an environment lacks: the machine never reaches the state that names it.
NOT_HERE = "-"
SECONDS_PER_HOUR = 3600
# What the training script imports from.
LIBRARIES = ("runtime", "lake", "onnx", "training")


class Learning(Construct):
    """Training, registration and deployment of models, tenant by tenant."""

    def __init__(
        self, scope: Construct, *, fleet: Fleet, pin_sources: PlatformFunction, folder: Path
    ) -> None:
        """Makes them in the stack.

        Args:
            scope: the stack.
            fleet: the stack's.
            pin_sources: the function that pins what a run reads.
            folder: where the layers are, and the training script's archive is packed.
        """
        super().__init__(scope, "Learning")
        settings = fleet.settings.learning
        functions = [
            pin_sources,
            worker(
                scope,
                "build_training_set",
                "Builds a tenant's training set: what was known at each past transaction, and whether it was fraud.",
                fleet=fleet,
                layers=("runtime", "lake", "duckdb"),
            ),
            self._tracked(
                scope,
                "register_models",
                "Registers what a training made: artifacts, rows, the log of experiments.",
                fleet=fleet,
                timeout=STEP,
            ),
            self._tracked(
                scope,
                "move_model",
                "Moves a tenant's champion to another version, with the event of the change.",
                fleet=fleet,
                timeout=Duration.minutes(1),
            ),
        ]
        job = None
        if fleet.settings.omits(Omission.TRAINING_JOBS):
            functions.append(self._train_model(fleet, folder))
        else:
            job = TrainingJob(self, "TrainingJob", storage=fleet.storage, folder=folder)
        tenants = PlatformStateMachine(
            scope,
            "train_tenants",
            fleet=fleet,
            functions=functions,
            values={
                "TrainIn": settings.train_in,
                "ManagedSpot": str(settings.managed_spot).lower(),
                "MaxRuntime": str(settings.longest_hours * SECONDS_PER_HOUR),
                "MaxWait": str(settings.longest_wait_hours * SECONDS_PER_HOUR),
                "InstanceType": settings.instance_type,
                "TrainingCores": str(settings.cores),
                "TrainingRole": job.role.role_arn if job else NOT_HERE,
                "TrainingImage": job.image if job else NOT_HERE,
                "TrainingSource": job.source if job else NOT_HERE,
                "DataKey": fleet.storage.data_key.key_arn,
                **({"TrainModel": NOT_HERE} if job else {}),
            },
        )
        if job is not None:
            tenants.allow_training(job.role, f"millrace-{fleet.settings.name}-")
        self.machine = PlatformStateMachine(
            scope,
            "train_model",
            fleet=fleet,
            functions=[pin_sources],
            machines=[tenants],
            values={"MaxConcurrency": str(settings.max_concurrency)},
        )

    def _train_model(self, fleet: Fleet, folder: Path) -> PlatformFunction:
        libraries = [build.third_party_layer(name, fleet.settings.name, build=folder) for name in LIBRARIES]
        return PlatformFunction(
            # The stack has a machine of that name.
            self,
            "train_model",
            fleet=fleet,
            description="Runs the training script under SageMaker's contract, where there is no SageMaker.",
            memory_mb=3008,
            storage_mb=2048,
            timeout=LONGEST,
            # More than a function may attach: the script runs in a process of its own, on this very machine.
            variables={"libraries": os.pathsep.join(str(layer.path / "python") for layer in libraries)},
        )

    @staticmethod
    def _tracked(
        scope: Construct, stem: str, description: str, *, fleet: Fleet, timeout: Duration
    ) -> PlatformFunction:
        """A function that logs to MLflow where the environment has one."""
        uri = fleet.settings.learning.tracking_uri
        function = PlatformFunction(
            scope,
            stem,
            fleet=fleet,
            description=description,
            memory_mb=ONE_PROCESSOR_MB,
            timeout=timeout,
            layers=("runtime", "mlflow"),
            variables={"tracking_uri": uri},
        )
        if uri.startswith("arn:"):
            # Only an App of AWS is reached by a right, and one action is the whole of its API.
            function.role.allow("sagemaker:CallMlflowAppApi", on=[uri])
        return function
