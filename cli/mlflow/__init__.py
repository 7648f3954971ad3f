"""MLflow on this machine: the server in an environment of its own, and the upload of registered versions."""
