"""Settings of reconciliation."""

from millrace.core.prefixes import PROCESSED, RAW, RECONCILE
from millrace.core.uses import CATALOG, EVENTS, LAKE, LOG, METADATA, USER_EVENTS, rights, uses
from millrace.eventstore.consumers import compared
from millrace.reconcile.passes import ReconcileSettings


class Settings(ReconcileSettings):
    """The stores that are compared; tenants that have a binding and perhaps no credential, separated by commas."""

    also_uses = rights(CATALOG, read=("silver",))

    events_table: str = uses(EVENTS, "batch_get", query=("eventType-timestamp-index",))
    user_events_table: str = uses(USER_EVENTS, "batch_get", "write_all")
    metadata_table: str = uses(METADATA, "batch_get", "query", "delete", "write_all")
    lake_bucket: str = uses(
        LAKE,
        "list",
        read=(RAW, PROCESSED, RECONCILE, *(one.dead_letters for one in compared())),
        write=(RECONCILE,),
    )
    event_stream_arn: str = uses(LOG, "put")
