"""What was read of raw once: the ids of each object, kept together, so that no object is read for its ids again.

At few events a second an object holds few of them, and to read all objects of a week each day would cost more than to write
them did. A note is one Parquet file below `reconcile/<org>/<day>/`, with some 20 bytes an event, of objects whose events
were all seen to have their pointers. It says what an object holds and not that it is there: that the listing says.
"""

import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import clock
from millrace.core.errors import error_code, from_client_error
from millrace.core.prefixes import RECONCILE
from millrace.reconcile.raw_objects import RawEvent, RawObject

# Of an object's key, as silver's receipts hash it; of an id; seconds.
SCHEMA = pa.schema(
    [
        pa.field("object", pa.binary(8), nullable=False),
        pa.field("event_type", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("hour", pa.uint8(), nullable=False),
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("stored", pa.bool_(), nullable=False),
        pa.field("owned", pa.bool_(), nullable=False),
        pa.field("expires_at", pa.int64(), nullable=False),
    ]
)
BATCH = 50_000


class Notes:
    """Reads and writes them."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def read(self, org: str, day: str, since: datetime | None) -> Iterator[dict[bytes, list[RawEvent]]]:
        """Events by the hash of the object that holds them.

        Args:
            org: the tenant.
            day: UTC.
            since: only of objects that were written from this moment on, and perhaps of some before.

        Raises:
            MillraceError: the lake did not answer.
        """
        after = "" if since is None else f"{_folder(org, day)}{clock.utc_text(since)}"
        for key in self._listed(_folder(org, day), after):
            try:
                body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except (ClientError, BotoCoreError) as error:
                if error_code(getattr(error, "response", {})) in {"NoSuchKey", "404"}:
                    continue
                raise from_client_error(error, "read note") from error
            for some in pq.ParquetFile(io.BytesIO(body)).iter_batches(batch_size=BATCH):
                found: dict[bytes, list[RawEvent]] = {}
                for name, *event in zip(*(column.to_pylist() for column in some.columns), strict=True):
                    found.setdefault(name, []).append(RawEvent(*event))
                yield found

    def keep(self, org: str, day: str, objects: Iterable[RawObject], now: datetime) -> None:
        """Keeps what was read of objects.

        Raises:
            MillraceError: the lake did not take it.
        """
        rows = [(one.name, *event) for one in objects for event in one.events]
        if not rows:
            return
        columns = [
            pa.array(list(values), type=field.type)
            for values, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)
        ]
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), sink, compression="zstd")
        key = f"{_folder(org, day)}{clock.utc_text(now)}-{uuid4().hex[:12]}.parquet"
        try:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=sink.getvalue())
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, "keep note") from error

    def _listed(self, prefix: str, after: str) -> Iterator[str]:
        asked = {"Bucket": self._bucket, "Prefix": prefix, **({"StartAfter": after} if after else {})}
        while True:
            try:
                page = self._s3.list_objects_v2(**asked)
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "list notes") from error
            yield from (found["Key"] for found in page.get("Contents", []))
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]


def _folder(org: str, day: str) -> str:
    return f"{RECONCILE}{org}/{day}/"
