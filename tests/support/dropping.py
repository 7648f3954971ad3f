"""Files dropped in the lake of a platform in process, imported by the machine of its file."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from millrace.core import clock
from tests.support.machines import machine
from tests.support.platform import ACME, LAKE, Platform
from tests.support.state_machine import Execution, Hook

PATIENT = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)


class Drops:
    """Drops files, and has the machine take what S3 tells of them."""

    def __init__(self, running: Platform, hook: Hook | None = None) -> None:
        self.running = running
        self.machine = machine(
            "import_file",
            {"ImportFile": lambda given: running.invoke("import_file", given, PATIENT)},
            hook=hook,
        )

    def put(
        self,
        body: bytes,
        name: str = "a.csv",
        *,
        org: str = ACME,
        event_type: str = "order.created",
        at: datetime | None = None,
        **options: Any,
    ) -> Mapping[str, str]:
        """Drops a file; what the rule gives to the machine."""
        key = f"imports/{org}/{event_type}/{name}"
        metadata = {"options": json.dumps(options)} if options else {}
        put = self.running.s3.put_object(Bucket=LAKE, Key=key, Body=body, Metadata=metadata)
        moment = clock.utc_text(at or datetime.now(UTC))
        return {"key": key, "etag": put["ETag"].strip('"'), "time": moment}

    def run(self, notice: Mapping[str, str], name: str = "") -> Execution:
        """An execution for a notice."""
        return self.machine.run(name or f"run-{len(self.machine.executions)}", dict(notice))

    def drop(self, body: bytes, name: str = "a.csv", **how: Any) -> dict[str, Any]:
        """Drops a file and has it imported; the import as it is kept."""
        execution = self.run(self.put(body, name, **how))
        assert execution.status == "SUCCEEDED", execution.cause
        return self.kept(execution.output["importId"])

    def kept(self, import_id: str) -> dict[str, Any]:
        """An import as it is kept."""
        rows = [row for row in self.running.rows("Metadata") if row["entityId"]["S"] == import_id]
        (row,) = rows
        document: dict[str, Any] = json.loads(row["document"]["S"])
        return document

    def events(self, org: str = ACME, event_type: str = "order.created") -> list[dict[str, Any]]:
        """What is stored."""
        found: list[dict[str, Any]] = self.running.get(
            "/v1/events", org=org, query={"eventType": event_type, "limit": "500"}
        )["body"]["items"]
        return found
