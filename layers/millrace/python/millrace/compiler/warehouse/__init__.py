"""The dbt project, compiled: its SQL, rendered and judged; its order, its columns and its lineage."""
