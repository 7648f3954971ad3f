"""MiniStack alone, without a deploy: for tests of what moto does not have in the form we need it (Glue with Iceberg).

`emulator` starts one for the session on a free port; `lake` gives each test an empty bucket, empty Glue databases and
empty tables on it. Both are registered in tests/integration/conftest.py.
"""

import os
import socket
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from pynamodb.models import Model

from cli.local import emulator as ministack
from cli.local import process
from cli.places import Places, checkout
from millrace.contracts.tables import LAYERS
from millrace.core import aws
from millrace.eventstore.tables import TABLES
from millrace.iceberg.layout import database

# The one environment that is not on AWS; handlers take no other names than the deployed ones.
ENVIRONMENT = "local"
STOP_SECONDS = 20
LOG = "arn:aws:kinesis:us-east-1:000000000000:stream/log"


@dataclass(frozen=True, slots=True)
class OwnPlaces(Places):
    """A checkout whose running emulator lies in a folder of the test session."""

    folder: Path

    @property
    def local(self) -> Path:
        return self.folder


@dataclass(frozen=True, slots=True)
class Lake:
    """Empty stores on the emulator. `environ` is what a function is told by its environment."""

    endpoint: str
    bucket: str
    environment: str
    s3: Any
    glue: Any
    dynamodb: Any

    @property
    def environ(self) -> dict[str, str]:
        return {
            "ENVIRONMENT": self.environment,
            "LAKE_BUCKET": self.bucket,
            "METADATA_TABLE": "Metadata",
            "SUBJECT_KEYS_TABLE": "SubjectKeys",
            "TENANT_KEY_ID": "alias/tenants",
            "EVENTS_TABLE": "Events",
            "EVENT_STREAM_ARN": LOG,
            "FEATURE_STORE_TABLE": "FeatureStore",
            "CATALOG_ID": "000000000000",
            "CATALOG_ARN": "arn:aws:glue:us-east-1:000000000000",
            "LOG_LEVEL": "ERROR",
            # The few rows of a test give a second thread nothing to do; deployed functions and tests of silver have two.
            "THREADS": "1",
        }

    def keys(self, prefix: str = "") -> list[str]:
        """Keys of the bucket, in order."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of an emulator of this session."""
    ministack.install(checkout())
    places = OwnPlaces(checkout().root, tmp_path_factory.mktemp("emulator"))
    processes: list[subprocess.Popen[bytes]] = []
    with pytest.MonkeyPatch.context() as patch:
        # A start outlives its command and lets go of the process; here it is held, and waited for at the end.
        begin = subprocess.Popen
        patch.setattr(subprocess, "Popen", lambda *args, **how: _kept(processes, begin(*args, **how)))
        started = ministack.start(places, free_port())
    try:
        yield ministack.endpoint(started.port)
    finally:
        ministack.stop(places, started)
        for process in processes:
            process.wait(timeout=STOP_SECONDS)


@pytest.fixture
def lake(emulator: str) -> Iterator[Lake]:
    """Empty stores, and an environment in which boto3, pyiceberg and DuckDB find them."""
    with pointed_at(emulator):
        yield fresh(emulator)


@contextmanager
def pointed_at(endpoint: str) -> Iterator[None]:
    """AWS is the emulator, for this process, until the end of the block."""
    kept = dict(os.environ)
    os.environ.update(
        AWS_ENDPOINT_URL=endpoint,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_REGION="us-east-1",
    )
    aws.client.cache_clear()
    try:
        yield
    finally:
        aws.client.cache_clear()
        os.environ.clear()
        os.environ.update(kept)


def fresh(endpoint: str) -> Lake:
    """Makes empty stores; what an earlier test left in Glue and DynamoDB goes, its bucket stays beside."""
    s3, glue, dynamodb = (
        boto3.client(name, endpoint_url=endpoint, region_name="us-east-1")
        for name in ("s3", "glue", "dynamodb")
    )
    bucket = f"lake-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    for layer in ("raw", *LAYERS):
        _fresh_database(glue, database(ENVIRONMENT, layer))
    known = set(dynamodb.list_tables()["TableNames"])
    for model in TABLES:
        if model.Meta.table_name in known:
            dynamodb.delete_table(TableName=model.Meta.table_name)
        dynamodb.create_table(**_table(model))
    kinesis = boto3.client("kinesis", endpoint_url=endpoint, region_name="us-east-1")
    if not kinesis.list_streams()["StreamNames"]:
        kinesis.create_stream(StreamName="log", ShardCount=1)
    dynamodb.enable_kinesis_streaming_destination(TableName="Events", StreamArn=LOG)
    return Lake(endpoint, bucket, ENVIRONMENT, s3, glue, dynamodb)


def _fresh_database(glue: Any, name: str) -> None:
    try:
        tables = glue.get_tables(DatabaseName=name)["TableList"]
        for table in tables:
            glue.delete_table(DatabaseName=name, Name=table["Name"])
        glue.delete_database(Name=name)
    except glue.exceptions.EntityNotFoundException:
        pass
    glue.create_database(DatabaseInput={"Name": name})


def _table(model: type[Model]) -> dict[str, Any]:
    """`CreateTable` of a model. pynamodb would do it with a client that it keeps for the tests on moto after this."""
    schema = model._get_schema()
    indexes = [
        {"IndexName": index["index_name"], "KeySchema": _keys(index), "Projection": index["projection"]}
        for index in schema["global_secondary_indexes"]
    ]
    return {
        "TableName": model.Meta.table_name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": _keys(schema),
        "AttributeDefinitions": schema["attribute_definitions"],
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    }


def _keys(schema: Mapping[str, Any]) -> list[dict[str, str]]:
    return sorted(schema["key_schema"], key=lambda key: str(key["KeyType"]))


def _kept(processes: list[Any], process: Any) -> Any:
    processes.append(process)
    return process


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((process.HOST, 0))
        port: int = probe.getsockname()[1]
        return port
