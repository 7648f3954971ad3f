"""MLflow on this machine: the server in an environment of its own, and what it has not logged yet."""
