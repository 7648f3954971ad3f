"""Settings of reconciliation."""

from millrace.core.prefixes import PROCESSED, RAW, RECONCILE
from millrace.core.uses import CATALOG, LOG, rights, uses
from millrace.eventstore.consumers import compared
from millrace.reconcile.passes import ReconcileSettings


class Settings(ReconcileSettings):
    """Tenants that have a binding and perhaps no credential, separated by commas."""

    also_uses = rights(
        CATALOG,
        read=(RAW, PROCESSED, RECONCILE, *(one.dead_letters for one in compared())),
        write=(RECONCILE,),
    )
    event_stream_arn: str = uses(LOG, "put")
