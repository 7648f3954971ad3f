"""The demonstration of `up`: keys of the tenants, sample events, and where each one is."""

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from cli import tenants
from cli.api import Api
from cli.local.steps import StepError
from cli.places import Places
from cli.target import FIRST_ORG, SAMPLE_ORG, Target
from millrace.core import clock

if TYPE_CHECKING:
    from millrace.core.table import Table

# One of each kind: about an entity, a card payment, a machine.
SHOWN = ("order.created", "transaction.created", "system.health.check")
ORGS = (FIRST_ORG, "org_globex")
# An event is in the lake some seconds after it was accepted: the log is read about once a second.
SETTLE_SECONDS = 30.0
FIRST_TRY_SECONDS = 20.0
_WAY_OUT = "Run make up again; if that does not help: make reset, then make up."


def ensure_keys(places: Places, target: Target) -> dict[str, str]:
    """API keys of the demo tenants and of the sample events' tenant: existing keys if they are valid, otherwise new ones.

    Those of the demo tenants are written to `.local/keys.json`, which callers read; the other one beside it.

    Raises:
        MillraceError: a key could not be written to the table.
    """
    from millrace.core.table import Table

    metadata = Table(target.client("dynamodb"), target.output("MetadataTable"))
    made: dict[str, str] = {}
    for path, orgs in ((places.keys, ORGS), (places.sample_keys, (SAMPLE_ORG,))):
        keys = _valid(metadata, _read(path), orgs)
        tenants.write_keys(path, keys)
        made |= keys
    return made


def _valid(metadata: "Table", keys: dict[str, str], orgs: Sequence[str]) -> dict[str, str]:
    from millrace.access.credentials import ALL_SCOPES, create_api_key
    from millrace.access.recognition import Credentials

    known = Credentials(metadata)
    for org in orgs:
        principal = known.authenticate(f"Bearer {keys.get(org, '')}")
        # An older key lacks rights that were added since.
        if principal is None or principal.org != org or not set(ALL_SCOPES) <= set(principal.scopes):
            keys[org] = create_api_key(
                metadata, org=org, name="local demo", scopes=ALL_SCOPES, expires_at=None
            )
    return keys


def _read(path: Path) -> dict[str, str]:
    try:
        keys = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return {str(org): str(key) for org, key in keys.items()} if isinstance(keys, dict) else {}


def samples(places: Places, moment: datetime) -> list[tuple[str, dict[str, Any]]]:
    """A golden sample of each shown type with the current time; one is invalid, one is sent twice.

    Returns:
        What is special about each, and the event.
    """
    fresh = [("", renewed(event, moment)) for event in _golden(places)]
    if not fresh:
        raise StepError("there are no samples below schemas/events", way_out="Is this a complete checkout?")
    broken = renewed(fresh[0][1], moment)
    del broken["data"]["payload"]
    return [*fresh, ("without its payload", broken), ("sent twice", fresh[0][1])]


def _golden(places: Places) -> Iterator[dict[str, Any]]:
    for name in SHOWN:
        for file in sorted((places.root / "schemas" / "events").glob(f"*/{name}/samples/v*.golden.json"))[
            -1:
        ]:
            yield orjson.loads(file.read_bytes())[0]


def renewed(sample: Mapping[str, Any], moment: datetime) -> dict[str, Any]:
    """A sample with a new id and the given time, also as the payload's timestamp, if it has one."""
    event = copy.deepcopy(dict(sample))
    event["eventId"], event["timestamp"] = str(uuid4()), clock.utc_text(moment)
    payload = event.get("data", {}).get("payload", {})
    if "timestamp" in payload:
        payload["timestamp"] = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return event


def send_samples(target: Target, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sends the samples in one request; the result of each.

    Raises:
        StepError: the API did not answer in time. A function's first call is slow, so this retries.
    """
    api, body = Api(target, key=target.keys[SAMPLE_ORG]), orjson.dumps(events)
    end = time.monotonic() + FIRST_TRY_SECONDS
    while True:
        answer = api.call("POST", "/v1/events", body=body)
        if isinstance(answer.document, dict) and "results" in answer.document:
            return list(answer.document["results"])
        if time.monotonic() > end:
            raise StepError(
                f"the API did not accept the sample events: {answer.status} {answer.sentence}",
                way_out=_WAY_OUT,
            )
        time.sleep(0.5)


def await_traces(target: Target, event_ids: list[str]) -> dict[str, dict[str, Any]]:
    """The trace of each event, once all are complete or half a minute has passed."""
    api, traces = Api(target, key=target.keys[SAMPLE_ORG]), dict[str, dict[str, Any]]()
    end = time.monotonic() + SETTLE_SECONDS
    waiting = list(event_ids)
    while waiting and time.monotonic() < end:
        for event_id in waiting:
            traces[event_id] = api.ask("GET", f"/v1/events/{event_id}/trace")
        waiting = [event_id for event_id in waiting if not settled(traces[event_id])]
        if waiting:
            time.sleep(0.5)
    return traces


def settled(trace: Mapping[str, Any]) -> bool:
    """Whether an event has taken every step that its contract requires."""
    return bool(trace["status"] == "complete")
