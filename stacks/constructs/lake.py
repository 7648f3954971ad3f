"""The lake's bucket: versioned, encrypted, reached over TLS only, and cleared by prefix and age."""

from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from millrace.core.prefixes import (
    ACCESS_LOGS,
    ATHENA_RESULTS,
    CURATED,
    DEAD_LETTERS,
    EXPORTS,
    EXTERNAL_DATA,
    FAILED_BATCHES,
    FEATURE_STATES,
    IMPORTS,
    PROCESSED,
    QUARANTINE,
    QUERY_RESULTS,
    RAW,
    RECONCILE,
    REDRIVEN,
    RUNS,
)
from millrace.quarantine.entry import KEPT_DAYS
from stacks.constructs.bucket_keys import refuse_kms, refuse_other_keys
from stacks.constructs.waivers import waive
from stacks.environment import RAW_EXPIRY_DAYS
from stacks.omissions import OMISSION_REASONS, Omission
from stacks.settings import EnvironmentSettings

ACCESS_LOG_DAYS = 90
OLD_VERSION_DAYS = 30
EXPORT_DAYS = 7
# Who called is looked for within a year; the audit, which says what was done, is kept for seven.
GATEWAY_LOG_DAYS = 365
# Longer than a week, after which nothing is compared with a state any more.
FEATURE_STATE_DAYS = 14


class Lake(Construct):
    """The bucket of all events and of what could not become one."""

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: EnvironmentSettings, key: kms.IKey
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._removal = RemovalPolicy.RETAIN if settings.retain else RemovalPolicy.DESTROY
        self._emptied = not settings.retain and not settings.omits(Omission.EMPTYING_BUCKETS)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            versioned=True,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=self._lifecycle(),
            server_access_logs_bucket=self._access_logs(),
            server_access_logs_prefix=None if settings.omits(Omission.ACCESS_LOG_BUCKET) else "lake/",
            removal_policy=self._removal,
            auto_delete_objects=self._emptied,
        )
        self._tell_of_objects()
        refuse_other_keys(self.bucket, key)
        if settings.omits(Omission.ACCESS_LOG_BUCKET):
            waive(self.bucket, "S1", OMISSION_REASONS[Omission.ACCESS_LOG_BUCKET])

    def _tell_of_objects(self) -> None:
        """S3 tells EventBridge of new objects, which costs nothing until a rule takes one.

        The bucket's own property does it: `event_bridge_enabled` would have a function of the CDK's change the bucket behind
        CloudFormation.
        """
        bucket = cast(s3.CfnBucket, self.bucket.node.default_child)
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                event_bridge_enabled=True
            )
        )

    def _access_logs(self) -> s3.IBucket | None:
        if self._settings.omits(Omission.ACCESS_LOG_BUCKET):
            return None
        bucket = s3.Bucket(
            self,
            "AccessLogs",
            # S3 delivers access logs to no bucket that is encrypted with a key of KMS.
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[s3.LifecycleRule(id="expire", expiration=Duration.days(ACCESS_LOG_DAYS))],
            removal_policy=self._removal,
            auto_delete_objects=self._emptied,
        )
        refuse_kms(bucket)
        waive(bucket, "S1", "This bucket holds access logs; logging access to it would never end.")
        return bucket

    def _lifecycle(self) -> list[s3.LifecycleRule]:
        lake = self._settings.lake
        ages = {
            QUARANTINE: lake.quarantine_expiry_days,
            DEAD_LETTERS: lake.dead_letter_expiry_days,
            FAILED_BATCHES: lake.dead_letter_expiry_days,
            REDRIVEN: lake.dead_letter_expiry_days,
            RUNS: lake.run_expiry_days,
            ACCESS_LOGS: GATEWAY_LOG_DAYS,
            # What was written online, to be compared with once; after this long all of it is written anew.
            FEATURE_STATES: FEATURE_STATE_DAYS,
            # As long as what it was read of may be compared.
            RECONCILE: RAW_EXPIRY_DAYS,
            ATHENA_RESULTS: lake.query_result_expiry_days,
            QUERY_RESULTS: lake.query_file_expiry_days,
        }
        return [
            s3.LifecycleRule(
                id="old-versions-and-broken-uploads",
                noncurrent_version_expiration=Duration.days(OLD_VERSION_DAYS),
                abort_incomplete_multipart_upload_after=Duration.days(7),
            ),
            # Values in clear: gone after a week, older versions too.
            s3.LifecycleRule(
                id="exports",
                prefix=EXPORTS,
                expiration=Duration.days(EXPORT_DAYS),
                noncurrent_version_expiration=Duration.days(1),
            ),
            # Files in clear, which an import takes away; and what it keeps of them, sealed.
            *(
                s3.LifecycleRule(
                    id=prefix.strip("/").replace("/", "-"),
                    prefix=prefix,
                    expiration=Duration.days(KEPT_DAYS),
                    noncurrent_version_expiration=Duration.days(1),
                )
                for prefix in (EXTERNAL_DATA, IMPORTS)
            ),
            *self._rules("raw", RAW, lake.raw_infrequent_days, lake.raw_expiry_days),
            *self._rules("processed", PROCESSED, lake.tables_infrequent_days, None),
            *self._rules("curated", CURATED, lake.tables_infrequent_days, None),
            *(
                s3.LifecycleRule(
                    id=prefix.strip("/").replace("/", "-"), prefix=prefix, expiration=Duration.days(days)
                )
                for prefix, days in ages.items()
            ),
        ]

    def _rules(
        self, name: str, prefix: str, infrequent_days: int | None, expiry_days: int | None
    ) -> list[s3.LifecycleRule]:
        if infrequent_days is None and expiry_days is None:
            return []
        transitions = None
        if infrequent_days is not None:
            transitions = [
                s3.Transition(
                    storage_class=s3.StorageClass.INFREQUENT_ACCESS,
                    transition_after=Duration.days(infrequent_days),
                )
            ]
        expiry = None if expiry_days is None else Duration.days(expiry_days)
        return [s3.LifecycleRule(id=name, prefix=prefix, transitions=transitions, expiration=expiry)]
