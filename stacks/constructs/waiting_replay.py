"""Events that wait for a contract, replayed at each deploy that changes the contracts."""

from aws_cdk import CustomResource, Duration
from constructs import Construct

from stacks.constructs.fleet import Fleet
from stacks.constructs.intake_function import IntakeFunction
from stacks.environment import EnvironmentSettings
from stacks.storage import StorageStack

TIMEOUT = Duration.minutes(5)


class WaitingReplay(Construct):
    """Calls `replay_waiting`; it answers within its time whatever it finds, and never fails the deploy."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        fleet: Fleet,
        settings: EnvironmentSettings,
        storage: StorageStack,
    ) -> None:
        super().__init__(scope, construct_id)
        orgs = sorted({binding.org for binding in settings.bus_bindings})
        function = IntakeFunction(
            self,
            "replay_waiting",
            fleet=fleet,
            storage=storage,
            description="Sends the events that waited for a contract through intake again, once it is there.",
            timeout=TIMEOUT,
            variables={"bound_orgs": ",".join(orgs)},
        )
        function.allow_replay(storage)
        self.resource = CustomResource(
            self,
            "Replayed",
            resource_type="Custom::ReplayWaiting",
            service_token=function.function.function_arn,
            service_timeout=TIMEOUT.plus(Duration.minutes(1)),
            properties={"Revision": fleet.layers.revision},
        )
        self.resource.node.add_dependency(function)
