"""The parts of an environment's settings: the log, the lake, its runs, training, the API, the network, people."""

from ipaddress import IPv4Network
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from millrace.quarantine import entry as refused

# An expression of EventBridge Scheduler.
Schedule = Annotated[str, Field(pattern=r"^(cron|rate)\([^()]+\)$")]
Days = Annotated[int, Field(ge=1)]


class Part(BaseModel):
    """What every part has: nothing changes it, and its docstrings are the reference's."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class StreamSettings(Part):
    """The log: provisioned shards, or as many as it takes (`shards` is None)."""

    shards: int | None = Field(default=None, ge=1)
    """Provisioned shards; None: as many as it takes."""
    retention_hours: int = Field(ge=24, le=8760)
    """How long a record can be read again."""


class LakeSettings(Part):
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


class ReconcileTimes(Part):
    """When the stores are compared: expressions of EventBridge Scheduler, UTC."""

    hourly: Schedule = "cron(50 * * * ? *)"
    """Of the comparison of the last hours, behind the hourly run."""
    daily: Schedule = "cron(40 5 * * ? *)"
    """Of the comparison of whole days."""


class LakehouseSettings(Part):
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


class LearningSettings(Part):
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


class ThrottleSettings(Part):
    """Requests a second that the HTTP API lets through, over all callers."""

    rate: int = Field(ge=1)
    """Requests a second, in the long run."""
    burst: int = Field(ge=1)
    """Requests at once."""


class NetworkSettings(Part):
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


class DatabaseNetwork(Part):
    """Where databases are: a VPC with subnets from which they, and the services of AWS that the function calls, can be reached."""

    vpc: str = Field(pattern=r"^vpc-[0-9a-f]{8,17}$")
    """Its id."""
    subnets: tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")], ...] = Field(min_length=1)
    """Private subnets of it, with a NAT gateway or with endpoints of S3, DynamoDB, KMS, Kinesis and Secrets Manager."""
    security_groups: tuple[Annotated[str, Field(pattern=r"^sg-[0-9a-f]{8,17}$")], ...] = Field(min_length=1)
    """Of the function; the databases let them in, and they let out to the databases and to port 443."""


class SignInSettings(Part):
    """How people sign in."""

    mfa: Literal["off", "optional", "required"] = "optional"
    """Whether a code of an authenticator app is asked for besides the password."""
    domain: str = Field(default="", pattern=r"^$|^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")
    """The prefix of Cognito's own pages for signing in; empty: there are none, and the command line signs in by itself."""


class LakeReader(Part):
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


class AlertRoute(Part):
    """A topic of alerts: those of some severities and, if it names owners, of these."""

    name: str = Field(pattern=r"^[A-Z][A-Za-z0-9]{0,62}$")
    """Of the topic's output, `AlertTopic<name>`; unique in its environment."""
    severities: tuple[Literal["info", "warning", "critical"], ...] = Field(min_length=1)
    """Of the alerts that go there."""
    owners: tuple[str, ...] = ()
    """Whose alerts go there; empty: everybody's."""
