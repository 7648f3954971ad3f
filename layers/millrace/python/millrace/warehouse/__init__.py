"""The dbt project, compiled: which models there are, their SQL, their order and their lineage."""
