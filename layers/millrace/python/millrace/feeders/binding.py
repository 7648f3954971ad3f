"""A binding: one source that feeds intake for one tenant, in the environments that it names. One type for all kinds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millrace.core import bundle

BUS, WEBHOOK, POSTGRES = "bus", "webhook", "postgres"
SCHEMES = ("stripe", "sendgrid", "hubspot", "paypal", "standard", "hmac")


@dataclass(frozen=True, slots=True)
class BusRule:
    """Of kind `bus`: which events of which EventBridge bus.

    Attributes:
        bus: `default`, `platform`, or the name of a (partner) bus.
        source: of the events.
        detail_types: of the events; empty: all.
        event_type: of the event that a foreign `detail` becomes the payload of; None: each `detail` is an event of ours.
    """

    bus: str
    source: str
    detail_types: tuple[str, ...] = ()
    event_type: str | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Of kind `webhook`: how deliveries are verified, and what becomes of them.

    Attributes:
        scheme: of the signatures, of `SCHEMES`.
        mapping: the provider whose file says what becomes of messages; None: none does.
        event_type: without a mapping: of the event that a message becomes the payload of; None: it is kept as it comes.
        id_header: without a mapping: the header that names a delivery, in small letters.
        id_path: likewise the path in a message that names it; without either a message is named by all that it says.
        personal_data: without mapping and type: `quarantine`, a message that holds what looks like it is refused; or `keep`.
        url: that the provider calls, where it is not the gateway's own; some sign it.
        sandbox: of scheme `paypal`: PayPal's sandbox signs, and not its live system.
        header: of scheme `hmac`, and the rest likewise: as `webhooks.signatures.Hmac` has them.
    """

    scheme: str
    mapping: str | None = None
    event_type: str | None = None
    id_header: str = ""
    id_path: str = ""
    personal_data: str = "quarantine"
    url: str = ""
    sandbox: bool = False
    header: str = ""
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    timestamp_header: str = ""


@dataclass(frozen=True, slots=True)
class Postgres:
    """Of kind `postgres`: the tables of a publication, and every later change of them.

    Attributes:
        host: its name; one that begins with / is the folder of its socket, on this machine.
        port: of it.
        database: its name.
        user: who may read the tables and has the attribute REPLICATION.
        publication: which tables.
        authorities: the certificates that are trusted, as PEM; None: those of the machine.
    """

    host: str
    port: int
    database: str
    user: str
    publication: str
    authorities: str | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """A file of `schemas/sources/`.

    Attributes:
        name: its own, the same in every environment; the principal of its events.
        org: the tenant that its events are taken in for. No sender can say another.
        kind: what feeds it, `bus`, `webhook` or `postgres`; its settings are in the field of that name.
        environments: that it is deployed to.
        freshness: seconds within which it brings something; None: it may bring nothing for as long as it likes.
    """

    name: str
    org: str
    kind: str
    environments: tuple[str, ...]
    freshness: int | None = None
    bus: BusRule | None = None
    webhook: Webhook | None = None
    postgres: Postgres | None = None

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Binding":
        """As the bundle holds it."""
        bus, webhook, postgres = document.get(BUS), document.get(WEBHOOK), document.get(POSTGRES)
        return cls(
            name=document["name"],
            org=document["org"],
            kind=document["kind"],
            environments=tuple(document["environments"]),
            freshness=document.get("freshness"),
            bus=None if bus is None else BusRule(**{**bus, "detail_types": tuple(bus["detail_types"])}),
            webhook=None if webhook is None else Webhook(**webhook),
            postgres=None if postgres is None else Postgres(**postgres),
        )

    def slot(self, environment: str) -> str:
        """Of kind `postgres`: its replication slot."""
        return f"millrace_{environment}_{self.name.replace('-', '_')}"

    @property
    def encrypted(self) -> bool:
        """Of kind `postgres`: TLS is demanded, unless it is of the laptop alone."""
        return self.environments != ("local",)


def load(environment: str, folder: Path | None = None) -> tuple[Binding, ...]:
    """The bindings of an environment, by name, from the bundle in force or the one in a folder."""
    return tuple(one for one in bundle.load(_read, folder) if environment in one.environments)


def _read(folder: Path) -> tuple[Binding, ...]:
    return tuple(map(Binding.from_json, bundle.document(folder, bundle.SOURCES)))


def orgs(bindings: tuple[Binding, ...]) -> str:
    """Tenants that have a binding, and so perhaps no credential, separated by commas."""
    return ",".join(sorted({one.org for one in bindings}))
