"""What a function uses of the platform's resources, declared in its settings: its variables and its rights follow from that.

    class Settings(FunctionSettings):
        events_table: str = uses(EVENTS, "put")
        user_events_table: str = uses(USER_EVENTS, "get", query=("sessionId-timestamp-index",))
        lake_bucket: str = uses(LAKE, "list", read=(RAW, RUNS), write=(RUNS,))

The stack fills each of these variables with the resource's name and gives the function's role these rights. A verb by itself
is about the whole resource; a keyword names the parts that its verb is about: indexes of a table, prefixes of the lake, layers
of the catalog. `stacks/constructs/grants.py` has the IAM actions of each verb.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

# Under this name a field's metadata has what it declares.
USES = "uses"
Kind = Literal["table", "bucket", "stream", "bus", "key", "queue", "machine", "catalog", "pool", "secret"]


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that the platform deploys, by a name that is unique within its kind."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Use:
    """A verb on a resource, or on one part of it; `part` is empty for the whole."""

    resource: Resource
    verb: str
    part: str = ""


# What the storage stack deploys.
EVENTS = Resource("table", "Events")
USER_EVENTS = Resource("table", "UserEvents")
ANALYTICS = Resource("table", "Analytics")
METADATA = Resource("table", "Metadata")
MODELS_TABLE = Resource("table", "MLModels")
FEATURE_STORE = Resource("table", "FeatureStore")
SUBJECT_KEYS = Resource("table", "SubjectKeys")
LAKE = Resource("bucket", "Lake")
# The lake, or a bucket of its own where its objects are locked.
AUDIT = Resource("bucket", "Audit")
LOG = Resource("stream", "EventLog")
BUS = Resource("bus", "Bus")
TENANT_KEY = Resource("key", "TenantKey")
# Asymmetric: it signs certificates.
SIGNING_KEY = Resource("key", "SigningKey")
CATALOG = Resource("catalog", "Glue")
# Found by what their names begin with: `millrace sources secret` makes them.
SOURCE_SECRETS = Resource("secret", "Sources")
# What the access stack deploys.
USER_POOL = Resource("pool", "Users")


def rights(resource: Resource, *verbs: str, **parts: Iterable[str]) -> tuple[Use, ...]:
    """Uses without a variable, of a resource that is found without one, as the catalog is by the environment's name."""
    return (
        *(Use(resource, verb) for verb in verbs),
        *(Use(resource, verb, part) for verb, several in parts.items() for part in several),
    )


def uses(resource: Resource, *verbs: str, **parts: Iterable[str]) -> Any:
    """A field of a function's settings that names a resource, and what the function does with it."""
    declared: Any = field(metadata={USES: rights(resource, *verbs, **parts)})
    return declared
