"""Runs on MLflow's interpreter: logs the versions of the stores that standard input names; its last line holds the counts.

PYTHONPATH names the platform's code, which needs only third-party packages that the server's environment has.
"""

import json
import sys
from typing import Any

import boto3

from millrace.core.errors import MillraceError
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.store import ModelStore, need
from millrace.model_registry.tracking import LOGGED, MlflowTracker


def main(options: dict[str, Any]) -> dict[str, Any]:
    """Logs all versions of the tenants, the oldest first, and their champions; one that cannot be read does not stop the others."""
    session = boto3.Session("test", "test", region_name=options["region"])
    dynamodb, s3 = (session.client(name, endpoint_url=options["endpoint"]) for name in ("dynamodb", "s3"))
    store = ModelStore(Table(dynamodb, options["table"]))
    files = ArtifactFiles(Objects(s3, options["bucket"]))
    tracker = MlflowTracker(options["uri"], options["environment"])
    logged, failed = 0, []
    for org in options["orgs"]:
        for version in reversed(store.versions(org, options["model"])):
            try:
                result = tracker.log(version, *files.read(version))
            except MillraceError as error:
                result = str(error)
            if result == LOGGED:
                logged += 1
            else:
                failed.append(result)
        if (alias := store.alias(org, options["model"])) is None:
            continue
        try:
            champion = need(store, org, options["model"], alias.version)
            result = tracker.champion(champion, *files.read(champion))
        except MillraceError as error:
            result = str(error)
        if result != LOGGED:
            failed.append(result)
    return {"logged": logged, "failed": failed}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.load(sys.stdin))) + "\n")
