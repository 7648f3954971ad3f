"""What the stacks of functions have in common."""

from pathlib import Path
from typing import ClassVar

from aws_cdk import Stack
from constructs import Construct

from stacks.constructs.fleet import Fleet
from stacks.network import NetworkStack
from stacks.storage import StorageStack


class PlatformStack(Stack):
    """A stack of functions that work on the storage stack's state.

    Attributes:
        third_party: the layers that one of its functions or another imports from.
    """

    third_party: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        storage: StorageStack,
        layers: Path,
        network: NetworkStack | None,
    ) -> None:
        """Makes what its functions share.

        Args:
            scope: the app.
            construct_id: the stack's name.
            storage: the environment's state, with its settings.
            layers: the folder in which `layers/build.py` keeps the layers.
            network: that the functions are in, if they are in one.
        """
        super().__init__(scope, construct_id)
        self.storage, self.settings = storage, storage.settings
        self.fleet = Fleet(
            self, "Fleet", storage=storage, third_party=self.third_party, layers=layers, network=network
        )
