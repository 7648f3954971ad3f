"""What the functions of one stack share."""

from collections.abc import Iterable
from pathlib import Path

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from millrace.feeders import binding
from millrace.feeders.binding import Binding
from stacks.constructs.alarms import alarm_on
from stacks.constructs.layers import FunctionLayers
from stacks.constructs.waivers import waive
from stacks.errors import SettingsError
from stacks.network import NetworkStack
from stacks.storage import StorageStack


class Fleet(Construct):
    """The layers, the queue for failed asynchronous invocations, the state they work on, what feeds it, and where alarms go."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        storage: StorageStack,
        third_party: tuple[str, ...],
        layers: Path,
        network: NetworkStack | None,
    ) -> None:
        """Makes them.

        Args:
            scope: the stack.
            construct_id: its name there.
            storage: the state that the functions work on, with the environment's settings.
            third_party: the layers that one of the functions or another imports from.
            layers: the folder in which `layers/build.py` keeps the layers.
            network: that they are in, if they are in one.
        """
        super().__init__(scope, construct_id)
        self.network = network
        self.storage, self.settings, self.alarms = storage, storage.settings, storage.alarms
        self.layers = FunctionLayers(
            self, "Layers", settings=storage.settings, third_party=third_party, folder=layers
        )
        # Compiled with the layer: what is wrong with a source ends the synth with its line.
        self.bindings = binding.load(storage.settings.name, self.layers.bundle)
        if network is not None:
            refuse_certificates_from_outside(self.bindings)
        self.failures = sqs.Queue(
            self,
            "FailedInvocations",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        waive(
            self.failures,
            "SQS3",
            "This queue is where failed invocations end; nothing reads from it but people.",
        )
        if self.alarms is not None:
            alarm_on(
                self.failures,
                "NotEmpty",
                metric=self.failures.metric_approximate_number_of_messages_visible(),
                threshold=1,
                description="An asynchronous invocation failed to the end; its event is in this queue.",
                runbook="failed-invocations",
                topic=self.alarms,
            )


def refuse_certificates_from_outside(bindings: Iterable[Binding]) -> None:
    """Refuses sources whose certificates are read over the internet, where the functions have no way there.

    Raises:
        SettingsError: there is one.
    """
    if named := [one.name for one in bindings if one.webhook is not None and one.webhook.scheme == "paypal"]:
        raise SettingsError(
            f"schemas/sources: {', '.join(named)}: PayPal's certificates are read over the internet, and the functions of an "
            "environment with `network` have no way there. Take the environment out of the source, or the network out of it."
        )
