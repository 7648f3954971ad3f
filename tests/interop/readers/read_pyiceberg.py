"""The tables as pyiceberg reads them."""

import importlib.metadata

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.glue import GlueCatalog

from tests.interop.readers import facts


def connect(endpoint: str) -> Catalog:
    """The catalog."""
    # What docs/lakehouse.md says of pyiceberg:
    catalog = GlueCatalog(
        "millrace",
        **{
            "glue.region": "us-east-1",
            "glue.endpoint": endpoint,  # here and below: not on AWS
            "glue.access-key-id": "test",
            "glue.secret-access-key": "test",
            "s3.endpoint": endpoint,
            "s3.access-key-id": "test",
            "s3.secret-access-key": "test",
        },
    )
    # So far docs/lakehouse.md.
    return catalog  # noqa: RET504  the page names it


def main() -> None:
    """Answers."""
    catalog = connect(facts.endpoint())

    def answer(question: facts.Question) -> facts.Facts:
        table = catalog.load_table((question["database"], question["name"]))
        rows = table.scan(snapshot_id=question["snapshot"]).to_arrow()
        return facts.of_rows(question, rows.to_pylist())

    facts.serve(importlib.metadata.version("pyiceberg"), answer)


if __name__ == "__main__":
    main()
