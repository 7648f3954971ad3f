"""From `schemas/sources/*.yaml` to bindings (`feeders/binding.py`). Build only."""

import ssl
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from millrace.compiler.definitions import Definitions
from millrace.compiler.sentences import meant
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.core.settings import Environment
from millrace.feeders.binding import BUS, POSTGRES, WEBHOOK
from millrace.webhooks.signatures import STANDARD_ID

FOLDER = "sources"
# What the platform publishes: taken in again it would go round for ever. `routing.route` puts it on the bus.
ROUTED_SOURCE = "millrace.events"
_MEANINGS = {
    "name": "a source is called in small letters, digits and -, such as shop-orders",
    "freshness": "a time is a number with m, h or d, such as 6h",
    "org": "a tenant is in small letters, such as org_acme",
    "publication": "a publication is called in small letters, digits and _, such as millrace",
}


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True
    )


class BusSource(_Strict):
    """Of kind `bus`: a rule of EventBridge brings the events."""

    bus: str = Field("default", min_length=1, max_length=256)
    """`default`, `platform`, or the name of a (partner) bus."""
    source: str = Field(min_length=1, max_length=256)
    """The source of the events."""
    detail_types: list[str] = Field([], alias="detailTypes", max_length=50)
    """The events' detail types; empty: all."""
    event_type: str | None = Field(None, alias="eventType")
    """Of the event that a foreign `detail` becomes the payload of; without it each `detail` is an event of ours."""


class HmacSource(_Strict):
    """How a header is signed, for scheme `hmac`."""

    header: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")]
    """That has the signature, in small letters."""
    algorithm: Literal["sha256", "sha384", "sha512"] = "sha256"
    """Of the hash."""
    encoding: Literal["hex", "base64"] = "hex"
    """Of the signature."""
    prefix: str = Field("", max_length=20)
    """Before the signature, such as `sha256=`."""
    timestamp_header: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")] | None = Field(
        None, alias="timestampHeader"
    )
    """That has the seconds since 1970, signed before the body with a full stop between; without it a delivery is good for ever."""


class WebhookSource(_Strict):
    """Of kind `webhook`: a provider calls `POST /v1/webhooks/<name>`. Its secret is set by `millrace sources secret`."""

    scheme: Literal["stripe", "sendgrid", "hubspot", "paypal", "standard", "hmac"]
    """How deliveries are signed."""
    mapping: str | None = None
    """The file of `schemas/webhooks/` that says what becomes of messages."""
    event_type: str | None = Field(None, alias="eventType")
    """Without a mapping: of the event that a message becomes the payload of; without it a message is kept as it comes."""
    id_header: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")] | None = Field(
        None, alias="idHeader"
    )
    """Without a mapping: the header that names a delivery; `webhook-id` of scheme `standard`."""
    id_path: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")] | None = Field(
        None, alias="idPath"
    )
    """Without a mapping: the path in a message that names it. Without either a message is named by all that it says."""
    personal_data: Literal["quarantine", "keep"] = Field("quarantine", alias="personalData")
    """Of messages that are kept as they come: one that holds what looks like an address, a card or the like is refused, or kept in clear."""
    url: Annotated[str, Field(pattern=r"^https://[^\s]+$")] | None = None
    """That the provider calls, where it is not the gateway's own: HubSpot signs it."""
    sandbox: bool = False
    """Of scheme `paypal`: PayPal's sandbox signs, and not its live system."""
    hmac: HmacSource | None = None
    """Of scheme `hmac`."""


class PostgresSource(_Strict):
    """Of kind `postgres`: the tables of a publication of a PostgreSQL database, 15 or later, and every change of them."""

    host: str = Field(min_length=1, max_length=255)
    """Its name, which its certificate must have."""
    port: int = Field(5432, ge=1, le=65535)
    """Of the server."""
    database: str = Field(min_length=1, max_length=63)
    """Its name."""
    user: str = Field(min_length=1, max_length=63)
    """Who may read the tables, and has the attribute REPLICATION."""
    publication: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] = "millrace"
    """Which tables: `CREATE PUBLICATION … FOR TABLE …`."""
    authorities: str | None = Field(None, max_length=200_000)
    """The certificates that are trusted, as PEM, such as those of the region for RDS; without them those of the machine."""


class SourceDefinition(_Strict):
    """A file: one source that feeds intake for one tenant. What is of its kind stands in the setting of that name."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    """Of the source, and of its file; the `eventSource` of its events that have none."""
    description: str = Field(min_length=1, max_length=500)
    """What it brings, in a sentence."""
    org: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    """The tenant that its events are taken in for."""
    environments: list[Environment] = Field(min_length=1)
    """That it is deployed to. A tenant that is in `dev` only has a source of its own, whose only environment is `dev`."""
    freshness: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}[mhd]$")] | None = None
    """How long it may bring nothing, such as `90m`, `6h` or `2d`, 10 minutes to 30 days: longer is an alarm. Without it, for ever."""
    kind: Literal["bus", "webhook", "postgres"]
    """What feeds it."""
    bus: BusSource | None = None
    """Of kind `bus`."""
    webhook: WebhookSource | None = None
    """Of kind `webhook`."""
    postgres: PostgresSource | None = None
    """Of kind `postgres`."""


DEFINITIONS = Definitions(FOLDER, "source", SourceDefinition, _MEANINGS)
KINDS = (BUS, WEBHOOK, POSTGRES)
# A slot is called millrace_<environment>_<name>, and PostgreSQL's names have 63 bytes.
LONGEST_NAME_OF_SLOT = 46
# Counts are written within a minute, and kept for 35 days.
SHORTEST_FRESHNESS, LONGEST_FRESHNESS = 600, 30 * 86400


def compile_sources(
    schemas_dir: Path, contracts: Iterable[Contract], providers: Iterable[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Every source by name, as `Binding.from_json` takes it.

    Args:
        schemas_dir: the folder with `sources/`.
        contracts: of the events that sources may bring.
        providers: what webhooks may be mapped by, as the bundle holds them.

    Raises:
        ContractError: with every problem of every file.
    """
    types = sorted({contract.event_type for contract in contracts if not contract.derived})
    mappings = sorted(one["name"] for one in providers)
    read, problems = DEFINITIONS.read(schemas_dir)
    problems += [
        ContractProblem(file, *problem)
        for file, one in read.items()
        for problem in _problems(one, types, mappings)
    ]
    if problems:
        raise ContractError(problems)
    return [compiled(one) for one in read.values()]


def compiled(one: SourceDefinition) -> dict[str, Any]:
    """A source as `Binding.from_json` takes it."""
    document = one.model_dump(exclude={"description"}, exclude_none=True)
    if one.freshness is not None:
        document["freshness"] = _seconds(one.freshness)
    if one.webhook is not None:
        webhook = document[WEBHOOK]
        webhook |= webhook.pop("hmac", {})
        if one.webhook.scheme == "standard" and not one.webhook.mapping and not one.webhook.id_path:
            webhook.setdefault("id_header", STANDARD_ID)
    return document


def _seconds(text: str) -> int:
    return int(text[:-1]) * {"m": 60, "h": 3600, "d": 86400}[text[-1]]


def _problems(one: SourceDefinition, types: list[str], mappings: list[str]) -> Iterator[tuple[str, str]]:
    for kind in KINDS:
        given = getattr(one, kind) is not None
        if kind == one.kind and not given:
            yield "/kind", f"a source of kind {kind} has its settings below `{kind}:`"
        elif kind != one.kind and given:
            yield f"/{kind}", f"a source of kind {one.kind} has no such settings"
    if len(set(one.environments)) < len(one.environments):
        yield "/environments", "an environment stands here twice"
    if one.freshness is not None and not SHORTEST_FRESHNESS <= _seconds(one.freshness) <= LONGEST_FRESHNESS:
        yield "/freshness", "a source is late after 10 minutes at least, and after 30 days at most"
    if one.bus is not None:
        yield from _bus_problems(one.bus, types)
    if one.webhook is not None:
        yield from _webhook_problems(one.webhook, types, mappings)
    if one.postgres is not None:
        yield from _authorities_problems(one.postgres.authorities)
    if one.postgres is not None and len(one.name) > LONGEST_NAME_OF_SLOT:
        yield (
            "/name",
            f"a source of kind postgres has a name of at most {LONGEST_NAME_OF_SLOT} characters, for its slot has it too",
        )


def _authorities_problems(given: str | None) -> Iterator[tuple[str, str]]:
    if given is None:
        return
    try:
        known = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        known.load_verify_locations(cadata=given)
    except ssl.SSLError:
        yield "/postgres/authorities", "certificates stand here as PEM: -----BEGIN CERTIFICATE----- …"


def _bus_problems(bus: BusSource, types: list[str]) -> Iterator[tuple[str, str]]:
    if bus.source == ROUTED_SOURCE:
        yield (
            "/bus/source",
            f"{ROUTED_SOURCE} is what the platform publishes: taken in again it would go round for ever",
        )
    yield from _type_problems("/bus/eventType", bus.event_type, types)


def _webhook_problems(
    webhook: WebhookSource, types: list[str], mappings: list[str]
) -> Iterator[tuple[str, str]]:
    yield from _type_problems("/webhook/eventType", webhook.event_type, types)
    if webhook.mapping is not None and webhook.mapping not in mappings:
        sentence = f"there is no schemas/webhooks/{webhook.mapping}.yaml{meant(webhook.mapping, mappings)}"
        yield "/webhook/mapping", sentence
    for name in ("event_type", "id_header", "id_path"):
        if webhook.mapping is not None and getattr(webhook, name) is not None:
            alias = WebhookSource.model_fields[name].alias
            yield f"/webhook/{alias}", "a mapping says it already: take one of the two out"
    if webhook.personal_data == "keep" and (webhook.mapping is not None or webhook.event_type is not None):
        yield (
            "/webhook/personalData",
            "a mapping, or the contract of the type, says what is kept: take it out",
        )
    if webhook.id_header is not None and webhook.id_path is not None:
        yield "/webhook/idPath", "a message is named by a header or by a path in it, not both"
    if webhook.sandbox and webhook.scheme != "paypal":
        yield "/webhook/sandbox", "only PayPal signs otherwise in its sandbox: take it out"
    if (webhook.scheme == "hmac") != (webhook.hmac is not None):
        yield "/webhook/hmac", "scheme hmac has its header below `hmac:`, and no other scheme has"


def _type_problems(place: str, given: str | None, types: list[str]) -> Iterator[tuple[str, str]]:
    if given is not None and given not in types:
        yield place, f"{given} is not a type that a client may send{meant(given, types)}"
