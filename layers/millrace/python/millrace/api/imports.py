"""Files as a way in: where one may be sent, what became of it, and its refused rows."""

import base64
import re
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from millrace.access.visibility import PERSONAL
from millrace.api.personal import READ_PERSONAL
from millrace.api.route import Call
from millrace.contracts import registry
from millrace.contracts.errors import UnknownType, UnknownVersion
from millrace.contracts.registry import Registry
from millrace.core import audit, clock
from millrace.core.aws import client, links
from millrace.core.http import Problem
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.imports import jobs
from millrace.imports.form import Options
from millrace.imports.jobs import Import, Imports
from millrace.imports.kept import Kept
from millrace.imports.refused_file import RefusedFileError
from millrace.imports.report import report
from millrace.intake import reserved
from millrace.privacy.tenant_box import TenantBox

# A file of 5 GB takes that long over a line of 12 Mbit/s.
UPLOAD_SECONDS = 3600
# S3 takes 2 KB of metadata, names included.
METADATA = 1900
_NAME = re.compile(r"[^A-Za-z0-9._ -]+")
_NAME_LENGTH = 200


class UploadsApi:
    """Answers `POST /v1/imports`."""

    def __init__(self, lake: Objects, metadata: Table, registry: Registry) -> None:
        """`metadata`: where the audit is."""
        self._lake, self._metadata, self._registry = lake, metadata, registry

    def begin(self, call: Call) -> dict[str, Any]:
        """The id of an import that begins once its file has been put at the address of the answer.

        Raises:
            Problem: 400, the type or an option is not understood, or only the platform sends such events.
        """
        given, caller = call.body, call.request.authenticated
        event_type = given["eventType"]
        try:
            options = Options.of(given.get("options") or {})
            self._registry.find(event_type, options.version)
        except (RefusedFileError, UnknownType, UnknownVersion) as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
        if reserved.is_reserved(event_type, call.org, self._registry):
            raise Problem(HTTPStatus.BAD_REQUEST, "events of this type are made by the platform alone")
        import_id = jobs.new_id(clock.now())
        name = _NAME.sub("_", given["name"].replace("\\", "/").rpartition("/")[2])[-_NAME_LENGTH:] or "file"
        metadata = {"principal": quote(caller.principal), "options": options.to_json()}
        if sum(map(len, metadata.values())) > METADATA:
            raise Problem(HTTPStatus.BAD_REQUEST, f"options have at most {METADATA} characters")
        detail = {"importId": import_id, "eventType": event_type}
        audit.write(
            self._metadata, call.org, "imports.begin", caller.principal, detail, call.request.request_id
        )
        key = jobs.upload_key(call.org, event_type, import_id, name)
        url, headers = self._lake.upload_link(key, UPLOAD_SECONDS, metadata)
        return {
            "importId": import_id,
            "upload": {"method": "PUT", "url": url, "headers": headers, "seconds": UPLOAD_SECONDS},
        }


def uploads(environment: str, lake_bucket: str, metadata_table: str) -> UploadsApi:
    """The same over AWS's clients."""
    lake = Objects(links(bucket_in_path=environment == "local"), lake_bucket)
    return UploadsApi(lake, Table(client("dynamodb"), metadata_table), registry.load())


class ImportsApi:
    """Answers of the reads under `/v1/imports`."""

    def __init__(self, imports: Imports, lake: Objects, box: TenantBox, metadata: Table) -> None:
        """`box` sealed the refused rows; `metadata`: where the audit is."""
        self._imports, self._lake, self._box, self._metadata = imports, lake, box, metadata

    def list(self, call: Call) -> dict[str, Any]:
        """Imports, newest first, without the reasons of their refused rows."""
        limit = call.values["limit"]
        found = list(self._imports.listed(call.org, before=call.after(jobs.is_id), most=limit + 1))
        page = found[:limit]
        return {
            "items": [report(one, []) for one in page],
            "cursor": call.cursor(page[-1].import_id if len(found) > limit else None),
        }

    def get(self, call: Call) -> dict[str, Any]:
        """One import, with the reasons of its first refused rows."""
        one = self._get(call)
        return dict(report(one, self._kept(one).reasons()))

    def refused(self, call: Call) -> dict[str, Any]:
        """Refused rows as they were sent, some megabytes at a time; who reads them is written down before."""
        one, caller = self._get(call), call.request.authenticated
        if PERSONAL not in caller.scopes:
            raise Problem(HTTPStatus.FORBIDDEN, f"rows of a file may be personal: this needs {PERSONAL}")
        after = call.after() or ""
        detail = {"call": call.request.route, "importId": one.import_id}
        audit.write(
            self._metadata, call.org, READ_PERSONAL, caller.principal, detail, call.request.request_id
        )
        parts = self._kept(one).refused(after)
        name, body = next(parts, ("", b""))
        more = name and next(self._kept(one).refused_after(name), None) is not None
        return {"content": base64.b64encode(body).decode(), "cursor": call.cursor(name if more else None)}

    def _get(self, call: Call) -> Import:
        one = self._imports.find(call.org, call.values["id"]) if jobs.is_id(call.values["id"]) else None
        if one is None:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such import, or its file has not come yet")
        return one

    def _kept(self, one: Import) -> Kept:
        return Kept(self._lake, self._box, one.org, one.import_id)
