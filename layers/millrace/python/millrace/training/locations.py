"""Where a training reads and writes in the lake: below the tenant's folder `processed/ml-datasets/org=<org>/`."""

import re
from hashlib import sha256
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core.errors import PermanentError, from_client_error
from millrace.core.prefixes import PROCESSED

DATASETS = f"{PROCESSED}ml-datasets/"
_UPLOAD = re.compile(r"source/([0-9a-f]{64})/")


def folder(org: str, run: str) -> str:
    """The folder of one training: `processed/ml-datasets/org=<org>/<run>/`."""
    return f"{DATASETS}org={org}/{run}/"


def train(org: str, run: str) -> str:
    """The channel that the training job reads."""
    return f"{folder(org, run)}train/"


def upload(org: str, digest: str) -> str:
    """The folder of uploaded files, by the digest of all of them."""
    return f"{DATASETS}org={org}/source/{digest}/"


def digest_of(url: str, bucket: str, org: str) -> str:
    """The digest of uploaded files, from their folder's URL.

    Raises:
        PermanentError: the URL is not below this tenant's folder of this lake.
    """
    start = f"s3://{bucket}/{DATASETS}org={org}/"
    match = _UPLOAD.fullmatch(url.removeprefix(start)) if url.startswith(start) else None
    if match is None:
        raise PermanentError(f"data is a folder below {start}source/, not {url}")
    return match[1]


def job(environment: str, org: str, run: str) -> str:
    """The name of a training job: SageMaker takes 63 letters, digits and hyphens, and never the same name twice."""
    return f"millrace-{environment}-{sha256(f'{org} {run}'.encode()).hexdigest()[:24]}"


class Channel:
    """Objects below a tenant's folder."""

    def __init__(self, s3: Any, bucket: str) -> None:
        """`bucket` is the lake's."""
        self._s3, self.bucket = s3, bucket

    def url(self, key: str) -> str:
        """`s3://<bucket>/<key>`."""
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, body: bytes) -> None:
        """Writes an object.

        Raises:
            MillraceError: the lake did not take it.
        """
        try:
            self._s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, f"write {key}") from error

    def get(self, url: str) -> bytes:
        """Reads an object of this bucket.

        Raises:
            PermanentError: it is in another.
            MillraceError: it is not there, or the lake did not answer.
        """
        start = self.url("")
        if not url.startswith(start):
            raise PermanentError(f"{url} is not in {start}")
        try:
            key = url.removeprefix(start)
            body: bytes = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, f"read {url}") from error
        return body

    def files(self, url: str) -> list[str]:
        """The Parquet files below a folder, in order.

        Raises:
            MillraceError: the lake did not answer.
        """
        query = {"Bucket": self.bucket, "Prefix": url.removeprefix(self.url(""))}
        found: list[str] = []
        while True:
            try:
                page = self._s3.list_objects_v2(**query)
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, f"list {url}") from error
            found += [self.url(one["Key"]) for one in page.get("Contents", [])]
            if not page.get("IsTruncated"):
                return sorted(one for one in found if one.endswith(".parquet"))
            query["ContinuationToken"] = page["NextContinuationToken"]
