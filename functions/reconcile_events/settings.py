"""Settings of reconciliation."""

from millrace.reconcile.passes import ReconcileSettings


class Settings(ReconcileSettings):
    """The stores, the log, and the tenants of bindings."""
