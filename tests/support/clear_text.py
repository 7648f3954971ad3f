"""The hunt for values in clear: marked events, and a search of everything that is stored, unpacked as far as it goes."""

import base64
import binascii
import gzip
import io
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson
import pyarrow.parquet as pq
import zstandard

from millrace.contracts import columns, pointers
from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry
from millrace.contracts.schema import leaves, types
from millrace.contracts.stored_form import user_pointers
from millrace.privacy import identities, places
from tests.support.extremes import events as extremes

# In every marked value, in any case of letters.
MARKS = (b"zqx7mark", b"2001:db8:7a71")
_ENCODED = re.compile(rb"[A-Za-z0-9+/_-]{12,}={0,2}")
_DEPTH = 6


def hunted(registry: Registry) -> list[Contract]:
    """The contracts that protect something or name users by texts, which can be marked, and that clients send."""
    return [
        one
        for one in registry.contracts
        if (places.of(one) or user_pointers(one))
        and not any("integer" in types(field) for field in _fields(one, user_pointers(one)))
        and not one.derived
        and one.tenant is None
    ]


def _fields(contract: Contract, named: Collection[str]) -> list[dict[str, Any]]:
    return [field for pointer, field in leaves(contract.data_schema, "/data") if pointer in named]


def marked(contract: Contract, number: int, org: str, now: datetime) -> dict[str, Any]:
    """An event of a user with a marked id, in every place that names one, in which every protected field has a marked value of its own."""
    sent = extremes.ordinary(contract, number, org, now).event
    for pointer in user_pointers(contract):
        if pointers.read(sent, pointers.parse(pointer)) is None:
            _put(sent, pointer.split("/")[1:], user(number))
    for one in contract.users:
        for condition in one["where"]:
            column = next(part for part in columns.columns(contract) if part.name == condition["field"])
            _put(sent, str(column.pointer).split("/")[1:], condition["equals"])
    if contract.additional_properties == "allow":
        # As the doors of other producers write it into events of any type.
        _put(sent, ["data", "metadata", "anonymousId"], user(number))
        _put(sent, ["data", "metadata", "tracker", "duid"], user(number))
    event: dict[str, Any] = identities.of(contract).rewritten(sent, lambda _: user(number))
    for place, pointer in enumerate(places.of(contract).classes):
        _put(event, pointer.split("/")[1:], _value(contract, pointer, number * 100 + place))
    return event


def user(number: int) -> str:
    """Whose event it is, by its number: one of a few."""
    return f"zqx7mark_user_{number % 5}"


def refused(contract: Contract, number: int, org: str, now: datetime) -> list[bytes]:
    """Bodies that are refused, in all of which a user's marked id stands: for each kind of reason, and in each place of an event."""
    who = user(number)
    sound = {**marked(contract, number, org, now), "userId": who}
    payload, named = sound["data"]["payload"], {**sound, "timestamp": "yesterday"}
    wrong = [
        {**sound, "timestamp": "zqx7mark"},
        {**sound, "sessionId": [who], "correlationId": {"a": who}},
        {**sound, "version": "9.zqx7mark"},
        {**sound, "userId": {"id": who}},
        {**named, "eventId": who},
        {**named, "eventType": f"no.{who}"},
        {**sound, "eventType": "track:No Such", "data": {"payload": {"user_id": who}}},
        {**sound, who: who},
        {**sound, "data": orjson.dumps({"payload": payload, "user_id": who}).decode()},
        # Some contracts take any text, so something else is wrong as well.
        {**named, "data": {"payload": dict.fromkeys(payload, who)}},
        {**named, "data": {"payload": {name: [who] for name in payload}}},
        {"event_type": contract.event_type, "user_id": who},
        [{"userId": who}],
    ]
    return [*map(orjson.dumps, wrong), orjson.dumps({"userId": who, **sound})[:-20]]


def _put(event: Any, parts: list[str], value: str) -> None:
    *above, last = parts
    for part in above:
        event = event.setdefault(part, {})
    event[last] = value


def _value(contract: Contract, pointer: str, number: int) -> str:
    schema: Any = contract.data_schema
    for part in pointer.split("/")[2:]:
        schema = schema["properties"][part]
    # Before addresses of machines: `recipient` has their letters.
    if schema.get("format") in ("email", "idn-email"):
        return f"zqx7mark{number}@marked.example"
    if schema.get("format") in ("ip-address", "ipv4", "ipv6") or "ip" in pointer.rpartition("/")[2].lower():
        return f"2001:db8:7a71::{number % 65_536:x}"
    return f"zqx7mark {number}"


class Hunt:
    """Looks for marks in whatever it is given."""

    def __init__(self, registry: Registry) -> None:
        self._dictionaries = [b"", *{registry.dictionary(one.dictionary) for one in registry.contracts}]
        self.found: list[str] = []
        self.bytes = 0

    def row(self, name: str, row: Mapping[str, Any]) -> None:
        """A row of a table, in DynamoDB's form."""
        for attribute, typed in row.items():
            self._look(f"{name}.{attribute}", _bytes_of(typed), 0)

    def data(self, name: str, data: bytes) -> None:
        """An object, a message or a line of a log."""
        self._look(name, data, 0)

    def _look(self, name: str, data: bytes, depth: int) -> None:
        self.bytes += len(data)
        low = data.lower()
        if any(mark in low for mark in MARKS):
            self.found.append(f"{name}: {data[:200]!r}")
        elif depth < _DEPTH:
            for inner in self._unpacked(data):
                self._look(name, inner, depth + 1)

    def _unpacked(self, data: bytes) -> Iterator[bytes]:
        if data[:4] == b"PAR1":
            yield from map(_bytes_of, pq.read_table(io.BytesIO(data)).to_pylist())
        elif data[:4] == zstandard.FRAME_HEADER:
            for dictionary in self._dictionaries:
                chosen = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
                try:
                    yield zstandard.ZstdDecompressor(dict_data=chosen if dictionary else None).decompress(
                        data
                    )
                except zstandard.ZstdError:
                    continue
        elif data[:2] == b"\x1f\x8b":
            yield gzip.decompress(data)
        else:
            for text in _ENCODED.findall(data):
                made = text.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
                try:
                    yield binascii.a2b_base64(made + b"=" * (-len(made) % 4))
                except binascii.Error:
                    continue


def _bytes_of(value: Any) -> bytes:
    """Every text and every byte of a value, base64 where it is bytes within others."""
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, Mapping) and len(value) == 1:
        return _bytes_of(next(iter(value.values())))
    return orjson.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes | bytearray) else repr(value)
