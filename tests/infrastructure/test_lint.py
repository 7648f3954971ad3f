"""cfn-lint has nothing to say of the templates, and says what is wrong in one.

Of prod, which has every kind of resource, and of local, which has others in some places; `make lint` takes every environment.
"""

import json
from pathlib import Path

import pytest

from stacks import lint
from tests.support.templates import STACKS, Templates, templates

# Empties the buckets of environments that keep nothing.
ONLY_ELSEWHERE = {"Custom::S3AutoDeleteObjects"}


@pytest.mark.parametrize("environment", ["prod", "local"])
def test_cfn_lint_finds_nothing(environment: str, tmp_path: Path) -> None:
    findings = []
    for name, template in templates(environment).stacks.items():
        path = tmp_path / f"{name}.template.json"
        path.write_text(json.dumps(template))
        findings += list(lint.lint(path, (*lint.IGNORED, *lint.DATED)))
    assert findings == []


def test_prod_has_every_kind_of_resource(every: Templates) -> None:
    kinds = {one["Type"] for stack in STACKS for one in every.stacks[stack]["Resources"].values()}
    more = kinds - {
        one["Type"] for stack in templates("prod").stacks.values() for one in stack["Resources"].values()
    }
    assert more <= ONLY_ELSEWHERE, f"{every.environment} has {more}, which no test lints"


def test_cfn_lint_finds_what_is_wrong(dev: Templates, tmp_path: Path) -> None:
    """What is waived by name is waived where it stands, and nowhere else."""
    template = json.loads(json.dumps(dev.stacks["consumers"]))
    function = next(one for one in template["Resources"].values() if one["Type"] == "AWS::Lambda::Function")
    function["Properties"]["MemorySize"] = "much"
    function["Properties"]["MaxConcurrency"] = 3
    path = tmp_path / "consumers.template.json"
    path.write_text(json.dumps(template))
    assert {line.split(": ", 1)[1].split()[0] for line in lint.lint(path)} == {"E3012", "E3002"}
