"""The lakehouse: from raw Parquet to Iceberg tables, by runs that can be repeated."""
