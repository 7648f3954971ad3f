"""The tables as Spark reads them with Iceberg's runtime."""

import os

from pyspark import __version__
from pyspark.sql import SparkSession

from tests.interop.readers import facts


def connect(endpoint: str, jars: str) -> SparkSession:
    """A session with the lake as the catalog `millrace`."""
    # What docs/lakehouse.md says of spark:
    catalog = "spark.sql.catalog.millrace"
    settings = {
        "spark.jars": jars,
        catalog: "org.apache.iceberg.spark.SparkCatalog",
        f"{catalog}.catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
        f"{catalog}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        f"{catalog}.client.region": "us-east-1",
        f"{catalog}.glue.endpoint": endpoint,  # these three not on AWS
        f"{catalog}.s3.endpoint": endpoint,
        f"{catalog}.s3.path-style-access": "true",
        "spark.sql.session.timeZone": "UTC",
    }
    # So far docs/lakehouse.md.
    # A table is looked at again after each run; and one session on one machine.
    settings |= {
        f"{catalog}.cache-enabled": "false",
        "spark.driver.memory": "1g",
        "spark.ui.enabled": "false",
    }
    settings |= {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
    builder = SparkSession.builder.master("local[1]")
    for name, value in (settings | {"spark.sql.shuffle.partitions": "1"}).items():
        builder = builder.config(name, value)
    session: SparkSession = builder.getOrCreate()
    return session


def main() -> None:
    """Answers."""
    session = connect(facts.endpoint(), os.environ["JARS"])

    def answer(question: facts.Question) -> facts.Facts:
        moment = f" VERSION AS OF {question['snapshot']}" if question["snapshot"] else ""
        relation = f"millrace.{question['database']}.{question['name']}{moment}"
        rows = session.sql(facts.select(question, relation, facts.SPARK)).collect()
        return facts.of_select(question, rows)

    iceberg = os.environ["JARS"].rpartition("-")[2].removesuffix(".jar")
    facts.serve(f"{__version__}, Iceberg {iceberg}", answer)
    session.stop()


if __name__ == "__main__":
    main()
