"""The archive: every event of the log as Parquet in the lake, with a manifest of what lies where."""
