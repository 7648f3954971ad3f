"""The dbt project, compiled: which transforms there are, their SQL, their order and their lineage."""
