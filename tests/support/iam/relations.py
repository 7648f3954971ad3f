"""The calls that services make in their own name, or in a role, derived from the resources that imply them.

`uses` walks every resource. A type is in `CALLS`, with a function that returns the calls it makes services do, or in `SILENT`;
any other type, and any target, source or task of a kind that is not known, raises `UnknownRelationError`, so a new kind of
relation cannot go unchecked. What the deployer does (CloudFormation's own calls) is not here.
"""

from collections.abc import Callable, Iterator, Mapping

from tests.support.iam import functions, machines, messaging, storage
from tests.support.iam.calls import UnknownRelationError, Use
from tests.support.iam.deployment import Deployment, Resource


def uses(deployment: Deployment) -> Iterator[Use]:
    """Every call that the resources of an environment make services do.

    Raises:
        UnknownRelationError: a type of resource, or what one of them names, is not described here.
    """
    for resource in deployment.resources:
        if resource.kind in CALLS:
            yield from CALLS[resource.kind](deployment, resource)
        elif resource.kind not in SILENT and not resource.kind.startswith("Custom::"):
            raise UnknownRelationError(
                f"{resource.id} is an {resource.kind}: describe in tests/support/iam/relations.py what it makes "
                "services call (CALLS), or that it makes none call anything (SILENT)"
            )


CALLS: Mapping[str, Callable[[Deployment, Resource], Iterator[Use]]] = {
    "AWS::ApiGatewayV2::Authorizer": messaging.authorizer,
    "AWS::ApiGatewayV2::Integration": messaging.integration,
    "AWS::CloudWatch::Alarm": messaging.alarm,
    "AWS::CloudWatch::CompositeAlarm": messaging.alarm,
    "AWS::DynamoDB::Table": storage.table,
    "AWS::Events::EventBus": messaging.bus,
    "AWS::Events::Rule": messaging.rule,
    "AWS::IAM::Role": storage.role,
    "AWS::Lambda::EventInvokeConfig": functions.invoke_config,
    "AWS::Lambda::EventSourceMapping": functions.mapping,
    "AWS::Lambda::Function": functions.function,
    "AWS::Logs::SubscriptionFilter": messaging.log_subscription,
    "AWS::S3::Bucket": storage.bucket,
    "AWS::SNS::Subscription": messaging.subscription,
    "AWS::Scheduler::Schedule": messaging.schedule,
    "AWS::StepFunctions::StateMachine": machines.machine,
}
# What makes no service call anything by itself: it is called, or it is a part of what is above.
SILENT = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Route",
    # Access logs: API Gateway writes the log's resource policy with the rights of whoever deploys the stage.
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html
    "AWS::ApiGatewayV2::Stage",
    # Without triggers, and with Cognito's own mails.
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolClient",
    # Athena reads and writes in the name of whoever queries.
    "AWS::Athena::WorkGroup",
    "AWS::CloudWatch::Dashboard",
    "AWS::Glue::Database",
    "AWS::Glue::Table",
    "AWS::IAM::Policy",
    "AWS::KMS::Key",
    "AWS::Kinesis::Stream",
    "AWS::Kinesis::StreamConsumer",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
}
