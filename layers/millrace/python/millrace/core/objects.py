"""A bucket of S3 as capabilities use it: bytes by key, errors as the platform's own.

Which method for which need:

- an object that must be there: `get`; one that may be missing: `find` (None)
- its size before its bytes, or its lines as they come: `open` (None where it is missing)
- write, replacing what is there: `put`; write unless the key is taken: `put_new` returns whether it wrote
- the objects below a prefix, in the order of their keys: `list_objects`; the folders below one: `list_folders`
- what it is, and bytes of one that must still be the same: `head`, `get_range`
- remove: `delete`, `delete_version`, `delete_all` (1,000 a call), with all older versions: `purge`; copy within the bucket: `copy`; its own metadata: `metadata`

`doing` begins the message of an error ("read dead letter").

Every method raises `RetryableError` if the store did not answer (`ThrottledError` if it throttles, `NotFoundError` if an
object that must be there is missing) and `PermanentError` if the request itself is wrong. A method that returns an iterator
makes its first call, and raises, when the iterator is first advanced.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from millrace.core.aws import calling
from millrace.core.errors import ConditionFailedError, NotFoundError, RetryableError

# S3's bound of a call, for listing and for deleting.
KEYS_PER_CALL = 1000


class ListedObject(NamedTuple):
    """An object of a listing: its size in bytes, and when it was written (aware, UTC)."""

    key: str
    size: int
    modified: datetime


class Head(NamedTuple):
    """What an object is: bytes, ETag without quotes, version (empty in a bucket that keeps none), moment, metadata."""

    size: int
    etag: str
    version: str
    modified: datetime
    metadata: dict[str, str]


class Opened:
    """An object that was asked for; its bytes are read when they are needed."""

    def __init__(self, answer: Mapping[str, Any], doing: str) -> None:
        """`answer` is S3's to GetObject."""
        self._answer, self._doing = answer, doing

    @property
    def size(self) -> int:
        """In bytes."""
        return int(self._answer["ContentLength"])

    def read(self) -> bytes:
        """All of it."""
        with calling(self._doing):
            body: bytes = self._answer["Body"].read()
        return body

    def lines(self) -> Iterator[bytes]:
        """Its lines without line breaks, read in parts."""
        with calling(self._doing):
            yield from self._answer["Body"].iter_lines()


class Objects:
    """One bucket, over a client of S3; safe to share among threads, as the client is."""

    def __init__(self, s3: Any, bucket: str) -> None:
        """Makes no call."""
        self._s3, self.bucket = s3, bucket

    def get(self, key: str, *, doing: str = "") -> bytes:
        """The bytes of an object.

        Raises:
            NotFoundError: there is none.
        """
        return self._open(key, doing).read()

    def find(self, key: str, *, doing: str = "") -> bytes | None:
        """The bytes of an object; None where there is none."""
        opened = self.open(key, doing=doing)
        return None if opened is None else opened.read()

    def open(self, key: str, *, doing: str = "") -> Opened | None:
        """An object whose bytes are not read yet; None where there is none."""
        try:
            return self._open(key, doing)
        except NotFoundError:
            return None

    def head(self, key: str, *, doing: str = "") -> Head:
        """What an object is, without its bytes.

        Raises:
            NotFoundError: there is none.
        """
        with calling(doing or f"look at {key}"):
            said = self._s3.head_object(Bucket=self.bucket, Key=key)
        return Head(
            said["ContentLength"],
            said["ETag"].strip('"'),
            said.get("VersionId", ""),
            said["LastModified"],
            said["Metadata"],
        )

    def get_range(self, key: str, start: int, size: int, *, etag: str, doing: str = "") -> bytes:
        """Bytes of an object that is still the one of this ETag.

        Raises:
            ConditionFailedError: another one has taken its place.
            NotFoundError: there is none.
        """
        with calling(doing or f"read {key}"):
            answer = self._s3.get_object(
                Bucket=self.bucket,
                Key=key,
                Range=f"bytes={start}-{start + size - 1}",
                IfMatch=f'"{etag}"',
            )
            body: bytes = answer["Body"].read()
        return body

    def delete_version(self, key: str, version: str, *, doing: str = "") -> None:
        """Deletes one version of an object for good; the object, where the bucket keeps no versions (no `version`)."""
        with calling(doing or f"delete {key}"):
            self._s3.delete_object(Bucket=self.bucket, Key=key, **({"VersionId": version} if version else {}))

    def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "",
        metadata: Mapping[str, str] | None = None,
        doing: str = "",
    ) -> None:
        """Writes an object, replacing what is there."""
        self._put(key, body, content_type, doing, **({"Metadata": metadata} if metadata else {}))

    def put_new(self, key: str, body: bytes, *, content_type: str = "", doing: str = "") -> bool:
        """Writes an object unless the key is taken, or is being written at this moment; returns whether it did.

        What took the key may be this very object: the client repeats a put whose answer was lost.
        """
        try:
            self._put(key, body, content_type, doing, IfNoneMatch="*")
        except ConditionFailedError:
            return False
        return True

    def list_objects(
        self, prefix: str = "", *, after: str = "", most: int | None = None, doing: str = ""
    ) -> Iterator[ListedObject]:
        """The objects below a prefix, in the order of their keys, listed 1,000 at a time as they are asked for.

        Args:
            prefix: what their keys begin with.
            after: only keys behind this one, which need not be there.
            most: objects at most.
            doing: for the message of an error.
        """
        request: dict[str, Any] = {"StartAfter": after} if after else {}
        if most is not None:
            request["MaxKeys"] = min(most, KEYS_PER_CALL)
        pages = self._pages(prefix, request, doing)
        objects = (
            ListedObject(one["Key"], one["Size"], one["LastModified"])
            for page in pages
            for one in page.get("Contents", ())
        )
        return islice(objects, most)

    def list_folders(self, prefix: str = "", *, doing: str = "") -> Iterator[str]:
        """The folders directly below a prefix, each as a prefix that ends in `/`, in order."""
        pages = self._pages(prefix, {"Delimiter": "/"}, doing)
        return (folder["Prefix"] for page in pages for folder in page.get("CommonPrefixes", ()))

    def metadata(self, key: str, *, doing: str = "") -> dict[str, str]:
        """The user metadata that an object was put with.

        Raises:
            NotFoundError: there is none.
        """
        with calling(doing or f"look at {key}"):
            said: dict[str, str] = self._s3.head_object(Bucket=self.bucket, Key=key)["Metadata"]
        return said

    def copy(self, key: str, to: str, *, doing: str = "") -> None:
        """Copies an object to another key of the bucket, with its metadata.

        Raises:
            NotFoundError: there is none.
        """
        with calling(doing or f"copy {key}"):
            self._s3.copy_object(Bucket=self.bucket, Key=to, CopySource={"Bucket": self.bucket, "Key": key})

    def delete(self, key: str, *, doing: str = "") -> None:
        """Deletes an object; one that is not there is no error."""
        with calling(doing or f"delete {key}"):
            self._s3.delete_object(Bucket=self.bucket, Key=key)

    def delete_all(self, keys: Sequence[str], *, doing: str = "delete objects") -> None:
        """Deletes objects, 1,000 a call; those that are not there are no error.

        Raises:
            RetryableError: some of them stayed.
        """
        for start in range(0, len(keys), KEYS_PER_CALL):
            some = [{"Key": key} for key in keys[start : start + KEYS_PER_CALL]]
            with calling(doing):
                answer = self._s3.delete_objects(Bucket=self.bucket, Delete={"Objects": some, "Quiet": True})
            if stayed := answer.get("Errors"):
                raise RetryableError(f"{doing}: {len(stayed)} of {len(some)} stayed")

    def purge(self, prefix: str, *, but_newest: bool = False, doing: str = "remove all versions") -> int:
        """Deletes every version of the objects below a prefix, for good; returns how many versions there were.

        Args:
            prefix: what their keys begin with; a whole key is one.
            but_newest: leave the newest version of each.
            doing: for the message of an error.

        Raises:
            RetryableError: some of them stayed.
        """
        request: dict[str, Any] = {"Bucket": self.bucket, "Prefix": prefix}
        purged = 0
        while True:
            with calling(doing):
                page = self._s3.list_object_versions(**request)
            some = [
                {"Key": one["Key"], "VersionId": one["VersionId"]}
                for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
                if not (but_newest and one["IsLatest"])
            ]
            if some:
                with calling(doing):
                    answer = self._s3.delete_objects(
                        Bucket=self.bucket, Delete={"Objects": some, "Quiet": True}
                    )
                if stayed := answer.get("Errors"):
                    raise RetryableError(f"{doing}: {len(stayed)} of {len(some)} stayed")
            purged += len(some)
            if not page.get("IsTruncated"):
                return purged
            request["KeyMarker"] = page["NextKeyMarker"]
            request["VersionIdMarker"] = page["NextVersionIdMarker"]

    def link(self, key: str, seconds: int) -> str:
        """An address from which anybody can read an object for so long, or until the caller's own credentials end."""
        made: str = self._s3.generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=seconds
        )
        return made

    def upload_link(self, key: str, seconds: int, metadata: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """An address at which anybody can put one object for so long, and the headers that go with it."""
        params = {"Bucket": self.bucket, "Key": key, "Metadata": dict(metadata)}
        made: str = self._s3.generate_presigned_url("put_object", Params=params, ExpiresIn=seconds)
        return made, {f"x-amz-meta-{name}": value for name, value in metadata.items()}

    def _open(self, key: str, doing: str) -> Opened:
        doing = doing or f"read {key}"
        with calling(doing):
            return Opened(self._s3.get_object(Bucket=self.bucket, Key=key), doing)

    def _put(self, key: str, body: bytes, content_type: str, doing: str, **how: Any) -> None:
        if content_type:
            how["ContentType"] = content_type
        with calling(doing or f"write {key}"):
            self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, **how)

    def _pages(self, prefix: str, request: Mapping[str, Any], doing: str) -> Iterator[Any]:
        request = {"Bucket": self.bucket, "Prefix": prefix, **request}
        while True:
            with calling(doing or f"list {prefix}"):
                page = self._s3.list_objects_v2(**request)
            yield page
            if not page.get("IsTruncated"):
                return
            request = {**request, "ContinuationToken": page["NextContinuationToken"]}
