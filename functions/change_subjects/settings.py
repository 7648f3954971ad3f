"""Settings of what takes requests of people."""

from millrace.api.guard import GuardedSettings
from millrace.core.prefixes import CERTIFICATES, EXPORTS
from millrace.core.uses import LAKE, METADATA, SIGNING_KEY, SUBJECT_KEYS, TENANT_KEY, Resource, uses


class Settings(GuardedSettings):
    """People, their requests, the machine that carries them out, and what it leaves in the lake."""

    metadata_table: str = uses(METADATA, "get", "query", "put", "update", "delete")
    subject_keys_table: str = uses(SUBJECT_KEYS, "get", "batch_get", "update")
    tenant_key_id: str = uses(TENANT_KEY, "decrypt", "generate")
    signing_key_id: str = uses(SIGNING_KEY, "public")
    lake_bucket: str = uses(LAKE, read=(CERTIFICATES, EXPORTS))
    erase_subject_machine: str = uses(Resource("machine", "erase_subject"), "start")
