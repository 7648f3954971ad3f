"""State: the keys, the tables, the lake, the log and the bus. Everything else can be made again from these."""

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct
from pynamodb.models import Model

from millrace.eventstore import tables
from stacks.constructs.lake import Lake
from stacks.constructs.log_alarms import LogAlarms
from stacks.constructs.tables import ModelTable
from stacks.constructs.waivers import waive
from stacks.environment import EnvironmentSettings

# Why a table has no recovery to a point in time although its environment has.
ERASED = "Erasure deletes a person's key from this table for good, so no backup may bring it back."
DERIVED = "Every row is made from an event, and `millrace rebuild` makes the table again from the lake."


class StorageStack(Stack):
    """What holds data, apart from what computes, so that the one can be replaced without the other."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: EnvironmentSettings) -> None:
        super().__init__(scope, construct_id, termination_protection=settings.deletion_protection)
        self.settings = settings
        self.data_key = self._key("DataKey", "Encrypts Millrace's tables, lake and log.")
        self._let_the_bus_publish()
        self.tenant_key = self._key("TenantKey", "Wraps the keys of Millrace's tenants.")
        self.alarms = self._alarm_topic() if settings.alarms else None
        self.stream = self._stream()
        self.events = self._table(
            tables.Events, stream=dynamodb.StreamViewType.NEW_IMAGE, capture_into=self.stream
        )
        self.user_events = self._table(tables.UserEvents, without_backup=DERIVED)
        self.analytics = self._table(tables.Analytics)
        self.metadata = self._table(tables.Metadata)
        self.models = self._table(tables.MLModels)
        self.features = self._table(tables.FeatureStore)
        self.subject_keys = self._table(tables.SubjectKeys, without_backup=ERASED)
        self.lake = Lake(self, "Lake", settings=settings, key=self.data_key).bucket
        self.bus = events.EventBus(self, "Bus", event_bus_name=f"millrace-{settings.name}")
        if self.alarms is not None:
            LogAlarms(
                self,
                "Log",
                table=self.events.table,
                stream=self.stream,
                shards=settings.stream.shards,
                topic=self.alarms,
            )
        self._outputs()

    def _key(self, construct_id: str, description: str) -> kms.Key:
        return kms.Key(
            self,
            construct_id,
            description=description,
            enable_key_rotation=True,
            pending_window=Duration.days(30 if self.settings.retain else 7),
            removal_policy=RemovalPolicy.RETAIN if self.settings.retain else RemovalPolicy.DESTROY,
        )

    def _table(
        self,
        model: type[Model],
        *,
        without_backup: str | None = None,
        stream: dynamodb.StreamViewType | None = None,
        capture_into: kinesis.IStream | None = None,
    ) -> ModelTable:
        return ModelTable(
            self,
            model.__name__,
            model=model,
            settings=self.settings,
            key=self.data_key,
            without_backup=without_backup,
            stream=stream,
            capture_into=capture_into,
        )

    def _stream(self) -> kinesis.Stream:
        stream = self.settings.stream
        log = kinesis.Stream(
            self,
            "EventLog",
            stream_mode=kinesis.StreamMode.ON_DEMAND
            if stream.shards is None
            else kinesis.StreamMode.PROVISIONED,
            shard_count=stream.shards,
            retention_period=Duration.hours(stream.retention_hours),
            encryption=kinesis.StreamEncryption.KMS,
            encryption_key=self.data_key,
            removal_policy=RemovalPolicy.RETAIN if self.settings.retain else RemovalPolicy.DESTROY,
        )
        waive(
            log,
            "KDS3",
            "The log carries whole events of every tenant, so it is under the same key as their tables.",
        )
        return log

    def _let_the_bus_publish(self) -> None:
        # A rule publishes to an encrypted topic in EventBridge's own name.
        self.data_key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],  # in a key's own policy: this key
            )
        )

    def _alarm_topic(self) -> sns.Topic:
        # CloudWatch publishes in its own name, so it needs the topic's key.
        self.data_key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],  # in a key's own policy: this key
            )
        )
        return sns.Topic(self, "Alarms", master_key=self.data_key, enforce_ssl=True)

    def _outputs(self) -> None:
        outputs = {
            "EventsTable": self.events.table.table_name,
            "UserEventsTable": self.user_events.table.table_name,
            "AnalyticsTable": self.analytics.table.table_name,
            "MetadataTable": self.metadata.table.table_name,
            "MLModelsTable": self.models.table.table_name,
            "FeatureStoreTable": self.features.table.table_name,
            "SubjectKeysTable": self.subject_keys.table.table_name,
            "LakeBucket": self.lake.bucket_name,
            "EventStream": self.stream.stream_name,
            "EventBus": self.bus.event_bus_name,
            "TenantKeyId": self.tenant_key.key_id,
        }
        if self.alarms is not None:
            outputs["AlarmTopic"] = self.alarms.topic_arn
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)
