"""Which platform a command talks to: the local one of this checkout, or one in AWS named by `--env`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from cli import sign_in
from cli.errors import NoPlatformError, RefusedError, UsageError
from cli.places import around, being_changed

ENVIRONMENTS = ("local", "dev", "staging", "prod")
FIRST_ORG = "org_acme"
# The sample events of `make up` are this tenant's, so that no figure of a user's own tenant has them in it.
SAMPLE_ORG = "org_demo"
LOCAL_REGION = "us-east-1"
BOOTSTRAP_STACK = "CDKToolkit"


@dataclass(frozen=True, slots=True)
class Target:
    """A deployed platform."""

    env: str
    api_url: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def endpoint(self) -> str | None:
        """Where the AWS APIs of this platform answer; None is AWS itself."""
        if self.env == "local":
            # By number: the name localhost may resolve to IPv6 first, where nothing listens.
            return f"http://127.0.0.1:{urlsplit(self.api_url).port}"
        return os.environ.get("AWS_ENDPOINT_URL") or None

    def client(self, service: str, *, read_seconds: int = 30, attempts: int = 3) -> Any:
        """A boto3 client for the services of this platform."""
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=3,
            read_timeout=read_seconds,
            retries={"mode": "standard", "total_max_attempts": attempts},
        )
        if self.env != "local":
            return boto3.client(service, endpoint_url=self.endpoint, config=config)
        # A session of its own, so that no profile or region of the user applies.
        session = boto3.Session(
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  the emulator takes any
            region_name=LOCAL_REGION,
        )
        return session.client(service, endpoint_url=self.endpoint, config=config)

    def output(self, name: str) -> str:
        """A stack output by name (`MetadataTable`, `LakeBucket`).

        Raises:
            NoPlatformError: no deployed stack of this environment has it.
        """
        value = self.outputs.get(name) or _stack_outputs(self).get(name)
        if not value:
            start = "make up" if self.env == "local" else f"make deploy ENV={self.env}"
            raise NoPlatformError(f"no stack of {self.env} has an output {name}. Deploy it with: {start}")
        return value


def unsigned(service: str, region: str) -> Any:
    """A client for calls of AWS that need no rights."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(signature_version=UNSIGNED, connect_timeout=3, read_timeout=30)
    return boto3.client(service, region_name=region, config=config)


def find_target(env: str | None, *, key_needed: bool = True) -> Target:
    """The platform that `--env` names, by default the local one.

    Args:
        env: the environment.
        key_needed: whether a key, a token or a kept sign-in must be there outside of local.

    Raises:
        UsageError: no such environment, or its address or key is not given.
        NoPlatformError: no local platform was started from here.
    """
    name = env or "local"
    if name not in ENVIRONMENTS:
        raise UsageError(f"--env is one of {', '.join(ENVIRONMENTS)}, not {name}")
    if name == "local":
        return _local()
    url, key = os.environ.get("MILLRACE_API_URL", ""), os.environ.get("MILLRACE_API_KEY", "")
    known = key or sign_in.given() or sign_in.kept(name)
    if not url or (key_needed and not known):
        raise UsageError(
            f"--env {name} needs MILLRACE_API_URL (the ApiUrl output), and MILLRACE_API_KEY (mk_…) or millrace login"
        )
    return Target(name, url.rstrip("/"), keys={"": key} if key else {})


def _local() -> Target:
    places = around()
    if places is None:
        if being_changed():
            raise NoPlatformError("make up or make down is at work here; wait for its end")
        raise NoPlatformError("there is no local platform here. Start one in the checkout: make up")
    outputs = _read(places.outputs)
    keys = {
        name: key
        for file in (places.sample_keys, places.keys)
        if file.exists()
        for name, key in _read(file).items()
    }
    if "ApiUrl" not in outputs:
        raise NoPlatformError(f"{places.outputs} names no ApiUrl. Deploy again: make up")
    return Target("local", outputs["ApiUrl"].rstrip("/"), outputs, keys)


def _read(path: Path) -> dict[str, str]:
    try:
        document = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise NoPlatformError(
            f"{path} cannot be read ({error}). Start the platform again: make up"
        ) from error
    if not isinstance(document, dict):
        raise NoPlatformError(f"{path} is not what make up writes. Start the platform again: make up")
    return {str(name): str(value) for name, value in document.items()}


def stacks(target: Target) -> list[dict[str, Any]]:
    """The deployed stacks of this environment: name, status, id, when last changed, outputs.

    Raises:
        RefusedError: CloudFormation did not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

    try:
        client = target.client("cloudformation")
        pages = client.get_paginator("describe_stacks").paginate()
        everything = [stack for page in pages for stack in page["Stacks"]]
    except EndpointConnectionError:
        # Without a platform every command ends with the same message; see `cli.main`.
        raise
    except (BotoCoreError, ClientError) as error:
        raise RefusedError(f"CloudFormation did not list the stacks: {error}") from error
    mine = [stack for stack in everything if belongs(stack, target.env)]
    return [
        {
            "name": stack["StackName"],
            "status": stack["StackStatus"],
            "id": stack["StackId"],
            "changedAt": stack.get("LastUpdatedTime") or stack.get("CreationTime"),
            "outputs": {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])},
        }
        for stack in sorted(mine, key=lambda stack: str(stack["StackName"]))
    ]


def deployed_function(target: Target, stem: str) -> str:
    """The name in the AWS account of a function of `functions/`.

    Raises:
        UsageError: no stack of this environment has such a function.
        RefusedError: CloudFormation did not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

    prefix = f"{stem.replace('_', '')}Function"
    try:
        pages = target.client("cloudformation").get_paginator("list_stack_resources")
        for stack in stacks(target):
            for page in pages.paginate(StackName=stack["name"]):
                for resource in page["StackResourceSummaries"]:
                    is_function = resource["ResourceType"] == "AWS::Lambda::Function"
                    if is_function and resource["LogicalResourceId"].startswith(prefix):
                        return str(resource["PhysicalResourceId"])
    except EndpointConnectionError:
        # Without a platform every command ends with the same message; see `cli.main`.
        raise
    except (BotoCoreError, ClientError) as error:
        raise RefusedError(f"CloudFormation did not list the functions: {error}") from error
    raise UsageError(f"{target.env} has no function {stem}; functions/ has their names")


def belongs(stack: Mapping[str, Any], env: str) -> bool:
    """Whether a stack belongs to the platform in that environment: `Millrace-<env>-…`, and not deleted."""
    name = str(stack["StackName"]).lower()
    return name.startswith(f"millrace-{env}") and stack["StackStatus"] != "DELETE_COMPLETE"


def _stack_outputs(target: Target) -> dict[str, str]:
    return {name: value for stack in stacks(target) for name, value in stack["outputs"].items()}
