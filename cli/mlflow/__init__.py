"""MLflow on this machine: the server in an environment of its own, and the registered versions that it lacks."""
