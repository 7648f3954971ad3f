"""Topics that people who look after alerts subscribe to: one for each route of the environment, from the bus."""

from collections.abc import Sequence

from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sns as sns
from constructs import Construct

from millrace.alerts.alert import ENDED, RAISED
from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_role import PlatformRole
from stacks.omissions import Omission
from stacks.settings_parts import AlertRoute


class AlertTopics(Construct):
    """Alerts that are raised or end, and are not muted, at least once; `detail.eventId` is the key by which repeats are dropped."""

    def __init__(
        self, scope: Construct, construct_id: str, *, fleet: Fleet, source: str, routes: Sequence[AlertRoute]
    ) -> None:
        """Makes a topic and a rule for each route.

        Args:
            scope: the stack; its outputs name the topics, such as `AlertTopicCritical`.
            construct_id: its name there.
            fleet: the stack's; its queue for failures takes what could not be published.
            source: under which alerts are routed to the bus.
            routes: which alerts go where.
        """
        super().__init__(scope, construct_id)
        # As for fraud alerts: in its own name EventBridge could not be limited to the topics' key.
        role = PlatformRole(self, "events")
        role.allow_key(fleet.storage.data_key, "kms:Decrypt", "kms:GenerateDataKey", through=("sns",))
        topics = [self._topic(fleet, source, route, role) for route in routes]
        role.allow("sns:Publish", on=[topic.topic_arn for topic in topics])
        for route, topic in zip(routes, topics, strict=True):
            CfnOutput(scope, f"AlertTopic{route.name}", value=topic.topic_arn)

    def _topic(self, fleet: Fleet, source: str, route: AlertRoute, role: PlatformRole) -> sns.Topic:
        topic = sns.Topic(self, route.name, master_key=fleet.storage.data_key, enforce_ssl=True)
        payload = {"muted": [False], "severity": list(route.severities)}
        if route.owners:
            payload["owner"] = list(route.owners)
        events.Rule(
            self,
            f"{route.name}Rule",
            event_bus=fleet.storage.bus,
            description=f"Alerts to the topic {route.name}.",
            event_pattern=events.EventPattern(
                source=[source], detail_type=[RAISED, ENDED], detail={"data": {"payload": payload}}
            ),
            targets=[
                targets.SnsTopic(
                    topic,
                    role=role.without_policy_updates(),
                    dead_letter_queue=None
                    if fleet.settings.omits(Omission.TARGET_DEAD_LETTERS)
                    else fleet.failures,
                    max_event_age=Duration.hours(24),
                )
            ],
        )
        return topic
