"""What of an environment's templates is priced, by which prices, and what costs nothing and why. Tests hold the templates to it."""

from collections.abc import Mapping

from cli.costing.deployment import Deployment

PRICED: Mapping[str, tuple[str, ...]] = {
    "AWS::ApiGatewayV2::Api": ("api.request",),
    "AWS::Athena::WorkGroup": ("athena.scanned",),
    "AWS::CloudWatch::Alarm": ("cloudwatch.alarm",),
    "AWS::CloudWatch::Dashboard": ("cloudwatch.dashboard",),
    "AWS::DynamoDB::Table": (
        "dynamodb.write",
        "dynamodb.read",
        "dynamodb.change",
        "dynamodb.storage",
        "dynamodb.recovery",
    ),
    "AWS::EC2::VPCEndpoint": ("vpc.endpoint",),
    "AWS::Events::EventBus": ("events.put",),
    "AWS::Glue::Database": ("glue.request", "glue.dpu_hour"),
    "AWS::KMS::Key": ("kms.key", "kms.rotation", "kms.request"),
    "AWS::Kinesis::Stream": (
        "kinesis.shard",
        "kinesis.payload",
        "kinesis.retention_shard",
        "kinesis.stream",
        "kinesis.in",
        "kinesis.out",
        "kinesis.retention",
    ),
    "AWS::Kinesis::StreamConsumer": ("kinesis.fan_out", "kinesis.fan_out_shard", "kinesis.fan_out_read"),
    "AWS::Lambda::Function": ("lambda.request", "lambda.second", "lambda.storage"),
    # A mapping from a stream reads for nothing; one from a queue polls it.
    "AWS::Lambda::EventSourceMapping": ("sqs.request",),
    # Metrics come out of the functions' log lines.
    "AWS::Logs::LogGroup": ("logs.ingested", "logs.storage", "cloudwatch.metric"),
    "AWS::S3::Bucket": ("s3.put", "s3.get", "s3.storage", "s3.infrequent", "s3.transition"),
    "AWS::SNS::Subscription": ("sns.email",),
    "AWS::SNS::Topic": ("sns.publish",),
    "AWS::SQS::Queue": ("sqs.request",),
    "AWS::Scheduler::Schedule": ("scheduler.call",),
    "AWS::StepFunctions::StateMachine": ("states.transition", "xray.trace"),
}

FREE: Mapping[str, str] = {
    "AWS::ApiGatewayV2::Authorizer": "Its function is paid for, in `accept`.",
    "AWS::ApiGatewayV2::Integration": "Part of an API, which is paid for by request.",
    "AWS::ApiGatewayV2::Route": "Part of an API, which is paid for by request.",
    "AWS::ApiGatewayV2::Stage": "Part of an API; the lines of its access log are in `accept`.",
    "AWS::CDK::Metadata": "Nothing is made of it.",
    "AWS::Cognito::UserPool": "10,000 people a month sign in for nothing; $0.015 for each one more.",
    "AWS::Cognito::UserPoolClient": "Part of a user pool.",
    "AWS::EC2::FlowLog": "What is refused is logged, and nothing should be.",
    "AWS::EC2::RouteTable": "Part of a network, of which endpoints are paid for.",
    "AWS::EC2::SecurityGroup": "Part of a network, of which endpoints are paid for.",
    "AWS::EC2::SecurityGroupIngress": "Part of a network, of which endpoints are paid for.",
    "AWS::EC2::Subnet": "Part of a network, of which endpoints are paid for.",
    "AWS::EC2::SubnetRouteTableAssociation": "Part of a network, of which endpoints are paid for.",
    "AWS::EC2::VPC": "Part of a network, of which endpoints are paid for.",
    "AWS::Events::Rule": "Delivery to targets in the same account is free; what a target does is paid for there.",
    "AWS::Glue::Table": "The catalog holds a million objects for nothing; requests are priced with the databases.",
    "AWS::LakeFormation::DataCellsFilter": "Lake Formation's permissions and filters are free.",
    "AWS::LakeFormation::PrincipalPermissions": "Lake Formation's permissions and filters are free.",
    "AWS::LakeFormation::Resource": "Lake Formation's permissions and filters are free.",
    "AWS::IAM::ManagedPolicy": "IAM is free.",
    "AWS::IAM::Policy": "IAM is free.",
    "AWS::IAM::Role": "IAM is free.",
    "AWS::Lambda::EventInvokeConfig": "A setting of a function.",
    "AWS::Lambda::LayerVersion": "Lambda stores 75 GB of code for nothing.",
    "AWS::Lambda::Permission": "A setting of a function.",
    "AWS::Logs::SubscriptionFilter": "CloudWatch hands lines on for nothing; what takes them is paid for.",
    "AWS::Logs::MetricFilter": "Its metric exists, and costs, in a month in which a consumer set records aside: 0.30 dollars.",
    "AWS::S3::BucketPolicy": "A setting of a bucket.",
    "AWS::SNS::TopicPolicy": "A setting of a topic.",
    "AWS::SQS::QueuePolicy": "A setting of a queue.",
    "Custom::OpenCapture": "Calls a function at a deploy.",
    "Custom::ReplayWaiting": "Calls a function at a deploy.",
    "Custom::S3AutoDeleteObjects": "Calls a function when a stack is deleted.",
}

IDLE = "idle"
# Where a resource is priced: a path, or the idle figure. By the beginning of its logical id, or by its function's folder.
_ON_DEMAND = "Called by an operator or a deploy, a few times a month."
_FAILURES = "Takes a message when something fails."
PLACES: Mapping[str, Mapping[str, str]] = {
    "AWS::DynamoDB::Table": {
        "EventsTable": "store",
        "UserEventsTable": "project",
        "AnalyticsTable": "count",
        "MetadataTable": "archive",
        "FeatureStoreTable": "features",
        "MLModelsTable": "predict",
    },
    "AWS::Lambda::Function": {
        "posteventsFunction": "accept",
        # The same work by another door: without the authorizer, mostly with fewer events a request.
        "collectFunction": "accept",
        # Likewise, with a signature in the place of a key.
        "receivewebhooksFunction": "accept",
        "authorizeFunction": "accept",
        "readapiFunction": "read",
        "readanalyticsFunction": "read",
        "predictFunction": "predict",
        "receivebuseventsFunction": "bus",
        "archiveeventsFunction": "archive",
        "routeeventsFunction": "route",
        "projecteventsFunction": "project",
        "analyzeeventsFunction": "count",
        "foldtilesFunction": "count",
        "SealingsealtilesFunction": "count",
        "scoretransactionsFunction": "fraud",
        "CanarysendcanaryFunction": IDLE,
        "keepauditFunction": IDLE,
        "watchauditFunction": IDLE,
        "reconcileeventsFunction": IDLE,
        "sweeptimersFunction": IDLE,
        "watchanomaliesFunction": IDLE,
        "startrunFunction": "etl",
        "planrunFunction": "etl",
        "pinsourcesFunction": "etl",
        "preparetableFunction": "etl",
        "transformpartitionsFunction": "etl",
        "buildtableFunction": "etl",
        "committableFunction": "etl",
        "publishrunFunction": "etl",
        "materializefeaturesFunction": "etl",
        "maintaintableFunction": IDLE,
    },
    "AWS::SQS::Queue": {
        "SubscriberQueue": "route",
        "BusFeederQueue": "bus",
        "WaitingQueue": IDLE,
    },
    "AWS::SNS::Topic": {"FraudAlertsTopic": "fraud", "Alarms": IDLE},
    "AWS::Scheduler::Schedule": {
        "AuditDailySchedule": IDLE,
        "AuditHourlySchedule": IDLE,
        "CanaryTimesSchedule": IDLE,
        "HourlySchedule": IDLE,
        "DailySchedule": IDLE,
        "MaintenanceSchedule": IDLE,
        "SealSchedule": IDLE,
        "WeeklySchedule": IDLE,
        "ReconciliationHourlySchedule": IDLE,
        "ReconciliationDailySchedule": IDLE,
        "FoldTilesSchedule": IDLE,
        "WatchAnomaliesSchedule": IDLE,
        "TimersTimesSchedule": IDLE,
    },
    "AWS::StepFunctions::StateMachine": {
        "hourlyetlMachine": "etl",
        "rawtosilverMachine": "etl",
        "refreshtableMachine": "etl",
        "maintenanceMachine": IDLE,
        "sealtilesMachine": IDLE,
        "traintenantsMachine": IDLE,
    },
}
# Of the same types: what costs next to nothing, and why.
UNUSED: Mapping[str, Mapping[str, str]] = {
    "AWS::DynamoDB::Table": {
        "SubjectKeysTable": "Four write units once for each person, half a read unit when a warm copy meets one: 1,000 new people a day are $0.08 a month.",
    },
    "AWS::Lambda::Function": {
        "CaptureopencaptureFunction": _ON_DEMAND,
        "WaitingreplaywaitingFunction": _ON_DEMAND,
        "CustomS3AutoDeleteObjects": _ON_DEMAND,
        "replayquarantineFunction": _ON_DEMAND,
        "keepaccesslogsFunction": "Called with some seconds' requests at once: an invocation and an object, $0.006 a million requests at 1,000 in a batch; Sigma rules ask its lines for $0.002 a million.",
        "manageaccessFunction": "Called when somebody administers keys and users.",
        "changealertsFunction": "Called when somebody acknowledges or mutes an alert.",
        "decidegrantsFunction": "Called when somebody asks for access, or approves it.",
        "checkschemaFunction": _ON_DEMAND,
        "changesubjectsFunction": "Called when a person asks for something.",
        "FilesimportfileFunction": "A million rows are 500 s of it, $0.012; what they cost in stores is that of posted events.",
        "readdatabasesFunction": "Called each minute for each source of kind postgres, of which none is shipped; what one costs is in docs/databases.md.",
        "ErasureerasesubjectFunction": "Called when a person asks for something.",
        "querylakeFunction": "Called when somebody asks in SQL: a query of two seconds is $0.00005.",
        "planbackfillFunction": _ON_DEMAND,
        "movemodelFunction": _ON_DEMAND,
        "buildtrainingsetFunction": "Once a week for each tenant; training itself is not priced here (docs/cost.md).",
        "LearningtrainmodelFunction": "In local only; elsewhere a training job does its work.",
        "registermodelsFunction": "Once a week for each tenant; training itself is not priced here (docs/cost.md).",
    },
    "AWS::SQS::Queue": {
        "FleetFailedInvocations": _FAILURES,
        "BusFeederDeadLetters": _FAILURES,
        "WaitingDeadLetters": _FAILURES,
        "SubscriberDeadLetters": _FAILURES,
    },
    "AWS::SNS::Topic": {
        "AlertsCritical": "Alerts are few: at most 20 an hour of a rule.",
        "AlertsWarning": "Alerts are few: at most 20 an hour of a rule.",
    },
    "AWS::Scheduler::Schedule": {},
    "AWS::StepFunctions::StateMachine": {
        "backfillMachine": _ON_DEMAND,
        "importfileMachine": "A file is some ten transitions, and two for each 1.4 million rows.",
        "erasesubjectMachine": "Started when a person asks to be erased, or for an export.",
        "trainmodelMachine": "Once a week for each tenant; training itself is not priced here (docs/cost.md).",
    },
}


def unknown(deployment: Deployment) -> set[str]:
    """Resource types without a price here; a test requires that there are none."""
    return deployment.kinds - FREE.keys() - PRICED.keys()


def unplaced(deployment: Deployment) -> set[str]:
    """Functions, tables, queues, topics, schedules and state machines that no figure covers; there must be none."""
    return {
        name
        for kind, places in PLACES.items()
        for name, _ in deployment.of(kind)
        if not name.startswith((*places, *UNUSED[kind]))
    }
