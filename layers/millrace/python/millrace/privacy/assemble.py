"""People and tenants' secrets over their stores, wired for every edge that protects values or shows them."""

from millrace.core.aws import Lazy
from millrace.core.table import Table
from millrace.eventstore.tenant_key import WrappedTenantKeys
from millrace.privacy import tenant_secrets
from millrace.privacy.subjects import Subjects


def tenant_keys(metadata: Table, tenant_key_id: str) -> WrappedTenantKeys:
    """The keys that secrets of tenants are made from.

    Args:
        metadata: where they lie, wrapped.
        tenant_key_id: of the key in KMS that wraps them.
    """
    return WrappedTenantKeys(
        metadata,
        Lazy("kms"),
        tenant_key_id,
        use=tenant_secrets.USE,
        seconds=tenant_secrets.SECONDS,
        tenants=tenant_secrets.TENANTS,
    )


def subjects(subject_keys: Table, metadata: Table, tenant_key_id: str) -> Subjects:
    """The people in SubjectKeys."""
    return Subjects(subject_keys, tenant_keys(metadata, tenant_key_id))
