"""Settings of the administration of access."""

from millrace.api.guard import GuardedSettings
from millrace.core.uses import EVENTS, METADATA, SUBJECT_KEYS, TENANT_KEY, USER_POOL, uses


class Settings(GuardedSettings):
    """Where keys, tenants, memberships and the audit are, and where users have their passwords.

    `bi_account`: the AWS account, where roles for BI are assumed; empty where there is no Lake Formation. `bi_lake`: the lake.
    """

    # Where events of consents are appended.
    events_table: str = uses(EVENTS, "put")
    type_shards: int = 1
    # People, whose consents are given and withdrawn, and what their keys are wrapped by.
    subject_keys_table: str = uses(SUBJECT_KEYS, "get", "batch_get", "put", "update")
    tenant_key_id: str = uses(TENANT_KEY, "decrypt", "generate")
    metadata_table: str = uses(METADATA, "get", "batch_get", "query", "put", "update", "delete")
    user_pool_id: str = uses(USER_POOL, "invite", "remove")
    bi_account: str = ""
    bi_lake: str = ""
