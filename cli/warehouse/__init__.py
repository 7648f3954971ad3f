"""The dbt project on this machine: its environment, its generated files, its runs."""
