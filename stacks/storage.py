"""State: the keys, the tables, the lake, the log and the bus. Everything else can be rebuilt from these."""

from collections.abc import Mapping

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct
from pynamodb.models import Model

from millrace.eventstore import tables
from millrace.eventstore.consumers import Source, reading
from stacks.constructs.audit_bucket import AuditBucket
from stacks.constructs.lake import Lake
from stacks.constructs.log_alarms import LogAlarms
from stacks.constructs.platform_role import source
from stacks.constructs.tables import ModelTable
from stacks.constructs.waivers import waive
from stacks.settings import EnvironmentSettings

# Why a table has no recovery to a point in time although its environment has.
WITHOUT_BACKUP: Mapping[type[Model], str] = {
    tables.Events: "No function may change or delete a row, the log and the lake have it within seconds, and `millrace rebuild` puts it back.",
    tables.SubjectKeys: "Erasure deletes a person's key from this table for good, so no backup may bring it back.",
    tables.UserEvents: "Every row is derived from an event, and `millrace rebuild` derives the whole table from the lake.",
}


class StorageStack(Stack):
    """What holds data, apart from what computes, so that the one can be replaced without the other."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: EnvironmentSettings) -> None:
        super().__init__(scope, construct_id, termination_protection=settings.deletion_protection)
        self.settings = settings
        self.data_key = self._key("DataKey", "Encrypts Millrace's tables, lake and log.")
        self.tenant_key = self._key("TenantKey", "Wraps the keys of Millrace's tenants.")
        self.signing_key = kms.Key(
            self,
            "SigningKey",
            description="Signs Millrace's certificates of erasures.",
            key_spec=kms.KeySpec.ECC_NIST_P256,
            key_usage=kms.KeyUsage.SIGN_VERIFY,
            pending_window=Duration.days(30 if settings.retain else 7),
            # Without it no old certificate could be compared with the key that the platform shows.
            removal_policy=RemovalPolicy.RETAIN if settings.retain else RemovalPolicy.DESTROY,
        )
        self.alarms = self._alarm_topic() if settings.alarms else None
        self.stream = self._stream()
        self.tables = {model.__name__: self._table(model) for model in tables.TABLES}
        self.events = self.tables["Events"].table
        self.lake = Lake(self, "Lake", settings=settings, key=self.data_key).bucket
        self.audit = self._audit()
        self.bus = events.EventBus(self, "Bus", event_bus_name=f"millrace-{settings.name}")
        if self.alarms is not None:
            LogAlarms(
                self,
                "Log",
                table=self.events,
                stream=self.stream,
                shards=settings.stream.shards,
                readers=len(reading(Source.LOG)) - settings.fraud_fan_out,
                topic=self.alarms,
            )
        self._outputs()

    def _audit(self) -> s3.IBucket:
        """Where the audit is anchored."""
        years = self.settings.audit_lock_years
        return (
            self.lake if years is None else AuditBucket(self, "Audit", key=self.data_key, years=years).bucket
        )

    def _key(self, construct_id: str, description: str) -> kms.Key:
        return kms.Key(
            self,
            construct_id,
            description=description,
            enable_key_rotation=True,
            pending_window=Duration.days(30 if self.settings.retain else 7),
            removal_policy=RemovalPolicy.RETAIN if self.settings.retain else RemovalPolicy.DESTROY,
        )

    def _table(self, model: type[Model]) -> ModelTable:
        read_by_stream = model is tables.Events
        recovered = read_by_stream and self.settings.recover_events
        return ModelTable(
            self,
            model.__name__,
            model=model,
            settings=self.settings,
            key=self.data_key,
            without_backup=None if recovered else WITHOUT_BACKUP.get(model),
            stream=dynamodb.StreamViewType.NEW_IMAGE if read_by_stream else None,
            capture_into=self.stream if read_by_stream else None,
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

    def _alarm_topic(self) -> sns.Topic:
        """The topic and its subscribers; CloudWatch publishes in its own name, so it needs the topic and its key."""
        topic = sns.Topic(self, "Alarms", master_key=self.data_key, enforce_ssl=True)
        alarms = iam.ServicePrincipal("cloudwatch.amazonaws.com", conditions=source("cloudwatch", "alarm:*"))
        # A policy of the topic's own takes the place of the one that lets every alarm of the AWS account publish.
        topic.add_to_resource_policy(
            iam.PolicyStatement(principals=[alarms], actions=["sns:Publish"], resources=[topic.topic_arn])
        )
        self.data_key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[alarms],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],  # in a key's own policy: this key
            )
        )
        for contact in self.settings.alarm_contacts:
            web = contact.startswith("https:")
            topic.add_subscription(
                subscriptions.UrlSubscription(contact) if web else subscriptions.EmailSubscription(contact)
            )
        return topic

    def _outputs(self) -> None:
        outputs = {
            **{f"{name}Table": one.table.table_name for name, one in self.tables.items()},
            "LakeBucket": self.lake.bucket_name,
            "AuditBucket": self.audit.bucket_name,
            "EventStream": self.stream.stream_name,
            "EventBus": self.bus.event_bus_name,
            "TenantKeyId": self.tenant_key.key_id,
            "TypeShards": str(self.settings.type_shards),
        }
        if self.alarms is not None:
            outputs["AlarmTopic"] = self.alarms.topic_arn
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)
