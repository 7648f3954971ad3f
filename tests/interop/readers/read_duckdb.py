"""The tables as DuckDB's extension `iceberg` reads them, from the metadata file that Glue names."""

from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from tests.interop.readers import facts


def load(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Loads an extension from its package: what `INSTALL` would download."""
    folder = Path(str(resources.files(f"duckdb_extension_{name}"))) / "extensions" / f"v{duckdb.__version__}"
    connection.execute(f"LOAD '{folder / name}.duckdb_extension'")


def main() -> None:
    """Answers."""
    connection = duckdb.connect()
    for name in ("avro", "httpfs", "iceberg"):
        load(connection, name)
    host = urlsplit(facts.endpoint()).netloc
    connection.execute(f"""
        -- What docs/lakehouse.md says of duckdb:
        SET TimeZone = 'UTC';
        CREATE SECRET (
            TYPE s3, KEY_ID 'test', SECRET 'test', REGION 'us-east-1',
            ENDPOINT '{host}', URL_STYLE 'path', USE_SSL false  -- not on AWS
        );
        -- So far docs/lakehouse.md.
    """)

    def answer(question: facts.Question) -> facts.Facts:
        snapshot = f", snapshot_from_id = {question['snapshot']}" if question["snapshot"] else ""
        relation = f"iceberg_scan('{question['metadata']}'{snapshot})"
        cursor = connection.execute(facts.select(question, relation, facts.DUCKDB))
        return facts.of_select(question, cursor.fetchall())

    facts.serve(duckdb.__version__, answer)


if __name__ == "__main__":
    main()
