"""Where a training reads and writes: below its own tenant's folder and nowhere else."""

import re

import pytest

from millrace.core.errors import PermanentError
from millrace.training import locations

DIGEST = "ab" * 32
URL = f"s3://lake/processed/ml-datasets/org=org_acme/source/{DIGEST}/"


def test_files_are_named_by_what_is_in_them() -> None:
    assert locations.upload("org_acme", DIGEST) == URL.removeprefix("s3://lake/")
    assert locations.digest_of(URL, "lake", "org_acme") == DIGEST


@pytest.mark.parametrize(
    ("url", "org"),
    [
        (URL, "org_globex"),
        (URL.replace("lake", "other"), "org_acme"),
        (URL.replace("/source/", "/run-1/train/"), "org_acme"),
        (URL.replace(DIGEST, DIGEST[:-1]), "org_acme"),
        (URL.replace(DIGEST, f"../{DIGEST}"), "org_acme"),
        (f"{URL}more/", "org_acme"),
        (DIGEST, "org_acme"),
    ],
)
def test_files_of_another_place_are_refused(url: str, org: str) -> None:
    with pytest.raises(PermanentError, match="data is a folder below"):
        locations.digest_of(url, "lake", org)


def test_a_url_of_another_bucket_is_refused() -> None:
    with pytest.raises(PermanentError, match="is not in s3://lake/"):
        locations.key_of("s3://lake-of-others/x", "lake")


def test_a_job_has_a_name_that_sagemaker_takes_and_that_is_its_own() -> None:
    names = {
        locations.job(environment, org, run)
        for environment in ("dev", "staging", "prod")
        for org in ("org_acme", "o" * 63)
        for run in ("train_model-20261122-1", "train_model-20261122-2")
    }
    assert len(names) == 12
    for name in names:
        assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name)
