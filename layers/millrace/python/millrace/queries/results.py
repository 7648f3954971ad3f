"""Results that are too large for an answer: Parquet in the lake for a day, behind a link that ends after minutes."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from millrace.core import clock
from millrace.core.prefixes import QUERY_RESULTS
from millrace.core.sql import literal

if TYPE_CHECKING:
    import duckdb

LINK = timedelta(minutes=15)


class Results:
    """Where they are written, and how they are read."""

    def __init__(self, s3: Any, bucket: str) -> None:
        """`s3` signs the links."""
        self._s3, self._bucket = s3, bucket

    def write(
        self, connection: "duckdb.DuckDBPyConnection", sql: str, org: str, query: str
    ) -> dict[str, Any]:
        """Writes the rows of a SELECT; returns `{"link", "linkEndsAt"}`.

        Raises:
            duckdb.Error: they cannot be written.
        """
        key = f"{QUERY_RESULTS}{org}/{query}.parquet"
        connection.execute("SET preserve_insertion_order = true")
        connection.execute(f"COPY ({sql}) TO {literal(self._place(key))} (FORMAT parquet, COMPRESSION zstd)")
        ends = clock.now() + LINK
        link = self._s3.generate_presigned_url(
            "get_object",
            Params={"Bucket": self._bucket, "Key": key},
            ExpiresIn=int(LINK.total_seconds()),
        )
        return {"link": link, "linkEndsAt": clock.utc_text(ends)}

    def _place(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"
