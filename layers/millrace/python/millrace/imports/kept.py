"""What is kept of an import in the lake: the file and its refused rows, sealed in parts, and its report.

    raw/external-data/org=<org>/files/<import id>/original-<number>     sealed, 8 MB of the file each
    raw/external-data/org=<org>/files/<import id>/refused-<first row>-<number>   sealed, 3 MB of rows in the form of the file
    raw/external-data/org=<org>/reports/<import id>/reasons-<first row>.json

Sealed parts are personal data of anybody, so they are kept as long as refused events are, and an erasure removes all of the
tenant's. A report quotes no protected value.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from millrace.core.errors import NotFoundError, PermanentError
from millrace.core.objects import Objects
from millrace.core.prefixes import EXTERNAL_DATA
from millrace.imports.refused_file import RefusedFileError
from millrace.privacy.tenant_box import TenantBox

PART = 8 << 20
# In base64 it fits into an answer of the API.
REFUSED_PART = 3 << 20
_NUMBER = 12


def files_of(org: str, import_id: str = "") -> str:
    """Below which the sealed parts of a tenant lie, or of one import."""
    return f"{EXTERNAL_DATA}org={org}/files/{import_id and import_id + '/'}"


def reports_of(org: str, import_id: str) -> str:
    """Below which the reasons of an import lie."""
    return f"{EXTERNAL_DATA}org={org}/reports/{import_id}/"


class Kept:
    """What is kept of one import."""

    def __init__(self, lake: Objects, box: TenantBox, org: str, import_id: str) -> None:
        self._lake, self._box, self._org = lake, box, org
        self._files, self._reports = files_of(org, import_id), reports_of(org, import_id)

    def keep(self, key: str, etag: str, size: int) -> None:
        """Seals the dropped file, from the first part that is not there.

        Raises:
            RefusedFileError: another file has taken its name.
            RetryableError: a store did not answer.
        """
        there = {one.key for one in self._lake.list_objects(f"{self._files}original-")}
        for number, start in enumerate(range(0, size, PART)):
            if self._original(number) not in there:
                part = self._lake.get_range(key, start, min(PART, size - start), etag=etag)
                self._put(self._original(number), part)

    def read(self, number: int) -> bytes:
        """A part of the file, from 0.

        Raises:
            RefusedFileError: it was removed.
        """
        try:
            return self._get(self._original(number))
        except NotFoundError as error:
            message = "the file was removed for the erasure of a person: send it again"
            raise RefusedFileError("removed", message) from error

    def put_refused(self, first: int, rows: Iterable[bytes], header: bytes) -> None:
        """Keeps refused rows, so that all parts in their order are a file of the form of theirs.

        Args:
            first: the number of rows before the group that they are of.
            rows: as they were read.
            header: what stands before the first rows that are refused; empty before others.
        """
        part, number = header, 0
        for row in rows:
            whole = row if row.endswith((b"\n", b"\r")) else row + b"\n"
            if part and len(part) + len(whole) > REFUSED_PART:
                self._put(self._refused(first, number), part)
                part, number = b"", number + 1
            part += whole
        if len(part) > (0 if number else len(header)):
            self._put(self._refused(first, number), part)

    def refused(self, after: str = "") -> Iterator[tuple[str, bytes]]:
        """The parts of the file of refused rows, each with its name; those behind `after`."""
        prefix = f"{self._files}refused-"
        for one in self._lake.list_objects(prefix, after=f"{prefix}{after}" if after else ""):
            yield one.key.removeprefix(prefix), self._get(one.key)

    def refused_after(self, name: str) -> Iterator[str]:
        """The names of the parts behind one."""
        prefix = f"{self._files}refused-"
        return (one.key.removeprefix(prefix) for one in self._lake.list_objects(prefix, after=prefix + name))

    def put_reasons(self, first: int, reasons: list[dict[str, Any]]) -> None:
        """Keeps why rows were refused, one by one."""
        if reasons:
            key = f"{self._reports}reasons-{first:0{_NUMBER}d}.json"
            self._lake.put(key, orjson.dumps(reasons), content_type="application/json")

    def reasons(self) -> list[dict[str, Any]]:
        """Why rows were refused, in the order of the file."""
        found: list[dict[str, Any]] = []
        for one in self._lake.list_objects(f"{self._reports}reasons-"):
            found += orjson.loads(self._lake.get(one.key))
        return found

    def _refused(self, first: int, number: int) -> str:
        return f"{self._files}refused-{first:0{_NUMBER}d}-{number:04d}"

    def _original(self, number: int) -> str:
        return f"{self._files}original-{number:0{_NUMBER}d}"

    def _put(self, key: str, body: bytes) -> None:
        self._lake.put(key, self._box.seal(self._org, key, body), doing="keep a part of an import")

    def _get(self, key: str) -> bytes:
        sealed = self._lake.get(key)
        try:
            return self._box.unseal(self._org, key, sealed)
        except PermanentError as error:
            raise NotFoundError(f"{key} cannot be unsealed") from error
