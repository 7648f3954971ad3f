"""A commit that others came before is tried again, on the table as it is then: bounded, with jitter."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from pyiceberg.exceptions import CommitFailedException

from millrace.core.aws import calling
from millrace.core.errors import MillraceError, RetryableError

ATTEMPTS = 10
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0

# What says something of the catalog, the store or the whole table, and nothing of what is being committed.
NOT_OF_A_PART = (MillraceError, CommitFailedException, ClientError, BotoCoreError, OSError)

Found = TypeVar("Found")


def until_committed(what: str, attempt: Callable[[], Found]) -> Found:
    """Calls `attempt` until no other commit comes first; it opens the table anew each time.

    Raises:
        RetryableError: the catalog or the store did not answer, or others came first every time.
    """
    for number in range(ATTEMPTS):
        try:
            with calling(what):
                return attempt()
        except CommitFailedException:
            pause = min(FIRST_PAUSE_SECONDS * 2**number, LONGEST_PAUSE_SECONDS)
            time.sleep(random.uniform(0, pause))  # noqa: S311  jitter
        except OSError as error:
            raise RetryableError(f"{what}: {error}") from error
    raise RetryableError(f"{what}: others came first {ATTEMPTS} times")
