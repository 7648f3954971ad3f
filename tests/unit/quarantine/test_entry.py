"""Refused events lie and are found below their own tenant."""

from datetime import UTC, datetime

from millrace.quarantine.entry import day_key, object_key

AT = datetime(2026, 11, 21, 6, tzinfo=UTC)


def test_a_tenant_has_folders_and_partitions_of_its_own() -> None:
    assert object_key("org_acme", AT, "request").startswith("quarantine/org=org_acme/day=2026-11-21/")
    assert object_key("org_acme", AT, "request") != object_key("org_globex", AT, "request")
    assert day_key("org_acme", "2026-11-21") == "org_acme#quarantine#2026-11-21#0"
