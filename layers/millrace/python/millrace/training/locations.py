"""Where a training reads and writes in the lake: below the tenant's folder `processed/ml-datasets/org=<org>/`."""

import re
from hashlib import sha256

from millrace.core.errors import PermanentError
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


def digest_of(location: str, bucket: str, org: str) -> str:
    """The digest of uploaded files, from their folder's URL.

    Raises:
        PermanentError: the URL is not below this tenant's folder of this lake.
    """
    start = url(bucket, f"{DATASETS}org={org}/")
    match = _UPLOAD.fullmatch(location.removeprefix(start)) if location.startswith(start) else None
    if match is None:
        raise PermanentError(f"data is a folder below {start}source/, not {location}")
    return match[1]


def job(environment: str, org: str, run: str) -> str:
    """The name of a training job: SageMaker takes 63 letters, digits and hyphens, and never the same name twice."""
    return f"millrace-{environment}-{sha256(f'{org} {run}'.encode()).hexdigest()[:24]}"


def url(bucket: str, key: str) -> str:
    """`s3://<bucket>/<key>`."""
    return f"s3://{bucket}/{key}"


def key_of(location: str, bucket: str) -> str:
    """The key in a URL of this bucket.

    Raises:
        PermanentError: the URL is of another bucket.
    """
    start = url(bucket, "")
    if not location.startswith(start):
        raise PermanentError(f"{location} is not in {start}")
    return location.removeprefix(start)
