"""`millrace train`: where the result of a tenant is found."""

from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from cli.commands.train import training_result
from cli.errors import RefusedError
from cli.target import Target

RUN = "train_model-20261121-1"
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:train_model"


class States:
    """Executions by their ARN, with their outputs."""

    def __init__(self, outputs: dict[str, Any]) -> None:
        self.outputs = outputs

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803  as boto3 has it
        return {"output": orjson.dumps(self.outputs[executionArn]).decode()}


def test_a_tenant_s_result_is_in_the_execution_of_its_portion() -> None:
    globex = {"org": "org_globex", "status": "refused", "why": "too few days", "models": []}
    outputs: dict[str, Any] = {
        f"{MACHINE.replace('stateMachine', 'execution')}:{RUN}": {"runId": RUN, "executions": ["one", "two"]},
        "one": {"trainings": [{"org": "org_acme", "status": "deployed"}]},
        "two": {"trainings": [{"org": "org_initech", "status": "deployed"}, globex]},
    }
    target = cast(
        "Target", SimpleNamespace(client=lambda _: States(outputs), output={"TrainModelMachine": MACHINE}.get)
    )
    assert training_result(target, RUN, "org_globex") == globex
    with pytest.raises(RefusedError, match="no result for org_umbrella"):
        training_result(target, RUN, "org_umbrella")
