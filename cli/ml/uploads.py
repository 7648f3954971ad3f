"""A folder of card transactions: checked, named by the digest of its content, and uploaded to the lake."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from cli.errors import UsageError
from cli.target import Target

_CHUNK = 1 << 20


def files(folder: Path, org: str) -> list[Path]:
    """The Parquet files of a folder, in order.

    Args:
        folder: of the files.
        org: the tenant whose transactions they hold.

    Raises:
        UsageError: there is none, one cannot be read, a column is missing, or rows are of another tenant.
    """
    import duckdb

    from millrace.lake.duck import parquet
    from millrace.training import transactions

    if not folder.is_dir():
        raise UsageError(f"--data is a folder of Parquet files; {folder} is not a folder")
    parquet_files = sorted(folder.glob("*.parquet"))
    if not parquet_files:
        raise UsageError(f"there is no Parquet file in {folder}")
    try:
        with duckdb.connect() as connection:
            paths = [str(path) for path in parquet_files]
            relation = connection.sql(f"SELECT * FROM {parquet(paths)} LIMIT 0")  # noqa: S608
            missing = transactions.missing_columns(relation.columns)
            others = transactions.other_tenants(connection, paths, org)
    except (duckdb.Error, ValueError) as error:
        raise UsageError(f"the files in {folder} cannot be read: {error}") from error
    if missing:
        raise UsageError(f"the files in {folder} have no column {', '.join(missing)}")
    if others:
        raise UsageError(
            f"the files in {folder} hold rows of {', '.join(others)}; they may hold those of {org} only"
        )
    return parquet_files


def digest(paths: list[Path]) -> str:
    """SHA-256 over the content of the files, in their order; their names do not matter."""
    whole = hashlib.sha256()
    for path in paths:
        part = hashlib.sha256()
        with path.open("rb") as opened:
            while chunk := opened.read(_CHUNK):
                part.update(chunk)
        whole.update(part.digest())
    return whole.hexdigest()


def upload(target: Target, org: str, paths: list[Path], say: Callable[[str], None]) -> str:
    """Uploads the files to the folder that a training of this tenant reads; a file that exists there is not sent.

    Returns:
        The folder's URL.
    """
    from millrace.core.objects import Objects
    from millrace.training import locations

    say("reading the files")
    s3, bucket = target.client("s3", read_seconds=120), target.output("LakeBucket")
    prefix = locations.upload(org, digest(paths))
    sizes = {one.key: one.size for one in Objects(s3, bucket).list_objects(prefix)}
    for number, path in enumerate(paths):
        key = f"{prefix}{number:05d}.parquet"
        if sizes.get(key) == path.stat().st_size:
            continue
        say(f"uploading {path.name} ({number + 1} of {len(paths)})")
        s3.upload_file(str(path), bucket, key)
    return f"s3://{bucket}/{prefix}"
