"""Settings of the replay after a deploy."""

from millrace.core.prefixes import QUARANTINE
from millrace.core.uses import LAKE, METADATA, Resource, uses
from millrace.intake.assemble import IntakeSettings


class Settings(IntakeSettings):
    """The queue of its tasks; tenants that have a binding and perhaps no credential, separated by commas."""

    metadata_table: str = uses(METADATA, "query", "update", "batch_get")
    lake_bucket: str = uses(LAKE, read=(QUARANTINE,))
    waiting_queue_url: str = uses(Resource("queue", "waiting"), "send")
    bound_orgs: str = ""
