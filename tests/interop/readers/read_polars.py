"""The tables as polars reads them, with its own reader of Parquet."""

import importlib.metadata

import polars as pl

from tests.interop.readers import facts
from tests.interop.readers.read_pyiceberg import connect


def main() -> None:
    """Answers."""
    endpoint = facts.endpoint()
    catalog = connect(endpoint)

    def answer(question: facts.Question) -> facts.Facts:
        database, name, snapshot = question["database"], question["name"], question["snapshot"]
        # What docs/lakehouse.md says of polars:
        storage = {  # not on AWS
            "aws_endpoint_url": endpoint,
            "aws_region": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "aws_allow_http": "true",
        }
        table = catalog.load_table((database, name))
        rows = pl.scan_iceberg(table, snapshot_id=snapshot, storage_options=storage, reader_override="native")
        # So far docs/lakehouse.md.
        return facts.of_rows(question, rows.collect().to_dicts())

    facts.serve(importlib.metadata.version("polars"), answer)


if __name__ == "__main__":
    main()
