"""The stacks of one environment, put together, tagged and checked."""

import os
from pathlib import Path

from aws_cdk import App, Tags, Validations
from cdk_nag import AwsSolutionsChecks

from layers import build
from stacks.access import AccessStack
from stacks.consumers import ConsumersStack
from stacks.environment import to_deploy
from stacks.errors import SettingsError
from stacks.ingestion import IngestionStack
from stacks.lake_readers import lake_readers
from stacks.lakehouse import LakehouseStack
from stacks.network import NetworkStack
from stacks.omissions import Omission
from stacks.real_time import RealTimeStack
from stacks.settings import EnvironmentSettings
from stacks.storage import StorageStack

DEFAULT_ENVIRONMENT = "dev"
# aws-cn, aws-us-gov, and the isolated ones.
OTHER_PARTITIONS = ("cn-", "us-gov-", "us-iso", "eu-isoe-", "eusc-")
# In code and not in cdk.json, so that a synth in process makes the same templates.
FEATURE_FLAGS = {
    # Access logs are delivered by bucket policy: the lake's buckets have no access control lists.
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    # A table or bucket that another stack still uses cannot be removed.
    "@aws-cdk/core:defaultCrossStackReferences": "strong",
}


def new_app(outdir: str | None = None) -> App:
    """An app without stacks; `outdir` is where its templates go if the CDK CLI does not say."""
    return App(analytics_reporting=False, outdir=outdir, context=FEATURE_FLAGS)


def build_application(app: App, settings: EnvironmentSettings, *, layers: Path = build.BUILD) -> None:
    """Adds the stacks to the app; cdk-nag then refuses to synthesize an unwaived finding.

    Args:
        app: the CDK app.
        settings: the environment's.
        layers: the folder in which `layers/build.py` keeps the layers.
    """
    storage = StorageStack(app, f"millrace-{settings.name}-storage", settings=settings)
    access = AccessStack(app, f"millrace-{settings.name}-access", settings=settings)

    def named(name: str) -> str:
        return f"millrace-{settings.name}-{name}"

    wanted = settings.network
    network = (
        None if wanted is None else NetworkStack(app, named("network"), settings=settings, network=wanted)
    )
    lakehouse = LakehouseStack(app, named("lakehouse"), storage=storage, layers=layers, network=network)
    readers = [
        ConsumersStack(app, named("consumers"), storage=storage, layers=layers, network=network),
        lakehouse,
        RealTimeStack(app, named("real-time"), storage=storage, layers=layers, network=network),
    ]
    ingestion = IngestionStack(
        app,
        named("ingestion"),
        storage=storage,
        layers=layers,
        network=network,
        access=access,
        erasure=lakehouse.erasure,
    )
    for reader in readers:
        # A contract is known to whatever reads events before the first event of it is accepted.
        ingestion.add_stack_dependency(reader)
    people = [] if settings.omits(Omission.LAKE_FORMATION) else lake_readers(app, storage=storage)
    networks = [] if network is None else [network]
    for stack in (storage, access, ingestion, *readers, *people, *networks):
        Tags.of(stack).add("project", "millrace")
        Tags.of(stack).add("environment", settings.name)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))


def refuse_partition(region: str) -> None:
    """Refuses the regions of China and of governments, where the templates would name services that do not exist.

    Args:
        region: of the credentials, as the CDK CLI passes it on; empty without credentials.

    Raises:
        SettingsError: the region is of another partition than `aws`.
    """
    if region.startswith(OTHER_PARTITIONS):
        raise SettingsError(
            f"Millrace is not deployed to {region}: HTTP APIs with their domain, SageMaker's images and Glue's optimizers differ "
            "there or are missing. Choose a region of the partition aws."
        )


def synthesize() -> None:
    """Synthesizes the environment that the context names (`-c env=prod`); without one, `dev`."""
    app = new_app()
    refuse_partition(os.environ.get("CDK_DEFAULT_REGION", ""))
    context = app.node.try_get_context
    settings = to_deploy(
        str(context("env") or DEFAULT_ENVIRONMENT), alarm_contacts=str(context("alarm-contacts") or "")
    )
    build_application(app, settings)
    app.synth()
