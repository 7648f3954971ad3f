"""The topic that people who watch for fraud subscribe to: decisions of the two highest classes, from the bus."""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_role import PlatformRole
from stacks.omissions import Omission

DECISION = "fraud.decision.made"
ALERTING = ("CRITICAL", "HIGH")


class FraudAlerts(Construct):
    """Every CRITICAL and HIGH decision, at least once; `detail.eventId` is the key by which repeats are dropped."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        fleet: Fleet,
        source: str,
    ) -> None:
        """Makes the topic and its rule.

        Args:
            scope: the stack.
            construct_id: its name there.
            fleet: the stack's; its queue for failures takes what could not be published.
            source: under which decisions are routed to the bus.
        """
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", master_key=fleet.storage.data_key, enforce_ssl=True)
        # In its own name EventBridge does not name the rule when it uses the topic's key, so a grant to it cannot be limited.
        # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
        role = PlatformRole(self, "events")
        role.allow("sns:Publish", on=[self.topic.topic_arn])
        role.allow_key(fleet.storage.data_key, "kms:Decrypt", "kms:GenerateDataKey", through=("sns",))
        events.Rule(
            self,
            "Rule",
            event_bus=fleet.storage.bus,
            description="CRITICAL and HIGH fraud decisions to their topic.",
            event_pattern=events.EventPattern(
                source=[source],
                detail_type=[DECISION],
                # Derived by the platform: a decision that a client posted alerts nobody.
                detail={
                    "data": {"payload": {"riskClass": list(ALERTING)}},
                    "platform": {"derivedFrom": [{"exists": True}]},
                },
            ),
            targets=[
                targets.SnsTopic(
                    self.topic,
                    role=role.without_policy_updates(),
                    dead_letter_queue=None
                    if fleet.settings.omits(Omission.TARGET_DEAD_LETTERS)
                    else fleet.failures,
                    max_event_age=Duration.hours(24),
                )
            ],
        )
