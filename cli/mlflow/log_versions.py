"""Runs on MLflow's interpreter: logs the versions that standard input names the places of; the last line says how many.

Our code comes by PYTHONPATH, and of the third-party code only what the server's environment holds is needed.
"""

import json
import sys
from typing import Any

import boto3

from millrace.core.errors import MillraceError
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.store import ModelStore
from millrace.model_registry.tracking import LOGGED, MlflowTracker


def main(given: dict[str, Any]) -> dict[str, Any]:
    """Logs all versions of the tenants, the oldest first; one that cannot be read stops no other."""
    session = boto3.Session("test", "test", region_name=given["region"])
    dynamodb, s3 = (session.client(name, endpoint_url=given["endpoint"]) for name in ("dynamodb", "s3"))
    store, files = ModelStore(dynamodb, given["table"]), ArtifactFiles(s3, given["bucket"])
    tracker = MlflowTracker(given["uri"], given["environment"])
    logged, failed = 0, []
    for org in given["orgs"]:
        for version in reversed(store.versions(org, given["model"])):
            try:
                said = tracker.log(version, *files.read(version))
            except MillraceError as error:
                said = str(error)
            if said == LOGGED:
                logged += 1
            else:
                failed.append(said)
    return {"logged": logged, "failed": failed}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.load(sys.stdin))) + "\n")
