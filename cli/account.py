"""What an AWS account must have before an environment is deployed to it, and what a change of stacks must not do.

Every check is one call or two, and its answer a sentence that names the way out. `make deploy` makes them before it starts
(`millrace preflight`), `millrace doctor --env` makes those of the account again.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from stacks.settings import EnvironmentSettings

Status = Literal["ok", "fail", "skipped"]
Finding = tuple[Status, str]
Client = Callable[[str], Any]
"""The name of a service → its boto3 client."""

BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
# As the rule CheckBootstrapVersion of every template has it.
MIN_BOOTSTRAP = 6
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: a new account may begin with 10.
CONCURRENCY_QUOTA = "L-B99A9384"
# For clients' calls and what they set off, beside the readers of streams and the lakehouse's workers.
API_CONCURRENCY = 10
STREAM_READERS = 4
TABLE = "AWS::DynamoDB::Table"
# The storage stack's output of what is deployed.
TYPE_SHARDS = "TypeShards"


class Account:
    """The checks of one account and region for one environment."""

    def __init__(self, client: Client, settings: EnvironmentSettings) -> None:
        """Makes no call."""
        self._client, self._settings = client, settings

    def checks(self) -> Mapping[str, Callable[[], Finding]]:
        """The checks by name, in order."""
        return {
            "bootstrap": self.bootstrap,
            "concurrency": self.concurrency,
            "training-quota": self.training_quota,
        }

    def bootstrap(self) -> Finding:
        """Whether `cdk bootstrap` was run here, by a version that is new enough."""
        way_out = "run: .venv/bin/python -m cli.local.cdk bootstrap"
        ssm = self._client("ssm")
        try:
            version = ssm.get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"]["Value"]
        except ssm.exceptions.ParameterNotFound:
            return "fail", f"this account and region are not bootstrapped for the CDK; {way_out}"
        if int(version) < MIN_BOOTSTRAP:
            return (
                "fail",
                f"the bootstrap is of version {version}, at least {MIN_BOOTSTRAP} is needed; {way_out}",
            )
        return "ok", f"version {version}"

    def concurrency(self) -> Finding:
        """Whether enough functions may run at once for streams, runs and clients not to wait for each other."""
        shards = self._settings.stream.shards or STREAM_READERS
        needed = STREAM_READERS * shards + self._settings.lakehouse.max_concurrency + API_CONCURRENCY
        limit = self._client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
        if limit >= needed:
            return "ok", f"{limit}, at least {needed} are needed"
        return "fail", (
            f"{limit} functions may run at once, {self._settings.name} needs {needed}; ask for more: aws service-quotas "
            f"request-service-quota-increase --service-code lambda --quota-code {CONCURRENCY_QUOTA} --desired-value 1000"
        )

    def training_quota(self) -> Finding:
        """Whether a training job may run at all; in a new account the quota of spot instances is 0."""
        learning = self._settings.learning
        if learning.train_in != "sagemaker":
            return "ok", "training runs in a function"
        wanted = f"{learning.instance_type} for {'spot ' if learning.managed_spot else ''}training job usage"
        pages = self._client("service-quotas").get_paginator("list_service_quotas")
        for page in pages.paginate(ServiceCode="sagemaker"):
            for quota in page["Quotas"]:
                if quota["QuotaName"] == wanted:
                    return _enough(quota, wanted, learning.max_concurrency)
        return "fail", f"there is no quota {wanted!r}: is there such an instance type in this region?"


def subscriptions(client: Client, topic: str) -> Finding:
    """Whether somebody is told of alarms: every contact has to confirm once.

    Args:
        client: of SNS.
        topic: the ARN of the alarms' topic.
    """
    pages = client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    all_of_them = [one for page in pages for one in page["Subscriptions"]]
    waiting = [one["Endpoint"] for one in all_of_them if one["SubscriptionArn"] == "PendingConfirmation"]
    if waiting:
        return "fail", f"{', '.join(sorted(waiting))} did not confirm the subscription yet"
    if not all_of_them:
        return "fail", "nobody is told of alarms; deploy with ALARM_CONTACTS=oncall@example.com"
    return "ok", ", ".join(sorted(one["Endpoint"] for one in all_of_them))


def changes(client: Client, assembly: Path) -> Finding:
    """Whether CloudFormation can carry out what the synthesized templates change in the deployed stacks.

    Args:
        client: of CloudFormation.
        assembly: the folder of `cdk synth`.
    """
    problems = []
    for path in sorted(assembly.glob("*.template.json")):
        stack = path.name.removesuffix(".template.json")
        deployed = deployed_template(client("cloudformation"), stack)
        if deployed is not None:
            template = json.loads(path.read_text())
            problems += [f"{stack}: {problem}" for problem in too_many_indexes(deployed, template)]
            problems += [f"{stack}: {problem}" for problem in fewer_shards(deployed, template)]
            problems += [
                f"{stack}: {one}" for one in used_exports(client("cloudformation"), deployed, template)
            ]
    return ("fail", "; ".join(problems)) if problems else ("ok", "")


def too_many_indexes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Tables of a template that get or lose more than one index: DynamoDB changes one at a time.

    Source: DynamoDB API Reference, UpdateTable: "You can create or delete only one global secondary index per operation."
    """
    for logical_id, table in after["Resources"].items():
        old = before["Resources"].get(logical_id)
        if table["Type"] != TABLE or old is None:
            continue
        changed = _indexes(old) ^ _indexes(table)
        if len(changed) > 1:
            yield (
                f"{logical_id} changes {len(changed)} indexes ({', '.join(sorted(changed))}), and a deploy can change one of "
                "a table: deploy them one after the other"
            )


def fewer_shards(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """A smaller `type_shards`: the events in the shards beyond would no longer be listed, nor compared."""
    old, new = _type_shards(before), _type_shards(after)
    if new < old:
        yield (
            f"type_shards is {old} in what is deployed and only ever grows, and here it is {new}: set it to {old} or more in "
            "stacks/environment.py"
        )


def used_exports(client: Any, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Outputs that are gone while a deployed stack still imports them: CloudFormation refuses to remove those."""
    for name in sorted(_exports(before) - _exports(after)):
        if importers := _importers(client, name):
            yield (
                f"the output {name} is gone, and {', '.join(importers)} still imports it; deploy twice: first without the use, "
                "keeping the output with stack.export_value(…), then without the output"
            )


def _enough(quota: Mapping[str, Any], name: str, needed: int) -> Finding:
    value = int(quota["Value"])
    if value >= needed:
        return "ok", f"{value}, at least {needed} needed"
    return "fail", (
        f"the quota {name!r} is {value}, {needed} is needed; ask for more: aws service-quotas request-service-quota-increase "
        f"--service-code sagemaker --quota-code {quota['QuotaCode']} --desired-value {needed}"
    )


def deployed_template(client: Any, stack: str) -> Mapping[str, Any] | None:
    """The template of a stack as CloudFormation has it; None if there is no such stack."""
    from botocore.exceptions import ClientError

    try:
        body = client.get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]
    except ClientError as error:
        # The only code that CloudFormation has for a stack that is not there.
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        raise
    template: Mapping[str, Any] = json.loads(body) if isinstance(body, str) else body
    return template


def _indexes(table: Mapping[str, Any]) -> set[str]:
    return {index["IndexName"] for index in table["Properties"].get("GlobalSecondaryIndexes", [])}


def _type_shards(template: Mapping[str, Any]) -> int:
    return int(template.get("Outputs", {}).get(TYPE_SHARDS, {}).get("Value", 1))


def _exports(template: Mapping[str, Any]) -> set[str]:
    outputs = template.get("Outputs", {}).values()
    return {
        output["Export"]["Name"]
        for output in outputs
        if isinstance(output.get("Export", {}).get("Name"), str)
    }


def _importers(client: Any, export: str) -> list[str]:
    from botocore.exceptions import ClientError

    try:
        pages = client.get_paginator("list_imports").paginate(ExportName=export)
        return [str(stack) for page in pages for stack in page["Imports"]]
    except ClientError as error:
        # An export that nobody imports is an error to CloudFormation.
        if error.response["Error"]["Code"] == "ValidationError":
            return []
        raise
