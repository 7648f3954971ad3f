"""A compiled contract, as the bundle holds it and the functions use it."""

import re
from dataclasses import asdict, dataclass, field
from typing import Any

from millrace.contracts.retirement import Retirement

VERSION = re.compile(r"([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?")

CATEGORIES = ("user-events", "business-events", "system-events", "integration-events", "ml-events")
STORES = ("table", "none")
# What an `eventId` may be: a UUID of version 4, or any text of up to 128 characters, for producers that choose their own.
IDS = ("uuid4", "any")
# `type`, `user`, `correlation` and `entity` are indexes of Events; `session` and `userType` (by type) of UserEvents.
INDEXES = ("type", "user", "correlation", "session", "entity", "userType")
# Facts of a request that intake writes into metadata where a contract asks for them.
FACTS = ("userAgent", "clientAddress")
FACT_LENGTH = 512
# How the names of the platform's own sources begin; no client has one.
RESERVED_NAMES = "millrace."
# What names something is part of a key. DynamoDB's have 2,048 bytes, a character takes up to four of them, and a tenant
# and a name stand before it.
KEY_LENGTH = 480
# Fields that a contract does not declare are kept, refused with their event, or taken out of it.
ADDITIONAL_PROPERTIES = ("allow", "reject", "drop")
# What becomes of an event with personal data in a field that is not protected: its field is named in the catalog, or it is refused.
PERSONAL_DATA = ("flag", "quarantine")
CLASSES = ("public", "internal", "confidential", "restricted")
# Classes that `protect` tokenises or encrypts.
PROTECTED = frozenset({"confidential", "restricted"})


@dataclass(frozen=True, slots=True)
class Contract:
    """One event type in one major version.

    Attributes:
        event_type: such as `order.created`.
        version: full version of the contract, such as `1.2.0`.
        category: one of `CATEGORIES`.
        store: `table`, or `none`: straight to the log.
        indexes: access paths the type pays for, of `INDEXES`.
        entity: name of an entity → pointer of its id.
        route: whether events go to the bus.
        subject: pointer of the person the event is about.
        user_id_pointer: where an absent envelope `userId` is filled from.
        users: further pointers of users' ids, besides `subject` and the user's: `{pointer, where}` each, where `where` is a list of
            conditions (`millrace.contracts.conditions`) under which a user's id stands there; an empty one is always met.
        not_users: pointers of fields that are called like users' ids and are none. Only the lint reads it.
        partition_key: pointer of the log's partition key; for `store: none` only. No code reads it yet: the log is spread
            by the event's id.
        additional_properties: what becomes of fields that it does not declare, of `ADDITIONAL_PROPERTIES`.
        lateness_seconds: how old an event may be on receipt and still enter stream windows. No code reads it yet: the windows will.
        retention_days: how long its row lives.
        data_schema: JSON Schema 2020-12 of `data`.
        rules: cross-field rules, as `millrace.contracts.rules` reads them.
        enrich: fact of the request, of `FACTS` → pointer in metadata that it fills where the client sent nothing.
        dictionary: name of the zstd dictionary for new rows; empty where none has been made yet.
        description: what the event means, for people.
        classification: pointer (`*` for array items) → class, for every leaf.
        silver: columns that silver derives, as `millrace.contracts.derived` reads them.
        derived: whether only the platform makes these events; every feeder is refused one.
        tenant: the one tenant that may send them nevertheless.
        ids: what an event's id may be, of `IDS`.
        since: pointer → minor since which the contract has the field, where that is not its first: a row that was accepted
            under an older one may hold anything there.
        retirement: the announced end of this major.
        consumers: who reads its events, as they have declared themselves: name and contact.
        up_converter: how rows of an older major, `from`, become rows of this one: `fields` from pointer to what each is made
            of, as `millrace.compiler.up_converters` reads them; empty where only this major feeds its table.
        consent: what needs which purpose, and what becomes of an event without it: `{purpose, without, fields}` each, as
            `millrace.privacy.consent` reads them.
        personal_data: one of `PERSONAL_DATA`.
        personal_data_except: pointers of fields that hold personal data on purpose, and are not searched.
    """

    event_type: str
    version: str
    category: str
    store: str
    indexes: frozenset[str]
    entity: dict[str, str]
    route: bool
    subject: str | None
    user_id_pointer: str | None
    partition_key: str | None
    additional_properties: str
    lateness_seconds: int
    retention_days: int
    data_schema: dict[str, Any]
    rules: tuple[dict[str, Any], ...]
    enrich: dict[str, str]
    dictionary: str
    description: str
    classification: dict[str, str]
    silver: tuple[dict[str, Any], ...] = ()
    derived: bool = False
    tenant: str | None = None
    ids: str = "uuid4"
    since: dict[str, int] = field(default_factory=dict)
    retirement: Retirement | None = None
    consumers: tuple[dict[str, str], ...] = ()
    up_converter: dict[str, Any] = field(default_factory=dict)
    personal_data: str = "flag"
    personal_data_except: tuple[str, ...] = ()
    consent: tuple[dict[str, Any], ...] = ()
    users: tuple[dict[str, Any], ...] = ()
    not_users: tuple[str, ...] = ()

    @property
    def major(self) -> int:
        """The major version, which decides what is valid."""
        return int(self.version.split(".", 1)[0])

    @property
    def minor(self) -> int:
        """The minor version: a client that names a newer one may send fields that we do not know."""
        return int(self.version.split(".")[1])

    @property
    def ref(self) -> str:
        """`order.created/1.2.0`, as `platform.contract` carries it."""
        return f"{self.event_type}/{self.version}"

    @property
    def name(self) -> str:
        """`order.created.v1`: the type and major, which name files and tables."""
        return f"{self.event_type}.v{self.major}"

    def to_json(self) -> dict[str, Any]:
        """The form in the bundle."""
        return {
            **asdict(self),
            "indexes": sorted(self.indexes),
            "rules": list(self.rules),
            "silver": list(self.silver),
            "retirement": self.retirement.to_json() if self.retirement is not None else None,
            "consumers": list(self.consumers),
            "personal_data_except": list(self.personal_data_except),
            "consent": list(self.consent),
            "users": list(self.users),
            "not_users": list(self.not_users),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Contract":
        """Reads what `to_json` wrote."""
        retirement = document.get("retirement")
        return cls(
            **{
                **document,
                "indexes": frozenset(document["indexes"]),
                "rules": tuple(document["rules"]),
                "silver": tuple(document.get("silver", ())),
                "retirement": Retirement.from_json(retirement) if retirement is not None else None,
                "consumers": tuple(document.get("consumers", ())),
                "personal_data_except": tuple(document.get("personal_data_except", ())),
                "consent": tuple(document.get("consent", ())),
                "users": tuple(document.get("users", ())),
                "not_users": tuple(document.get("not_users", ())),
            }
        )
