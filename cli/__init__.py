"""The `millrace` command and the local platform."""
