"""The synthesized templates of an environment, and questions to them."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stacks.environment import ENVIRONMENTS
from stacks.settings import EnvironmentSettings
from stacks.settings_parts import NetworkSettings
from tests.support import own_layer, workers

# The CDK library starts a Node when it is imported: only who synthesizes waits for that.
if TYPE_CHECKING:
    from aws_cdk import App
    from aws_cdk.cx_api import CloudAssembly

Resource = dict[str, Any]
NAMES = tuple(ENVIRONMENTS)
# Environments with a setting that none has by itself.
NETWORKED = "prod-network"
VARIANTS: dict[str, EnvironmentSettings] = {
    NETWORKED: ENVIRONMENTS["prod"].model_copy(update={"network": NetworkSettings()})
}
STACKS = ("storage", "access", "ingestion", "consumers", "lakehouse", "real-time")


@dataclass(frozen=True)
class Templates:
    """The templates of one environment, by the stack's short name, and what of the constructs no template shows.

    Attributes:
        environment: its name.
        stacks: the templates.
        before: stack → those that are deployed before it.
        waivers: path of a construct, rule and reason.
    """

    environment: str
    stacks: dict[str, dict[str, Any]]
    before: dict[str, list[str]] = field(default_factory=dict)
    waivers: list[tuple[str, str, str]] = field(default_factory=list)

    def resources(self, kind: str, stack: str | None = None) -> dict[str, Resource]:
        """Resources of a type by logical id, over all stacks or in one."""
        chosen = self.stacks if stack is None else (stack,)
        return {
            logical_id: resource
            for name in chosen
            for logical_id, resource in self.stacks[name]["Resources"].items()
            if resource["Type"] == kind
        }

    def one(self, kind: str, prefix: str, stack: str | None = None) -> Resource:
        """The only resource of a type whose logical id begins so."""
        resources = [r for name, r in self.resources(kind, stack).items() if name.startswith(prefix)]
        assert len(resources) == 1, f"{len(resources)} of {kind} {prefix} in {self.environment}"
        return resources[0]

    def functions(self) -> dict[str, Resource]:
        """The platform's functions by stem; what the CDK itself adds has no folder."""
        functions = {}
        for logical_id, resource in self.resources("AWS::Lambda::Function").items():
            for stem in stems():
                if f"{stem.replace('_', '')}Function" in logical_id:
                    functions[stem] = resource
        return functions

    def statements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every Allow statement of a role's policies, with the policy's logical id."""
        for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            for logical_id, policy in self.resources(kind).items():
                for statement in _allowed(policy):
                    yield logical_id, statement

    def rights(self, stem: str) -> Iterator[dict[str, Any]]:
        """Every Allow statement of a function's own role."""
        role = self.functions()[stem]["Properties"]["Role"]["Fn::GetAtt"][0]
        for policy in self.resources("AWS::IAM::Policy").values():
            if {"Ref": role} in policy["Properties"]["Roles"]:
                yield from _allowed(policy)


def _allowed(policy: Resource) -> Iterator[dict[str, Any]]:
    for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
        if statement["Effect"] == "Allow":
            yield statement


# On AWS the same job runs in SageMaker.
LOCAL_ONLY = {"train_model"}


def stems(environment: str = "local") -> list[str]:
    """The folders under `functions/` that an environment deploys."""
    return sorted(_folders() if environment == "local" else _folders() - LOCAL_ONLY)


@cache
def _folders() -> frozenset[str]:
    folder = Path(__file__).parent.parent.parent / "functions"
    return frozenset(path.name for path in folder.iterdir() if (path / "settings.py").is_file())


@cache
def templates(environment: str) -> Templates:
    """An environment synthesized with no third-party layer built, and cdk-nag's checks on: once a run."""
    made = workers.once(f"{environment}.json", lambda: json.dumps(asdict(_synthesized(environment))))
    return Templates(**json.loads(made))


def _synthesized(environment: str) -> Templates:
    from aws_cdk import Stack

    folder = workers.folder(f"millrace-{environment}-")
    app = build(environment, outdir=folder / "out", layers=unbuilt_layers())
    before: dict[str, list[str]] = {}
    waivers: list[tuple[str, str, str]] = []
    for construct in app.node.find_all():
        if isinstance(construct, Stack):
            before[construct.stack_name] = [one.stack_name for one in construct.dependencies]
        for entry in construct.node.metadata:
            if isinstance(entry.data, dict) and "acknowledged" in entry.type.lower():
                waivers += [(construct.node.path, rule, reason) for rule, reason in entry.data.items()]
    return Templates(environment, read(environment, app.synth()).stacks, before, waivers)


@cache
def unbuilt_layers() -> Path:
    """A folder with no third-party layer in it, of this process alone: every synth writes to it."""
    return shutil.copytree(own_layer.assembled(), workers.folder("millrace-layers-"), dirs_exist_ok=True)


def build(environment: str, *, outdir: Path, layers: Path) -> "App":
    """The constructs of an environment, for one synth in process."""
    from stacks.application import build_application, new_app

    app = new_app(str(outdir))
    build_application(app, VARIANTS.get(environment) or ENVIRONMENTS[environment], layers=layers)
    return app


def read(environment: str, assembly: "CloudAssembly") -> Templates:
    """The templates of an assembly."""
    prefix, names = f"millrace-{environment}-", list(STACKS)
    if environment in VARIANTS:
        prefix, names = f"millrace-{VARIANTS[environment].name}-", [*STACKS, "network"]
    stacks = {
        name: json.loads(Path(assembly.get_stack_by_name(f"{prefix}{name}").template_full_path).read_text())
        for name in names
    }
    return Templates(environment, stacks)


def as_list(value: Any) -> list[Any]:
    """Policies write one as itself and more as a list."""
    return value if isinstance(value, list) else [value]
