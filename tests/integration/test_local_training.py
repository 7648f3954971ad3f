"""The function that trains on the laptop, on a store that is the emulator's."""

import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from millrace.core.errors import RetryableError
from millrace.core.objects import Objects
from millrace.model_registry.package import unpack
from millrace.training import locations
from millrace.training.errors import TrainingError
from millrace.training.local_training import JobResult, LocalTraining
from tests.support import training
from tests.support.emulator import Lake
from tests.support.functions import function

pytestmark = pytest.mark.timeout(600)
RUN, ORG = "train_model-shop_a-1", "shop_a"
ARCHIVE = f"processed/ml-datasets/org={ORG}/{RUN}/output/model.tar.gz"


def put(lake: Lake, folder: Path) -> None:
    for path in training.write(folder).iterdir():
        Objects(lake.s3, lake.bucket).put(f"{locations.train(ORG, RUN)}{path.name}", path.read_bytes())


def test_a_training_leaves_what_can_be_registered(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(lake, tmp_path)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(training.COMPILED))
    libraries = os.pathsep.join(training.libraries())
    environ = {**lake.environ, "LIBRARIES": libraries, "SECONDS": "400", "JOBS": "1"}
    with function("train_model", environ) as trained:
        answer = trained({"runId": RUN, "org": ORG}, None)
        archive = lake.s3.get_object(Bucket=lake.bucket, Key=ARCHIVE)["Body"].read()
        repeated = trained({"runId": RUN, "org": ORG}, None)
    assert answer == repeated == {"runId": RUN, "org": ORG, "artifact": f"s3://{lake.bucket}/{ARCHIVE}"}
    assert lake.s3.get_object(Bucket=lake.bucket, Key=ARCHIVE)["Body"].read() == archive
    assert len(unpack(archive, org=ORG, model="fraud", run=RUN).models) == 3
    # It is not a folder for others: nothing else was written.
    assert lake.keys(f"processed/ml-datasets/org={ORG}/{RUN}/output/") == [ARCHIVE]


def test_without_a_model_nothing_is_left(lake: Lake, tmp_path: Path) -> None:
    put(lake, tmp_path)

    def refuses(files: object) -> JobResult:
        raise TrainingError("no fraud among them")

    with pytest.raises(TrainingError, match="no fraud"):
        LocalTraining(Objects(lake.s3, lake.bucket), refuses).train(RUN, ORG)
    assert lake.keys("processed/") == [
        f"{locations.train(ORG, RUN)}{name}" for name in ("rows.parquet", "training.json")
    ]


def test_a_channel_that_is_not_there_is_no_training(lake: Lake) -> None:
    def never(files: object) -> JobResult:
        raise AssertionError("nothing to train on")

    with pytest.raises(RetryableError) as raised:
        LocalTraining(Objects(lake.s3, lake.bucket), never).train(RUN, ORG)
    assert isinstance(raised.value.__cause__, ClientError)
