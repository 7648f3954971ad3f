"""A killed emulator starts with all that it answered: the short form of `make chaos`, without a deployment."""

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cli.local import emulator, process
from cli.places import Places, checkout
from tests.support.emulator import OwnPlaces, free_port

ROOT = Path(__file__).parents[2]
KILLS = 3


@pytest.fixture(scope="module")
def python() -> str:
    """The interpreter that the emulator runs on."""
    emulator.install(checkout())
    return str(checkout().emulator_environment / "bin" / "python")


@pytest.fixture
def started(
    python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Places, Callable[[], None]]]:
    """The folder of a platform without stacks, and what kills it."""
    places = OwnPlaces(ROOT, tmp_path)
    held: list[Any] = []
    begin = subprocess.Popen

    def hold(*arguments: Any, **how: Any) -> Any:
        held.append(begin(*arguments, **how))
        return held[-1]

    # A start outlives its command and lets go of the process; here it is held, and waited for.
    monkeypatch.setattr(subprocess, "Popen", hold)

    def kill() -> None:
        os.killpg(held[-1].pid, signal.SIGKILL)
        held[-1].wait(timeout=20)

    emulator.start(places, free_port())
    yield places, kill
    if held[-1].poll() is None:
        kill()


class Stores:
    """One of each kind of store, and what was put into them with an answer."""

    def __init__(self, port: int) -> None:
        # An answer that does not come is not a promise, so nothing is tried twice.
        config = Config(retries={"total_max_attempts": 1}, read_timeout=5)
        login = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        self.aws = {
            name: boto3.client(name, endpoint_url=f"http://127.0.0.1:{port}", config=config, **login)
            for name in ("dynamodb", "kinesis", "sqs", "s3", "glue", "stepfunctions")
        }
        self.put: dict[str, set[str]] = {name: set() for name in self.aws}

    def create(self) -> None:
        self.aws["dynamodb"].create_table(
            TableName="rows",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )
        self.aws["kinesis"].create_stream(StreamName="log", ShardCount=1)
        self.aws["sqs"].create_queue(QueueName="queue")
        self.aws["s3"].create_bucket(Bucket="lake")
        self.aws["glue"].create_database(DatabaseInput={"Name": "lake"})
        self.aws["glue"].create_table(DatabaseName="lake", TableInput={"Name": "pointer"})
        once = {"StartAt": "End", "States": {"End": {"Type": "Pass", "End": True}}}
        machine = {
            "name": "once",
            "definition": json.dumps(once),
            "roleArn": "arn:aws:iam::000000000000:role/x",
        }
        self.machine = self.aws["stepfunctions"].create_state_machine(**machine)["stateMachineArn"]

    def write(self, name: str) -> None:
        """Puts `name` into each store; remembers each that answered."""
        queue = f"{self.aws['sqs'].meta.endpoint_url}/000000000000/queue"
        calls: dict[str, dict[str, Any]] = {
            "dynamodb": {"TableName": "rows", "Item": {"id": {"S": name}}},
            "kinesis": {"StreamName": "log", "PartitionKey": name, "Data": name.encode()},
            "sqs": {"QueueUrl": queue, "MessageBody": name},
            "s3": {"Bucket": "lake", "Key": name, "Body": name.encode()},
            "glue": {"DatabaseName": "lake", "TableInput": {"Name": name}},
            "stepfunctions": {"stateMachineArn": self.machine, "name": name},
        }
        operations = {
            "dynamodb": "put_item",
            "kinesis": "put_record",
            "sqs": "send_message",
            "s3": "put_object",
            "glue": "create_table",
            "stepfunctions": "start_execution",
        }
        for store, call in calls.items():
            getattr(self.aws[store], operations[store])(**call)
            self.put[store].add(name)

    def found(self) -> dict[str, set[str]]:
        """What each store has."""
        shard = {"StreamName": "log", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
        place = self.aws["kinesis"].get_shard_iterator(**shard)["ShardIterator"]
        queue = f"{self.aws['sqs'].meta.endpoint_url}/000000000000/queue"
        messages: set[str] = set()
        take = {"QueueUrl": queue, "MaxNumberOfMessages": 10}
        while got := self.aws["sqs"].receive_message(**take).get("Messages"):
            messages |= {one["Body"] for one in got}
        tables = self.aws["glue"].get_paginator("get_tables").paginate(DatabaseName="lake")
        runs = (
            self.aws["stepfunctions"].get_paginator("list_executions").paginate(stateMachineArn=self.machine)
        )
        pages = self.aws["s3"].get_paginator("list_objects_v2").paginate(Bucket="lake")
        return {
            "dynamodb": {row["id"]["S"] for row in self.aws["dynamodb"].scan(TableName="rows")["Items"]},
            "kinesis": {
                record["Data"].decode()
                for record in self.aws["kinesis"].get_records(ShardIterator=place)["Records"]
            },
            "sqs": messages,
            "s3": {found["Key"] for page in pages for found in page.get("Contents", [])},
            "glue": {table["Name"] for page in tables for table in page["TableList"]},
            "stepfunctions": {run["name"] for page in runs for run in page["executions"]},
        }


def under_load(stores: Stores, kill: Callable[[], None], number: int, chance: random.Random) -> None:
    """Writes from two threads, and kills in the middle."""
    over = threading.Event()

    def write(thread: int) -> None:
        count = 0
        while not over.is_set():
            count += 1
            try:
                stores.write(f"{number}-{thread}-{count}")
            except (BotoCoreError, ClientError):
                return

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(2)]
    before = len(stores.put["s3"])
    for thread in threads:
        thread.start()
    while len(stores.put["s3"]) < before + 5:
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 0.2))
    kill()
    over.set()
    for thread in threads:
        thread.join()


def test_a_killed_emulator_has_all_that_it_answered(started: tuple[Places, Callable[[], None]]) -> None:
    places, kill = started
    running = process.running(places)
    assert running is not None
    stores, chance = Stores(running.port), random.Random(0)
    stores.create()
    # As after a deployment: what is created is in a snapshot, what is written in the journal.
    emulator.save(running.port)
    for number in range(KILLS):
        under_load(stores, kill, number, chance)
        left = places.scratch / "files of a worker"
        left.touch()
        emulator.start(places, running.port)
        assert not left.exists()
        assert "taken from the journal" in emulator.recovery(running.port)
    found = stores.found()
    for store, names in stores.put.items():
        assert names <= found[store], store
    assert len(stores.put["s3"]) >= 5 * KILLS


def test_a_killed_emulator_keeps_where_tables_are(started: tuple[Places, Callable[[], None]]) -> None:
    """The pointers of Iceberg's tables, the name of each execution, and that none of them goes on."""
    places, kill = started
    running = process.running(places)
    assert running is not None
    stores = Stores(running.port)
    stores.create()
    glue, machines = stores.aws["glue"], stores.aws["stepfunctions"]
    glue.create_table(DatabaseName="lake", TableInput={"Name": "gone"})
    wait = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}}
    machine = machines.create_state_machine(
        name="slow", definition=json.dumps(wait), roleArn="arn:aws:iam::000000000000:role/x"
    )["stateMachineArn"]
    emulator.save(running.port)
    for number in range(3):
        place = {"metadata_location": f"s3://lake/{number}.json"}
        glue.update_table(DatabaseName="lake", TableInput={"Name": "pointer", "Parameters": place})
    glue.delete_table(DatabaseName="lake", Name="gone")
    machines.start_execution(stateMachineArn=machine, name="hourly-1")
    kill()
    emulator.start(places, running.port)
    table = glue.get_table(DatabaseName="lake", Name="pointer")["Table"]
    assert table["Parameters"]["metadata_location"] == "s3://lake/2.json"
    names = {one["Name"] for one in glue.get_tables(DatabaseName="lake")["TableList"]}
    assert names == {"pointer"}
    (run,) = machines.list_executions(stateMachineArn=machine)["executions"]
    assert (run["name"], run["status"]) == ("hourly-1", "FAILED")


def said_by(script: str, folder: Path, python: str) -> Any:
    """What a script in `tests/support` prints that runs inside the emulator's environment."""
    done = subprocess.run(
        [python, "-P", str(ROOT / "tests/support" / script), str(folder)],
        env={
            **os.environ,
            "STATE_DIR": str(folder),
            "TMPDIR": str(folder),
            "PERSIST_STATE": "1",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_start_drops_old_records_of_the_log_and_moves_the_consumers(python: str, tmp_path: Path) -> None:
    """Positions count records: one that stays where it was skips as many new ones."""
    left = {"held": ["2", "3", "4", "5"], "next": {"fast": "5", "slow": "2"}}
    # Also when the start is repeated from its journal.
    assert said_by("log_expiry.py", tmp_path, python) == [left, left]


def test_a_change_of_the_catalog_is_kept_although_another_answer_overtook_it(
    python: str, tmp_path: Path
) -> None:
    kept = ["glue.tables", ["000000000000", "us-east-1", "lake/pointer"]]
    entry = {"Parameters": {"metadata_location": "second"}}
    assert said_by("overtaken_answer.py", tmp_path, python) == [[*kept, entry]]


def test_idle_workers_end_and_layers_are_unpacked_once(python: str, tmp_path: Path) -> None:
    said = said_by("emulator_patches.py", tmp_path, python)
    assert said["workers"] == ["busy", "warm", "ended:", "alone", "idle"]
    assert said["layers"] == ["X = 1", True, False, "X = 1", True, False, "Y = 2", False]
