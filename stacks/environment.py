"""The settings of each environment, and what `local` leaves out and why."""

import platform
import re
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from ipaddress import IPv4Network
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from millrace.compiler.sentences import meant
from millrace.core.settings import Environment
from millrace.eventstore import receipts
from millrace.quarantine import entry as refused
from stacks.errors import SettingsError, wrong_settings

HOURS_PER_DAY = 24
# Raw outlives every event that may still come late: a late one has its whole day rebuilt from raw. The manifest of
# what is there is kept as long.
RAW_EXPIRY_DAYS = receipts.KEPT_DAYS
LAMBDA_RUNTIME = "python3.13"
ROUTED_SOURCE = "millrace.events"
# An expression of EventBridge Scheduler.
Schedule = Annotated[str, Field(pattern=r"^(cron|rate)\([^()]+\)$")]
Days = Annotated[int, Field(ge=1)]
FUNCTIONS = Path(__file__).resolve().parents[1] / "functions"


class Omission(StrEnum):
    """A feature that an environment leaves out because its emulator does not support it."""

    EMPTYING_BUCKETS = "emptying-buckets"
    STREAM_FAILURE_DESTINATIONS = "stream-failure-destinations"
    TARGET_DEAD_LETTERS = "target-dead-letters"
    ALARMS = "alarms"
    ACCESS_LOG_BUCKET = "access-log-bucket"
    GATEWAY_ACCESS_LOGS = "gateway-access-logs"
    TRAINING_JOBS = "training-jobs"
    LAKE_FORMATION = "lake-formation"


OMISSION_REASONS: Mapping[Omission, str] = MappingProxyType(
    {
        Omission.EMPTYING_BUCKETS: (
            "The function that empties a bucket before its stack is destroyed needs a part of the AWS SDK that the "
            "emulator lacks: the deployment would wait for it for ever. `make reset` deletes the whole platform."
        ),
        Omission.STREAM_FAILURE_DESTINATIONS: (
            "The emulator retries a failed batch of a stream for ever and never sends it to an on-failure destination."
        ),
        Omission.TARGET_DEAD_LETTERS: (
            "The emulator's event bus does not support a dead-letter queue for a rule's target; the subscriber's queue has its own."
        ),
        Omission.ALARMS: (
            "The emulator records no metrics of functions that a stream or the HTTP API invokes, so no alarm could fire."
        ),
        Omission.ACCESS_LOG_BUCKET: "The emulator does not write server access logs of buckets.",
        Omission.GATEWAY_ACCESS_LOGS: "The emulator writes no access log of the HTTP API, so nothing would be handed on to the lake.",
        Omission.LAKE_FORMATION: (
            "The emulator has no Lake Formation, and its Athena reads no Iceberg table: nothing would hold readers of the lake, or "
            "credentials for BI, to their rows and columns. `millrace query` shows the same."
        ),
        Omission.TRAINING_JOBS: (
            "The emulator has no SageMaker: the state machine trains in the function `train_model`, which exists in `local` "
            "only and runs the same script under the same contract."
        ),
    }
)


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class StreamSettings(_Settings):
    """The log: provisioned shards, or as many as it takes (`shards` is None)."""

    shards: int | None = Field(default=None, ge=1)
    """Provisioned shards; None: as many as it takes."""
    retention_hours: int = Field(ge=24, le=8760)
    """How long a record can be read again."""


class LakeSettings(_Settings):
    """How long the lake keeps what in which class, in days; None keeps it."""

    raw_infrequent_days: Days | None = None
    """Until raw goes to the class for infrequent access."""
    raw_expiry_days: Days | None = None
    """Until raw is deleted."""
    tables_infrequent_days: Days | None = None
    """Until files of tables (silver and all that is made of it) go to the class for infrequent access."""
    run_expiry_days: Days = 90
    """Until documents of runs are deleted."""
    query_result_expiry_days: Days = 7
    """Until results of Athena are deleted."""
    query_file_expiry_days: Days = 1
    """Until files with results of queries are deleted."""
    quarantine_expiry_days: Annotated[int, Field(ge=1, le=refused.KEPT_DAYS)] = refused.KEPT_DAYS
    """Until bodies of refused events are deleted."""
    dead_letter_expiry_days: Days = 180
    """Until dead letters are deleted."""


class ReconcileTimes(_Settings):
    """When the stores are compared: expressions of EventBridge Scheduler, UTC."""

    hourly: Schedule = "cron(50 * * * ? *)"
    """Of the comparison of the last hours, behind the hourly run."""
    daily: Schedule = "cron(40 5 * * ? *)"
    """Of the comparison of whole days."""


class LakehouseSettings(_Settings):
    """How much the lakehouse's machines do at once, with how much memory, and when: expressions of EventBridge Scheduler, UTC."""

    max_concurrency: int = Field(default=4, ge=1, le=40)
    """Workers of one step at once; each waits on S3 most of its time. A new AWS account runs few functions at once."""
    worker_memory_mb: int = Field(default=3008, ge=1024, le=10240)
    """Of a worker. New AWS accounts get at most 3008 MB; DuckDB works within it, and spills beyond."""
    archive_wait_seconds: int = Field(default=300, ge=0, le=600)
    """How long a run waits until what was accepted before it began is archived; then it goes on, and says what is missing."""
    capture_seconds: int = Field(default=10, ge=0, le=300)
    """What DynamoDB may take to carry a row into the log, mostly less than a second: a run does not look before."""
    worker_storage_mb: int = Field(default=4608, ge=1024, le=10240)
    """Of a worker's /tmp, for what DuckDB spills."""
    query_memory_mb: int = Field(default=1769, ge=1024, le=10240)
    """Of the function that runs SQL of people; half of it is the statement's."""
    query_storage_mb: int = Field(default=4608, ge=1024, le=10240)
    """Of its /tmp, for what a query reads and what DuckDB spills."""
    query_read_mb: int = Field(default=300, ge=1)
    """What one query may read of the lake, compressed; one that would read more is refused before it reads."""
    optimizers: bool = False
    """Glue compacts tables, expires snapshots and removes orphans by itself; elsewhere the maintenance machine does."""
    lineage_url: str = Field(default="", pattern=r"^$|^https?://[^@\s]+$")
    """Of a server that takes OpenLineage over HTTP, such as Marquez; each run's events are in the lake in any case."""
    lineage_key: str = Field(default="", pattern=r"^$|^/[A-Za-z0-9_./-]{1,1000}$")
    """The name of a SecureString in Parameter Store, such as /millrace/dev/lineage-key, with the server's API key."""
    hourly: Schedule = "cron(5 * * * ? *)"
    """When new data is taken into the tables."""
    daily: Schedule = "cron(35 2 * * ? *)"
    """When features and training data are built."""
    maintenance: Schedule = "cron(20 4 * * ? *)"
    """When tables are compacted, and what they no longer need is removed."""
    seal: Schedule = "cron(50 3 * * ? *)"
    """When the day before is sealed in aggregates, behind the daily run."""
    reconcile: ReconcileTimes | None = ReconcileTimes()
    """When the stores are compared; None: only `millrace reconcile` does."""

    @model_validator(mode="after")
    def _keys_go_encrypted(self) -> Self:
        if self.lineage_key and not self.lineage_url.startswith("https://"):
            raise ValueError("lineage_key is sent to lineage_url, which therefore begins with https://")
        return self


class LearningSettings(_Settings):
    """Where models are trained, on what, and when: an expression of EventBridge Scheduler, UTC."""

    train_in: Literal["sagemaker", "lambda"] = "sagemaker"
    """A SageMaker job, or a function that runs the same script."""
    instance_type: str = Field(default="ml.m5.xlarge", pattern=r"^ml\.[a-z0-9]+\.[a-z0-9]+$")
    """The instance of the SageMaker job."""
    cores: int = Field(default=4, ge=1)
    """Cores of that instance."""
    managed_spot: bool = True
    """Spare capacity at about a third of the price; a job that it interrupts restarts within the wait."""
    longest_hours: int = Field(default=2, ge=1, le=24)
    """After which a job is ended."""
    longest_wait_hours: int = Field(default=12, ge=1, le=24)
    """With spot: the job and its waiting for capacity together."""
    max_concurrency: int = Field(default=2, ge=1, le=20)
    """Tenants that train at once; a new AWS account has few training instances."""
    weekly: Schedule = "cron(10 3 ? * SUN *)"
    """When models are trained."""
    tracking_uri: str = Field(default="", pattern=r"^$|^https?://|^arn:aws[a-z-]*:sagemaker:")
    """Where experiments are logged: an MLflow server's URL, or the ARN of a serverless MLflow App; empty: nowhere."""

    @model_validator(mode="after")
    def _waits_at_least_as_long_as_it_runs(self) -> Self:
        if self.longest_wait_hours < self.longest_hours:
            raise ValueError("longest_wait_hours holds longest_hours, so it cannot be less")
        return self


class ThrottleSettings(_Settings):
    """Requests a second that the HTTP API lets through, over all callers."""

    rate: int = Field(ge=1)
    """Requests a second, in the long run."""
    burst: int = Field(ge=1)
    """Requests at once."""


class NetworkSettings(_Settings):
    """A network for the functions: private subnets without a way to the internet, and endpoints of the services that they call."""

    zones: Literal[2, 3] = 2
    """Availability zones; each endpoint costs by the zone and hour."""
    cidr: str = "10.64.0.0/16"
    """IPv4 addresses of the network, for peering of one's own: a private range of /16 to /20."""

    @field_validator("cidr")
    @classmethod
    def _holds_a_subnet_a_zone(cls, cidr: str) -> str:
        try:
            found = IPv4Network(cidr)
        except ValueError as error:
            raise ValueError(f"{cidr} is no range of IPv4 addresses, such as 10.64.0.0/16") from error
        if not (found.is_private and 16 <= found.prefixlen <= 20):
            raise ValueError(f"{cidr} is not a private range of /16 to /20")
        return cidr


class SignInSettings(_Settings):
    """How people sign in."""

    mfa: Literal["off", "optional", "required"] = "optional"
    """Whether a code of an authenticator app is asked for besides the password."""
    domain: str = Field(default="", pattern=r"^$|^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")
    """The prefix of Cognito's own pages for signing in; empty: there are none, and the command line signs in by itself."""


class LakeReader(_Settings):
    """People of one tenant who read the lake with Athena, by one role of theirs."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,62}$")
    """Of the reader, unique in its environment."""
    org: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    """The tenant whose rows are read."""
    role: Literal["analyst", "data-engineer", "ml-engineer", "marketplace-admin"]
    """What is read of them: the columns that this role sees."""
    assumed_by: str | None = Field(
        default=None, pattern=r"^arn:aws:iam::[0-9]{12}:(?:role|user)/[A-Za-z0-9_+=,.@/-]{1,512}$"
    )
    """The role or user of IAM by which people come; None: `POST /v1/bi-credentials`."""


class BusBinding(_Settings):
    """Events of one source on one bus, taken in for one tenant.

    Without `event_type` each `detail` is an event of ours; with one, `detail` is foreign and becomes its payload.
    """

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,62}$")
    """Of the binding, unique in its environment."""
    org: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    """The tenant that the events are taken in for."""
    bus: str = Field(default="default", min_length=1)
    """`default`, `platform`, or the name of a (partner) bus."""
    source: str = Field(min_length=1)
    """The source of the events."""
    detail_types: tuple[str, ...] = ()
    """The events' detail types; empty: all."""
    event_type: str | None = None
    """Of the event that a foreign `detail` becomes the payload of."""

    @field_validator("source")
    @classmethod
    def _is_not_ours(cls, source: str) -> str:
        if source == ROUTED_SOURCE:
            raise ValueError(
                f"{ROUTED_SOURCE} is what the platform publishes: taken in again it would go round for ever"
            )
        return source


class AlertRoute(_Settings):
    """A topic of alerts: those of some severities and, if it names owners, of these."""

    name: str = Field(pattern=r"^[A-Z][A-Za-z0-9]{0,62}$")
    """Of the topic's output, `AlertTopic<name>`; unique in its environment."""
    severities: tuple[Literal["info", "warning", "critical"], ...] = Field(min_length=1)
    """Of the alerts that go there."""
    owners: tuple[str, ...] = ()
    """Whose alerts go there; empty: everybody's."""


# The canary's way in over the platform's own bus. The tenant is millrace.canary.events.ORG.
CANARY_BINDING = BusBinding(name="Canary", org="millrace-canary", bus="platform", source="millrace.canary")


class EnvironmentSettings(_Settings):
    """All that differs between environments. Names and structure do not."""

    name: Environment
    """Of the environment, as in `--env` and `ENV`."""
    runtime: str = LAMBDA_RUNTIME
    """Lambda's name of the Python that functions run on; in local that of this machine."""
    architecture: Literal["arm64", "x86_64"] = "arm64"
    """The processor that functions run on; in local that of this machine."""
    retain: bool
    """Whether tables, buckets and keys outlive their stack."""
    point_in_time_recovery: bool
    """Whether any moment of the last 35 days of a table can be restored, but of those that the lake makes again."""
    recover_events: bool = False
    """Whether any moment of `Events` can be restored, too: 0.33 dollars a million events for what the log and the lake have as well."""
    deletion_protection: bool
    """Whether the tables refuse to be deleted."""
    stream: StreamSettings
    """The log."""
    type_shards: int = Field(default=1, ge=1, le=64)
    """The keys that a tenant's events of one type are spread over: each takes 1,000 new events a second. It only ever grows, and a list by type makes a query for each."""
    archive_window_seconds: int = Field(default=5, ge=0, le=60)
    """How long the archive gathers events of a shard before it writes them: few large objects cost less than many small."""
    analyze_window_seconds: int = Field(default=3, ge=0, le=10)
    """How long new events of a shard of the table's stream are gathered before they are counted: a batch leaves a row for each tenant and minute, and its events are not seen before."""
    lake: LakeSettings
    """The lake's lifecycle."""
    audit_lock_years: int | None = Field(default=None, ge=1, le=100)
    """For how long nobody can change or delete an anchor of the audit (Object Lock in compliance mode), in a bucket of its own that cannot be removed for as long; None: anchors are in the lake."""
    throttle: ThrottleSettings
    """What the HTTP API lets through."""
    rate_limit_url: str = Field(default="", pattern=r"^$|^(valkey|valkeys|redis|rediss)://[^@\s]+$")
    """Of a Valkey server that counts the calls of each tenant and credential for all functions, which must reach it, such as `rediss://rates.example:6379`; empty: each warm function counts for itself."""
    network: NetworkSettings | None = None
    """A network of their own for the functions; None: they are in none, and reach services at their public addresses, over TLS."""
    sign_in: SignInSettings = SignInSettings()
    """How people sign in."""
    lakehouse: LakehouseSettings = LakehouseSettings()
    """Runs of the pipeline."""
    learning: LearningSettings = LearningSettings()
    """Training."""
    log_retention_days: Literal[7, 14, 30, 60, 90, 180, 365, 731]
    """How long logs of functions are kept."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """From which level on functions log."""
    alarms: bool
    """Whether alarms are deployed."""
    alarm_contacts: tuple[str, ...] = ()
    """Where alarms are sent: e-mail addresses and https addresses, each of which has to confirm once."""
    alert_routes: tuple[AlertRoute, ...] = (
        AlertRoute(name="Critical", severities=("critical",)),
        AlertRoute(name="Warning", severities=("warning",)),
    )
    """Topics of alerts; an alert goes to each that it fits."""
    bus_bindings: tuple[BusBinding, ...] = (CANARY_BINDING,)
    """Rules that feed events of an EventBridge bus to intake."""
    lake_readers: tuple[LakeReader, ...] = ()
    """Roles of IAM that read the lake with Athena, each the rows of one tenant in the columns of one role. Their tables have to exist."""
    canary: Schedule | None = None
    """When the canary is sent, in EventBridge Scheduler's syntax; None: only `millrace doctor` sends one."""
    reserved_concurrency: Mapping[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """Function → executions that are reserved for it. New accounts have few to give away, so nothing is reserved unless it stands here."""
    features_budget_ms: int | None = Field(default=None, ge=1)
    """How long fraud waits for a user's sets before it decides without them; None: as its function has it."""
    model_budget_ms: int | None = Field(default=None, ge=1)
    """How long it waits for a champion that has to be loaded; None: as its function has it."""
    fraud_fan_out: bool = False
    """Fraud reads each shard on a line of its own, pushed to it; without, it shares the shard's reads with the others."""
    omissions: frozenset[Omission] = frozenset()
    """What the environment leaves out because its emulator lacks it."""

    @field_validator("alarm_contacts")
    @classmethod
    def _are_addresses(cls, contacts: tuple[str, ...]) -> tuple[str, ...]:
        for contact in contacts:
            if not re.fullmatch(r"https://\S+|[^@\s]+@[^@\s]+\.[^@\s]+", contact):
                raise ValueError(f"{contact} is neither an e-mail address nor an https address")
        return contacts

    @field_validator("bus_bindings", "alert_routes", "lake_readers")
    @classmethod
    def _are_called_apart(
        cls, named: tuple[BusBinding | AlertRoute | LakeReader, ...], info: ValidationInfo
    ) -> tuple[BusBinding | AlertRoute | LakeReader, ...]:
        names = [one.name for one in named]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            what = str(info.field_name).rpartition("_")[2]
            raise ValueError(f"two {what} are called {twice[0]}; each has a name of its own")
        return named

    @field_validator("reserved_concurrency")
    @classmethod
    def _is_of_functions(cls, reserved: Mapping[str, int]) -> Mapping[str, int]:
        known = sorted(path.parent.name for path in FUNCTIONS.glob("*/handler.py"))
        for name in reserved:
            if name not in known:
                raise ValueError(f"no function is called {name}{meant(name, known)}")
        return reserved

    @model_validator(mode="after")
    def _local_has_no_network(self) -> Self:
        if self.network is not None and self.name == "local":
            raise ValueError("the emulator has no networks, so local cannot have `network`")
        return self

    def fraud_budgets(self) -> dict[str, str]:
        """Budgets of the functions that decide on fraud, where they differ from what these say themselves."""
        budgets = {"features_budget_ms": self.features_budget_ms, "model_budget_ms": self.model_budget_ms}
        return {name: str(value) for name, value in budgets.items() if value is not None}

    @property
    def bound_orgs(self) -> str:
        """Tenants that have a binding of a bus, and so perhaps no credential, separated by commas."""
        return ",".join(sorted({binding.org for binding in self.bus_bindings}))

    def omits(self, what: Omission) -> bool:
        """Whether this environment leaves something out; `OMISSION_REASONS` has the reason."""
        return what in self.omissions


def _local() -> EnvironmentSettings:
    return EnvironmentSettings(
        name="local",
        # The emulator runs a function on its own interpreter, which is the one that runs this.
        runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        architecture="arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64",
        retain=False,
        point_in_time_recovery=False,
        deletion_protection=False,
        stream=StreamSettings(shards=1, retention_hours=HOURS_PER_DAY),
        # Someone sits before it and waits; storage is free.
        archive_window_seconds=0,
        analyze_window_seconds=0,
        lake=LakeSettings(raw_expiry_days=RAW_EXPIRY_DAYS),
        throttle=ThrottleSettings(rate=1000, burst=2000),
        lakehouse=LakehouseSettings(
            max_concurrency=2,
            reconcile=None,
            archive_wait_seconds=120,
            # The emulator carries a row within its write.
            capture_seconds=0,
        ),
        learning=LearningSettings(train_in="lambda", max_concurrency=1, tracking_uri="http://127.0.0.1:5500"),
        log_retention_days=7,
        alarms=False,
        # Everything local shares one machine with everything else on it: a slow moment is not a failing store.
        features_budget_ms=10_000,
        model_budget_ms=10_000,
        bus_bindings=(
            CANARY_BINDING,
            BusBinding(name="PlatformBus", org="org_acme", bus="platform", source="millrace.intake"),
            BusBinding(
                name="Webhooks",
                org="org_globex",
                source="demo.webhooks",
                event_type="integration.webhook.received",
            ),
        ),
        omissions=frozenset(Omission),
    )


def _dev() -> EnvironmentSettings:
    return EnvironmentSettings(
        name="dev",
        canary="rate(15 minutes)",
        retain=False,
        point_in_time_recovery=False,
        deletion_protection=False,
        stream=StreamSettings(shards=1, retention_hours=HOURS_PER_DAY),
        lake=LakeSettings(raw_expiry_days=RAW_EXPIRY_DAYS),
        throttle=ThrottleSettings(rate=50, burst=100),
        log_retention_days=7,
        alarms=False,
    )


def _staging() -> EnvironmentSettings:
    return EnvironmentSettings(
        name="staging",
        canary="rate(15 minutes)",
        retain=False,
        point_in_time_recovery=True,
        deletion_protection=False,
        stream=StreamSettings(shards=1, retention_hours=3 * HOURS_PER_DAY),
        type_shards=4,
        lake=LakeSettings(raw_infrequent_days=30, raw_expiry_days=RAW_EXPIRY_DAYS),
        throttle=ThrottleSettings(rate=500, burst=1000),
        log_retention_days=30,
        alarms=True,
    )


def _prod() -> EnvironmentSettings:
    return EnvironmentSettings(
        name="prod",
        canary="rate(5 minutes)",
        retain=True,
        point_in_time_recovery=True,
        deletion_protection=True,
        stream=StreamSettings(shards=2, retention_hours=7 * HOURS_PER_DAY),
        type_shards=4,
        lake=LakeSettings(raw_infrequent_days=90, tables_infrequent_days=90),
        audit_lock_years=7,
        lakehouse=LakehouseSettings(optimizers=True),
        throttle=ThrottleSettings(rate=2000, burst=4000),
        sign_in=SignInSettings(mfa="required"),
        log_retention_days=365,
        alarms=True,
        fraud_fan_out=True,
    )


def _made(settings: Callable[[], EnvironmentSettings]) -> EnvironmentSettings:
    try:
        return settings()
    except ValidationError as error:
        raise wrong_settings(error, EnvironmentSettings) from error


# What `local` has of the machine that it runs on.
OF_THIS_MACHINE = frozenset({"runtime", "architecture"})
ENVIRONMENTS: Mapping[str, EnvironmentSettings] = MappingProxyType(
    {settings.name: settings for settings in map(_made, (_local, _dev, _staging, _prod))}
)


def environment_named(name: str, *, alarm_contacts: str = "") -> EnvironmentSettings:
    """The settings of an environment.

    Args:
        name: of the environment.
        alarm_contacts: where its alarms are sent besides the addresses in its settings, separated by commas.

    Raises:
        SettingsError: there is no environment of that name, or a contact is not an address.
    """
    if name not in ENVIRONMENTS:
        listed = ", ".join(ENVIRONMENTS)
        raise SettingsError(f"-c env={name}: there are {listed}{meant(name, ENVIRONMENTS)}")
    settings = ENVIRONMENTS[name]
    added = [contact.strip() for contact in alarm_contacts.split(",") if contact.strip()]
    contacts = tuple(dict.fromkeys((*settings.alarm_contacts, *added)))
    try:
        return EnvironmentSettings.model_validate({**dict(settings), "alarm_contacts": contacts})
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise SettingsError(f"-c alarm-contacts={alarm_contacts} (ALARM_CONTACTS): {said}") from error


def to_deploy(name: str, *, alarm_contacts: str = "") -> EnvironmentSettings:
    """The settings of an environment that can be deployed.

    Raises:
        SettingsError: as `environment_named` does, or the environment is prod and its alarms would reach nobody.
    """
    settings = environment_named(name, alarm_contacts=alarm_contacts)
    if name == "prod" and not settings.alarm_contacts:
        raise SettingsError(
            "the alarms of prod would reach nobody: name an e-mail or https address with "
            "`make deploy ENV=prod ALARM_CONTACTS=oncall@example.com` (-c alarm-contacts=…), or in _prod of stacks/environment.py"
        )
    return settings
