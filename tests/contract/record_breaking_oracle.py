"""Records what datacontract-cli says of every edit of `breaking_edits`, for `test_diff` to compare with.

The tool brings fifty packages of its own, so it is not a requirement of the tests. After a change of the edits:

    python -m venv /tmp/datacontract && /tmp/datacontract/bin/pip install datacontract-cli==1.2.8 PyYAML
    /tmp/datacontract/bin/python tests/contract/record_breaking_oracle.py
"""

import copy
import json
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def main() -> None:
    """Writes `breaking_oracle.json`."""
    import yaml
    from breaking_edits import BASE, EDITS  # type: ignore[import-not-found]
    from datacontract.data_contract import DataContract  # type: ignore[import-not-found]
    from datacontract.model.breaking import Perspective  # type: ignore[import-not-found]

    verdicts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.yaml", Path(folder) / "after.yaml"
        before.write_text(yaml.safe_dump(BASE), encoding="utf-8")
        for name, patch, _ in EDITS:
            after.write_text(yaml.safe_dump(_patched(BASE, patch)), encoding="utf-8")
            verdicts[name] = {}
            for perspective in Perspective:
                result = DataContract(data_contract_file=str(before)).breaking(
                    DataContract(data_contract_file=str(after)), perspective=perspective
                )
                verdicts[name][perspective.value] = [
                    {"path": entry.path, "rule": entry.rule_id, "change": entry.change_type.value}
                    for entry in result.entries
                    if entry.level.value == "error"
                ]
    tool = f"datacontract-cli {metadata.version('datacontract-cli')}"
    text = json.dumps({"tool": tool, "edits": verdicts}, indent=1)
    (HERE / "breaking_oracle.json").write_text(text + "\n", encoding="utf-8")


def _patched(document: Any, patch: list[dict[str, Any]]) -> Any:
    result = copy.deepcopy(document)
    for step in patch:
        *above, last = step["path"].split("/")[1:]
        target = result
        for part in above:
            target = target[int(part) if isinstance(target, list) else part]
        key = int(last) if isinstance(target, list) else last
        if step["op"] == "remove":
            del target[key]
        elif step["op"] == "add" and isinstance(target, list):
            target.insert(key, step["value"])
        else:
            target[key] = step["value"]
    return result


if __name__ == "__main__":
    main()
