"""DynamoDB tables derived from the pynamodb models of `millrace.eventstore.tables`."""

from collections.abc import Iterator
from typing import Any

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from constructs import Construct
from pynamodb.attributes import Attribute, TTLAttribute
from pynamodb.indexes import GlobalSecondaryIndex
from pynamodb.models import Model

from millrace.eventstore import tables
from stacks.constructs.waivers import waive
from stacks.settings import EnvironmentSettings

# pynamodb's names of attribute types are DynamoDB's own.
_TYPES = {
    "S": dynamodb.AttributeType.STRING,
    "N": dynamodb.AttributeType.NUMBER,
    "B": dynamodb.AttributeType.BINARY,
}
_PROJECTIONS = {
    "KEYS_ONLY": dynamodb.ProjectionType.KEYS_ONLY,
    "INCLUDE": dynamodb.ProjectionType.INCLUDE,
    "ALL": dynamodb.ProjectionType.ALL,
}


# What can change or remove a row that is there, but for a put without a condition.
CHANGES = (
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLUpdate",
    "dynamodb:UpdateItem",
)


class ModelTable(Construct):
    """One table with the keys, indexes and expiry of its model."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model: type[Model],
        settings: EnvironmentSettings,
        key: kms.IKey,
        without_backup: str | None = None,
        stream: dynamodb.StreamViewType | None = None,
        capture_into: kinesis.IStream | None = None,
    ) -> None:
        """Makes the table.

        Args:
            scope: the stack.
            construct_id: the table's name among its stack's constructs.
            model: where keys, indexes and the attribute of expiry come from.
            settings: the environment's; they say whether the table is retained and recoverable.
            key: encrypts the table.
            without_backup: why the table has no recovery where the environment's others have.
            stream: what each record of the table's own stream carries, if it has one.
            capture_into: the data stream that every change of the table goes to.
        """
        super().__init__(scope, construct_id)
        recovery = settings.point_in_time_recovery and without_backup is None
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=_key(model, "is_hash_key"),
            sort_key=_optional_key(model, "is_range_key"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=recovery
            ),
            deletion_protection=settings.deletion_protection,
            removal_policy=RemovalPolicy.RETAIN if settings.retain else RemovalPolicy.DESTROY,
            time_to_live_attribute=expiry_attribute(model),
            stream=stream,
            kinesis_stream=capture_into,
        )
        for refused in _refused(model):
            self.table.add_to_resource_policy(refused)
        self.index_names = tuple(self._add_indexes(model))
        if not recovery:
            waive(self.table, "DDB3", without_backup or _test_data(settings))

    def _add_indexes(self, model: type[Model]) -> Iterator[str]:
        for index in indexes(model):
            projection = index.Meta.projection
            self.table.add_global_secondary_index(
                index_name=index.Meta.index_name,
                partition_key=_key(index, "is_hash_key"),
                sort_key=_optional_key(index, "is_range_key"),
                projection_type=_PROJECTIONS[projection.projection_type],
                non_key_attributes=projection.non_key_attributes,
            )
            yield index.Meta.index_name


def _refused(model: type[Model]) -> Iterator[iam.PolicyStatement]:
    """What the table refuses to everybody, whatever their own rights are."""
    everybody = [iam.AnyPrincipal()]
    # In a table's own policy: this table. Its ARN there would be a circle.
    this = ["*"]
    yield iam.PolicyStatement(
        sid="OverTlsOnly",
        effect=iam.Effect.DENY,
        principals=everybody,
        actions=["dynamodb:*"],
        resources=this,
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )
    if model is tables.Metadata:
        yield iam.PolicyStatement(
            sid="AuditIsAppendOnly",
            effect=iam.Effect.DENY,
            principals=everybody,
            actions=list(CHANGES),
            resources=this,
            conditions={"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": ["*#audit#*"]}},
        )


def indexes(model: type[Model]) -> list[Any]:
    """The global secondary indexes of a model, by name."""
    declared = [value for value in vars(model).values() if isinstance(value, GlobalSecondaryIndex)]
    return sorted(declared, key=lambda index: str(index.Meta.index_name))


def expiry_attribute(model: type[Model]) -> str | None:
    """The attribute that DynamoDB's expiry reads, if the model has one."""
    for attribute in model.get_attributes().values():
        if isinstance(attribute, TTLAttribute):
            return str(attribute.attr_name)
    return None


def _optional_key(owner: Any, flag: str) -> dynamodb.Attribute | None:
    # An index keeps its attributes where pynamodb's metaclass put them; both kinds answer the same question.
    attributes: list[Attribute[Any]] = list(_attributes(owner))
    for attribute in attributes:
        if getattr(attribute, flag):
            return dynamodb.Attribute(name=attribute.attr_name, type=_TYPES[attribute.attr_type])
    return None


def _key(owner: Any, flag: str) -> dynamodb.Attribute:
    key = _optional_key(owner, flag)
    if key is None:
        raise ValueError(f"{owner} has no attribute with {flag}")
    return key


def _attributes(owner: Any) -> Iterator[Attribute[Any]]:
    kind = owner if isinstance(owner, type) else type(owner)
    for value in vars(kind).values():
        if isinstance(value, Attribute):
            yield value


def _test_data(settings: EnvironmentSettings) -> str:
    return f"Rows in {settings.name} are test data that can be sent anew, so its tables pay for no continuous backup."
