"""The dbt project on this machine: its environment, what is generated for it, its runs."""
