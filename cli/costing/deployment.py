"""The properties of an environment's synthesized templates that cost money."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Resource = Mapping[str, Any]
STACK_PREFIX = "millrace-"
# Of a function's /tmp, what costs nothing.
FREE_STORAGE_MB = 512


@dataclass(frozen=True)
class Deployment:
    """The resources of one environment, over all its stacks."""

    environment: str
    resources: tuple[tuple[str, Resource], ...]

    def of(self, kind: str) -> list[tuple[str, Mapping[str, Any]]]:
        """Logical id and properties of each resource of a type."""
        return [
            (name, resource.get("Properties", {}))
            for name, resource in self.resources
            if resource["Type"] == kind
        ]

    @property
    def kinds(self) -> set[str]:
        """Every resource type."""
        return {resource["Type"] for _, resource in self.resources}

    @property
    def shards(self) -> int | None:
        """Shards of the log; None: on demand."""
        ((_, stream),) = self.of("AWS::Kinesis::Stream")
        on_demand = stream.get("StreamModeDetails", {}).get("StreamMode") == "ON_DEMAND"
        return None if on_demand else int(stream["ShardCount"])

    @property
    def retention_hours(self) -> int:
        """How long the log keeps a record."""
        ((_, stream),) = self.of("AWS::Kinesis::Stream")
        return int(stream["RetentionPeriodHours"])

    @property
    def fan_outs(self) -> int:
        """Consumers of the log with enhanced fan-out."""
        return len(self.of("AWS::Kinesis::StreamConsumer"))

    @property
    def raw_days(self) -> tuple[float | None, float | None]:
        """Days until raw data moves to infrequent access, and until it expires; None: never."""
        rule = self._lifecycle("raw")
        return _moves(rule), rule.get("ExpirationInDays")

    @property
    def tables_days(self) -> float | None:
        """Days until the tables' files move to infrequent access; None: never."""
        return _moves(self._lifecycle("processed"))

    def _lifecycle(self, name: str) -> Mapping[str, Any]:
        for _, bucket in self.of("AWS::S3::Bucket"):
            for rule in bucket.get("LifecycleConfiguration", {}).get("Rules", []):
                if rule.get("Id") == name:
                    found: Mapping[str, Any] = rule
                    return found
        return {}

    def recovered(self, table: str) -> bool:
        """Whether a table pays for point-in-time recovery."""
        for name, properties in self.of("AWS::DynamoDB::Table"):
            if name.startswith(f"{table}Table"):
                return bool(
                    properties.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")
                )
        raise KeyError(table)

    def window_seconds(self, stem: str) -> float:
        """How long a mapping from a stream waits for its batch to fill.

        Raises:
            KeyError: the function reads no stream.
        """
        return float(self._mapping(stem).get("MaximumBatchingWindowInSeconds", 0))

    def batch_size(self, stem: str) -> int:
        """Records in a batch of a mapping from a stream, at most.

        Raises:
            KeyError: the function reads no stream.
        """
        return int(self._mapping(stem)["BatchSize"])

    def unfiltered(self, stems: Iterable[str]) -> list[str]:
        """The functions among these that are given every record of their stream, rows that expire as well.

        Raises:
            KeyError: one of them reads no stream.
        """
        return [stem for stem in stems if "FilterCriteria" not in self._mapping(stem)]

    def _mapping(self, stem: str) -> Mapping[str, Any]:
        for name, properties in self.of("AWS::Lambda::EventSourceMapping"):
            if name.startswith(stem.replace("_", "")):
                return properties
        raise KeyError(stem)

    @property
    def log_days(self) -> int:
        """How long logs are kept."""
        return max(int(group["RetentionInDays"]) for _, group in self.of("AWS::Logs::LogGroup"))

    @property
    def optimizers(self) -> bool:
        """Whether Glue's optimizers keep the tables in shape."""
        functions = (properties for _, properties in self.of("AWS::Lambda::Function"))
        return any(
            one.get("Environment", {}).get("Variables", {}).get("OPTIMIZER_ROLE_ARN") for one in functions
        )

    def memory_mb(self, stem: str) -> int:
        """Memory of a function of `functions/`.

        Raises:
            KeyError: the environment has no such function.
        """
        return int(self._function(stem)["MemorySize"])

    def storage_mb(self, stem: str) -> int:
        """A function's /tmp.

        Raises:
            KeyError: the environment has no such function.
        """
        return int(self._function(stem).get("EphemeralStorage", {}).get("Size", FREE_STORAGE_MB))

    def _function(self, stem: str) -> Mapping[str, Any]:
        for name, properties in self.of("AWS::Lambda::Function"):
            if f"{stem.replace('_', '')}Function" in name:
                return properties
        raise KeyError(stem)


def _moves(rule: Mapping[str, Any]) -> float | None:
    moves = rule.get("Transitions", [])
    return float(moves[0]["TransitionInDays"]) if moves else None


def load(environment: str, synthesized: Path) -> Deployment:
    """Reads the templates of `make synth`; without them, synthesizes in process, which takes half a minute.

    Args:
        environment: such as `dev`.
        synthesized: `build/cdk`, with a folder for each environment.
    """
    files = sorted((synthesized / environment).glob(f"{STACK_PREFIX}{environment}-*.template.json"))
    if files:
        return Deployment(environment, tuple(_read(files)))
    from layers.build import BUILD
    from stacks.application import build_application, new_app
    from stacks.environment import environment_named

    with tempfile.TemporaryDirectory(prefix="millrace-cost-") as folder:
        app = new_app(folder)
        build_application(app, environment_named(environment), layers=BUILD)
        app.synth()
        return Deployment(environment, tuple(_read(sorted(Path(folder).glob("*.template.json")))))


def _read(files: list[Path]) -> Iterator[tuple[str, Resource]]:
    for file in files:
        yield from json.loads(file.read_text())["Resources"].items()
