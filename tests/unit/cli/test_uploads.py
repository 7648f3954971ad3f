"""A folder of card transactions: refused before anything is sent, named by its content, sent once."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.errors import UsageError
from cli.ml import uploads
from cli.target import Target
from millrace.training.locations import digest_of
from millrace.training.transactions import COLUMNS
from tests.support.stores import MemoryS3

ROWS = pa.table({name: ["1"] for name in COLUMNS})


class S3(MemoryS3):
    """A bucket; uploads are counted."""

    uploads = 0

    def upload_file(self, path: str, bucket: str, key: str) -> None:
        assert bucket == "lake"
        self.uploads += 1
        self.put_object(Bucket=bucket, Key=key, Body=Path(path).read_bytes())


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> S3:
    made = S3()
    monkeypatch.setattr(Target, "client", lambda *_, **__: made)
    return made


TARGET = Target("local", "http://localhost:1", {"LakeBucket": "lake"})


def upload(folder: Path) -> str:
    return uploads.upload(TARGET, "org_acme", uploads.files(folder, "org_acme"), lambda _: None)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no Parquet file"),
        (b"no parquet", "cannot be read"),
        (
            pa.table({"amount": [1.0]}),
            "no column customer_id, is_fraud, terminal_id, timestamp, transaction_id",
        ),
        (
            ROWS.append_column("org_id", [["org_globex"]]),
            "rows of org_globex; they may hold those of org_acme only",
        ),
    ],
)
def test_a_folder_of_something_else_is_usage(tmp_path: Path, s3: S3, content: Any, says: str) -> None:
    if isinstance(content, bytes):
        (tmp_path / "a.parquet").write_bytes(content)
    elif content is not None:
        pq.write_table(content, tmp_path / "a.parquet")
    with pytest.raises(UsageError, match=says):
        upload(tmp_path)
    assert s3.uploads == 0


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    pq.write_table(ROWS, tmp_path / "a.parquet")
    with pytest.raises(UsageError, match="is not a folder"):
        uploads.files(tmp_path / "a.parquet", "org_acme")


def test_an_upload_is_named_by_its_content_and_sent_once(tmp_path: Path, s3: S3) -> None:
    pq.write_table(ROWS, tmp_path / "b.parquet")
    pq.write_table(ROWS.slice(0, 0), tmp_path / "a.parquet")
    url = upload(tmp_path)
    assert s3.uploads == 2
    assert len(digest_of(url, "lake", "org_acme")) == 64
    assert upload(tmp_path) == url
    assert s3.uploads == 2
    # The names of the files do not matter.
    (tmp_path / "b.parquet").rename(tmp_path / "c.parquet")
    assert upload(tmp_path) == url


def test_an_upload_that_broke_off_is_finished(tmp_path: Path, s3: S3) -> None:
    pq.write_table(ROWS, tmp_path / "a.parquet")
    url = upload(tmp_path)
    (key,) = s3.objects
    s3.objects[key] = s3.objects[key][:10]
    assert upload(tmp_path) == url
    assert s3.objects[key] == (tmp_path / "a.parquet").read_bytes()


def test_other_content_is_another_folder(tmp_path: Path, s3: S3) -> None:
    pq.write_table(ROWS, tmp_path / "a.parquet")
    first = upload(tmp_path)
    pq.write_table(pa.concat_tables([ROWS, ROWS]), tmp_path / "a.parquet")
    assert upload(tmp_path) != first
