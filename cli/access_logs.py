"""The gateway's access log as the lake keeps it: the lines of a span, oldest hour first."""

import gzip
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from millrace.audit import access_logs

if TYPE_CHECKING:
    from millrace.core.objects import Objects

_HOUR = timedelta(hours=1)


def lines(
    lake: "Objects", since: datetime, until: datetime, org: str | None = None, status: str | None = None
) -> Iterator[dict[str, Any]]:
    """Lines of the hours that begin in [the hour of since, until); one that was handed on twice stands once, by its request.

    Args:
        lake: where they are.
        since: the first moment.
        until: behind the last one.
        org: only of this tenant.
        status: only answers whose status begins so, such as `4` or `401`.
    """
    hour = since.replace(minute=0, second=0, microsecond=0)
    while hour < until:
        seen = set[str]()
        for one in lake.list_objects(access_logs.hour_prefix(hour), doing="list access logs"):
            for text in gzip.decompress(lake.get(one.key, doing="read access log")).splitlines():
                line = orjson.loads(text)
                request = str(line.get("requestId", ""))
                if request in seen or not _is_wanted(line, org, status):
                    continue
                if request:
                    seen.add(request)
                yield line
        hour += _HOUR


def _is_wanted(line: dict[str, Any], org: str | None, status: str | None) -> bool:
    return org in (None, line.get("org")) and str(line.get("status", "")).startswith(status or "")
