"""What carries out the requests of people: a function and the machine that calls it, step by step."""

from aws_cdk import CfnOutput
from constructs import Construct

from millrace.people.certificate import CACHES
from millrace.people.machine import MACHINE
from stacks.constructs.fleet import Fleet
from stacks.constructs.lake_functions import ICEBERG, LONGEST
from stacks.constructs.platform_function import ONE_PROCESSOR_MB, PlatformFunction
from stacks.constructs.state_machine import PlatformStateMachine


class Erasure(Construct):
    """The machine `erase_subject`, as `machine`."""

    def __init__(self, scope: Construct, construct_id: str, *, fleet: Fleet) -> None:
        super().__init__(scope, construct_id)
        function = PlatformFunction(
            # The machine has this name in the stack.
            self,
            MACHINE,
            fleet=fleet,
            description="Carries out a step of what a person asked for: erases, verifies, certifies, exports.",
            memory_mb=ONE_PROCESSOR_MB,
            timeout=LONGEST,
            layers=(*ICEBERG, "privacy"),
        )
        seconds = str(int(CACHES.total_seconds()))
        self.machine = PlatformStateMachine(
            scope, MACHINE, fleet=fleet, functions=[function], values={"CacheSeconds": seconds}
        )
        CfnOutput(scope, "EraseSubjectMachine", value=self.machine.arn)
