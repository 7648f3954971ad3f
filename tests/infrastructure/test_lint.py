"""cfn-lint has nothing to say of any environment's templates, and says what is wrong in one."""

import json
from pathlib import Path

from stacks import lint
from tests.support.templates import Templates


def test_cfn_lint_finds_nothing(every: Templates, tmp_path: Path) -> None:
    findings = []
    for name, template in every.stacks.items():
        path = tmp_path / f"{name}.template.json"
        path.write_text(json.dumps(template))
        findings += list(lint.lint(path))
    assert findings == []


def test_cfn_lint_finds_what_is_wrong(dev: Templates, tmp_path: Path) -> None:
    """What is waived by name is waived where it stands, and nowhere else."""
    template = json.loads(json.dumps(dev.stacks["consumers"]))
    function = next(one for one in template["Resources"].values() if one["Type"] == "AWS::Lambda::Function")
    function["Properties"]["MemorySize"] = "much"
    function["Properties"]["MaxConcurrency"] = 3
    path = tmp_path / "consumers.template.json"
    path.write_text(json.dumps(template))
    assert {line.split(": ", 1)[1].split()[0] for line in lint.lint(path)} == {"E3012", "E3002"}
