"""Secrets of sources in Secrets Manager, each with those that it follows: an old one stays good for some hours.

A secret is `{"secrets": [{"value": "…", "until": null}, {"value": "…", "until": "2026-…Z"}]}`, the newest first. A warm
function keeps what it has read for a minute. What was set meanwhile is found as soon as it is needed: a signature that no
known secret makes has the secret read again, at most once in five seconds.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from millrace.core import clock
from millrace.core.aws import calling
from millrace.core.errors import MillraceError, PermanentError

KEPT_SECONDS, AGAIN_SECONDS = 60.0, 5.0
# For so long what was read stands in for a service that does not answer.
STALE_SECONDS = 3600.0
LONGEST_OVERLAP_HOURS = 720
MOST_BYTES = 4096
# Of one source at once: whoever sets more in the overlap ends the oldest.
MOST = 5
_MISSING = "ResourceNotFoundException"


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret of a source; `until` is None for the newest."""

    value: str
    until: datetime | None = None


@dataclass(slots=True)
class _Read:
    secrets: tuple[Secret, ...]
    at: float


def name_of(environment: str, source: str) -> str:
    """What the secret of a source is called in Secrets Manager."""
    return f"{prefix(environment)}{source}"


def prefix(environment: str) -> str:
    """What the secrets of all sources are called, up to the source's name."""
    return f"millrace/{environment}/sources/"


def parse(text: str) -> tuple[Secret, ...]:
    """The secrets of a document.

    Raises:
        PermanentError: it is none; the message shows nothing of it.
    """
    try:
        return tuple(
            Secret(str(one["value"]), None if one["until"] is None else clock.parse(one["until"]))
            for one in orjson.loads(text)["secrets"]
        )
    except (ValueError, KeyError, TypeError):
        # Without its cause, which would quote the text.
        raise PermanentError("a secret of a source is not written as one") from None


def written(secrets: tuple[Secret, ...]) -> str:
    """The document of secrets."""
    listed = [
        {"value": one.value, "until": None if one.until is None else clock.utc_text(one.until)}
        for one in secrets
    ]
    return orjson.dumps({"secrets": listed}).decode()


def rotated(known: tuple[Secret, ...], value: str, now: datetime, overlap: timedelta) -> tuple[Secret, ...]:
    """The secrets with a new one; those before end after the overlap, or when they would have.

    Args:
        known: before.
        value: the new one; one that is known already becomes the newest again.
        now: when.
        overlap: how long those before stay good; none at all if it is zero.

    Raises:
        PermanentError: it is empty or too long.
    """
    if not value.strip() or len(value.encode()) > MOST_BYTES:
        raise PermanentError(f"a secret has 1 to {MOST_BYTES} bytes")
    ends = now + overlap
    kept = [
        Secret(one.value, ends if one.until is None else min(one.until, ends))
        for one in known
        if one.value != value
    ]
    good = [one for one in kept if one.until is not None and one.until > now]
    return (Secret(value), *good[: MOST - 1])


class SecretStore:
    """Reads and writes secrets of the sources of one environment."""

    def __init__(self, service: Any, names: str, seconds: Callable[[], float] = time.monotonic) -> None:
        """Makes no call.

        Args:
            service: a client of Secrets Manager.
            names: `prefix` of the environment.
            seconds: a clock that never goes back.
        """
        self._service, self._names, self._seconds = service, names, seconds
        self._known: dict[str, _Read] = {}

    def good(self, source: str, now: datetime, *, again: bool = False) -> tuple[str, ...]:
        """The secrets of a source that are in force; none if none was set.

        Args:
            source: its name.
            now: when.
            again: those that were known are not what is wanted: they are read once more, if that was not just done.

        Raises:
            MillraceError: they cannot be read, and have not been within the hour.
        """
        known, at = self._known.get(source), self._seconds()
        if known is None or at - known.at >= (AGAIN_SECONDS if again else KEPT_SECONDS):
            try:
                known = self._known[source] = _Read(self.read(source), at)
            except MillraceError:
                if known is None or at - known.at >= STALE_SECONDS:
                    raise
        return tuple(one.value for one in known.secrets if one.until is None or one.until > now)

    def read(self, source: str) -> tuple[Secret, ...]:
        """All secrets of a source, as they are stored now.

        Raises:
            MillraceError: they cannot be read.
        """
        try:
            with calling("read secret of a source"):
                answer = self._service.get_secret_value(SecretId=self._names + source)
        except MillraceError as error:
            if error.code == _MISSING:
                return ()
            raise
        return parse(answer["SecretString"])

    def set(self, source: str, value: str, now: datetime, overlap: timedelta) -> tuple[Secret, ...]:
        """Sets a new secret; those before stay good for the overlap. Returns all.

        Raises:
            MillraceError: it is none, or cannot be stored.
        """
        before = self.read(source)
        secrets = rotated(before, value, now, overlap)
        text = written(secrets)
        try:
            with calling("store secret of a source"):
                self._service.put_secret_value(SecretId=self._names + source, SecretString=text)
        except MillraceError as error:
            if error.code != _MISSING:
                raise
            with calling("create secret of a source"):
                self._service.create_secret(
                    Name=self._names + source,
                    Description=f"Signs deliveries of the source {source}.",
                    SecretString=text,
                    Tags=[{"Key": "project", "Value": "millrace"}],
                )
        return secrets
