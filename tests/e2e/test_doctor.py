"""`millrace doctor` on the deployed platform: every path is proven, and one thing in trouble is found."""

import json

from tests.e2e.conftest import command
from tests.support.client import Client

PATHS = {
    "http",
    "table",
    "projection",
    "archive",
    "route",
    "fraud",
    "gzip",
    "log-only",
    "quarantine",
    "reads",
    "count",
    "bus",
}
LOOKS = {
    "capture",
    "dead-letters",
    "failed-batches",
    "failed-invocations",
    "catalog",
    "tiles",
    "timers",
    "silver",
    "lag",
}


def test_doctor_proves_every_path_and_finds_a_dead_letter(client: Client, environ: dict[str, str]) -> None:
    bucket, s3 = client.outputs["LakeBucket"], client.aws("s3")
    key = "dead-letters/archive_events/day=2026-11-21/planted.json"
    s3.put_object(Bucket=bucket, Key=key, Body=b"{}")
    try:
        done = command("doctor", "--wait", "150", "--json", environ=environ, seconds=300)
    finally:
        s3.delete_object(Bucket=bucket, Key=key)
    found = {check["path"]: check for check in json.loads(done.stdout.splitlines()[-1])["checks"]}
    assert set(found) == PATHS | LOOKS
    assert {found[path]["status"] for path in PATHS} == {"ok"}, found
    assert all(isinstance(found[path]["ms"], int) for path in PATHS)
    assert done.returncode == 1
    assert found["dead-letters"]["status"] == "fail"
    assert "redrive" in found["dead-letters"]["detail"]
    # No other tenant has what it sent.
    assert client.get("/v1/events", eventType="platform.canary.sent").body["items"] == []
