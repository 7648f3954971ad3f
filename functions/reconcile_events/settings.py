"""Settings of reconciliation."""

from millrace.reconcile.assemble import ReconcileSettings


class Settings(ReconcileSettings):
    """Tenants that have a binding and perhaps no credential, separated by commas."""

    bound_orgs: str = ""
