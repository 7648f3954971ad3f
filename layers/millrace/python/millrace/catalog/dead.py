"""Which events of a tenant's day are no rows of silver because they could not be typed: read from the dead letters."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from millrace.catalog.outcome import Outcome
from millrace.core.errors import error_code, from_client_error
from millrace.core.prefixes import DEAD_LETTERS
from millrace.eventstore.silver import DEAD_PER_ROW
from millrace.runs.documents import Part

# As lake/raw_to_silver.py names them: run, tenant, day and bucket, table.
FOLDER = f"{DEAD_LETTERS}transform_partitions/"


class DeadRows:
    """Reads the dead letters of a run."""

    def __init__(self, s3: Any, bucket: str, outcome: Outcome) -> None:
        self._s3, self._bucket, self._run = s3, bucket, outcome.plan.run
        self._units = [unit for units in outcome.plan.batches for unit in units]

    def ids(self, table: str, org: str, day: str, parts: Iterable[Part]) -> list[str]:
        """Event ids, as many as a receipt tells of; nothing is read where no part counts any.

        Raises:
            MillraceError: the lake did not answer.
        """
        if not any(part.dead for part in parts if (part.org, part.day) == (org, day)):
            return []
        buckets = [unit.bucket for unit in self._units if (unit.org, unit.day) == (org, day)]
        keys = (f"{FOLDER}{self._run}/{org}/{day}-{bucket}-{table}.ndjson" for bucket in buckets)
        return list(islice((found for key in keys for found in self._read(key)), DEAD_PER_ROW))

    def _read(self, key: str) -> Iterator[str]:
        try:
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"]
            for line in body.iter_lines():
                # A line that cannot be read must not keep the run from being told; its event is looked for again.
                with suppress(orjson.JSONDecodeError, KeyError, TypeError):
                    yield orjson.loads(line)["event_id"]
        except (ClientError, BotoCoreError) as error:
            # Of a day in several buckets only some have dead rows.
            if error_code(getattr(error, "response", {})) not in {"NoSuchKey", "404"}:
                raise from_client_error(error, "read dead rows") from error
