"""What a model must reach on held-out time before it may be deployed."""

from collections.abc import Mapping
from dataclasses import dataclass

from millrace.training.metrics import Metrics

LEAST: Mapping[str, float] = {"precision": 0.80, "recall": 0.70, "f1": 0.75}


@dataclass(frozen=True, slots=True)
class Gate:
    """One figure against what it must be at least."""

    name: str
    least: float
    value: float

    @property
    def passed(self) -> bool:
        return self.value >= self.least

    def __str__(self) -> str:
        if self.passed:
            return f"{self.name} {self.value:.3f} ≥ {self.least:.2f}"
        return f"{self.name} {self.value:.3f} is {self.least - self.value:.3f} below {self.least:.2f}"


def gates(metrics: Metrics) -> tuple[Gate, ...]:
    """Every gate; all must be passed."""
    return tuple(Gate(name, least, getattr(metrics, name)) for name, least in LEAST.items())
