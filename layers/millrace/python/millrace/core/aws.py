"""AWS clients: one of each kind per warm function, with bounds on every wait."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from millrace.core.errors import from_client_error

# A connection that has not opened in 1 s or answered in 3 s is worth another try; the standard mode
# spreads three tries with jitter, which keeps one call well inside the shortest function's time.
CONNECT_SECONDS = 1
READ_SECONDS = 3
ATTEMPTS = 3
CONNECTIONS = 32


@cache
def client(service: str) -> Any:
    """The client of a service (`dynamodb`, `s3`, `kms`, `events`, `kinesis`), made on first use."""
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
    )
    return boto3.client(service, config=config)


@cache
def links(*, bucket_in_path: bool) -> Any:
    """A client of S3 that makes links; `bucket_in_path` is for an emulator, whose host no name of a bucket leads to."""
    style = "path" if bucket_in_path else "virtual"
    return boto3.client("s3", config=Config(signature_version="s3v4", s3={"addressing_style": style}))


class Lazy:
    """A client that is made at its first call.

    For services that most invocations never ask: reading a service's model costs tens of milliseconds of a cold start.
    """

    def __init__(self, service: str) -> None:
        self._service = service

    def __getattr__(self, operation: str) -> Any:
        return getattr(client(self._service), operation)


@contextmanager
def calling(doing: str) -> Iterator[None]:
    """Raises botocore's errors inside the block as the platform's own; `doing` begins their message ("put on bus").

    Raises:
        MillraceError: as `from_client_error` maps what a call raised.
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise from_client_error(error, doing) from error
