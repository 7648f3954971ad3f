"""BatchWriteItem with its bounds kept and its leftovers written again."""

import random
import time
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core.errors import ThrottledError, from_client_error

ITEMS_PER_CALL = 25
ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.05


def write_all(dynamodb: Any, table: str, items: Sequence[dict[str, Any]]) -> None:
    """Puts items, 25 a call; what a call leaves unprocessed is tried again with jitter, a bounded number of times.

    Raises:
        MillraceError: not every item is stored.
    """
    for start in range(0, len(items), ITEMS_PER_CALL):
        left = [{"PutRequest": {"Item": item}} for item in items[start : start + ITEMS_PER_CALL]]
        for attempt in range(ATTEMPTS):
            try:
                answer = dynamodb.batch_write_item(RequestItems={table: left})
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "write items") from error
            left = answer.get("UnprocessedItems", {}).get(table, [])
            if not left:
                break
            time.sleep(random.uniform(0, FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311  jitter
        else:
            raise ThrottledError(f"write items: {len(left)} left unprocessed")
