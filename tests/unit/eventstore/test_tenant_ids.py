"""Which ids a tenant may send is read once a minute, and only when it is asked."""

import pytest

from millrace.core.errors import PermanentError
from millrace.core.table import Table
from millrace.eventstore import tenant_ids
from millrace.eventstore.tenant_ids import ANY, BY_CONTRACT, REMEMBERED_SECONDS, TenantIds
from tests.support.stores import MemoryDynamoDB


def test_the_setting_is_each_tenants_own_and_followed_within_a_minute() -> None:
    metadata, moment = Table(MemoryDynamoDB(), "Metadata"), [0.0]
    ids = TenantIds(metadata, lambda: moment[0])
    assert not ids.takes_any("org_acme")
    tenant_ids.write(metadata, "org_acme", ANY)
    assert not ids.takes_any("org_acme")
    moment[0] += REMEMBERED_SECONDS
    assert ids.takes_any("org_acme")
    assert not ids.takes_any("org_globex")
    tenant_ids.write(metadata, "org_acme", BY_CONTRACT)
    moment[0] += REMEMBERED_SECONDS
    assert not ids.takes_any("org_acme")
    with pytest.raises(PermanentError, match="uuid4"):
        tenant_ids.write(metadata, "org_acme", "uuid4")
