"""The platform's intake, for a command of an operator with rights to its stores."""

from typing import TYPE_CHECKING, Any

from cli.output import complain

if TYPE_CHECKING:
    from cli.target import Target


def intake(target: "Target", registry: Any, declared: Any) -> Any:
    """Intake over the stores of a platform.

    Args:
        target: the platform.
        registry: the contracts that events are judged by.
        declared: purposes by name.
    """
    from millrace.core.table import Table
    from millrace.eventstore.tenant_key import WrappedTenantKeys
    from millrace.intake.assemble import IntakeSettings, intake_over
    from millrace.privacy import tenant_secrets

    dynamodb, kinesis = target.client("dynamodb"), target.client("kinesis")
    stream = kinesis.describe_stream_summary(StreamName=target.output("EventStream"))
    settings = IntakeSettings.of(
        {
            "environment": target.env,
            "events_table": target.output("EventsTable"),
            "metadata_table": target.output("MetadataTable"),
            "subject_keys_table": target.output("SubjectKeysTable"),
            "lake_bucket": target.output("LakeBucket"),
            "event_stream_arn": stream["StreamDescriptionSummary"]["StreamARN"],
            "tenant_key_id": target.output("TenantKeyId"),
            "type_shards": int(target.output("TypeShards")),
        }
    )
    keys = WrappedTenantKeys(
        Table(dynamodb, settings.metadata_table),
        target.client("kms"),
        settings.tenant_key_id,
        use=tenant_secrets.USE,
    )
    return intake_over(settings, complain, registry, declared, dynamodb, target.client, keys)
