"""Deploys the stacks to the emulator with the real `cdk deploy`, unless they are current."""

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from cli.local import cdk, emulator
from cli.local.programs import local_aws, run, without_aws
from cli.local.steps import StepError
from cli.places import Places
from cli.target import BOOTSTRAP_STACK, Target, stacks

ACCOUNT = "000000000000"
REGION = "us-east-1"
LAYERS_SECONDS = 300.0
BOOTSTRAP_SECONDS = 120.0
# A deployment of all stacks takes well under a minute; an emulator that hangs must not block this command.
DEPLOY_SECONDS = 300.0
SOURCES = (
    *("app.py", "cdk.json", "requirements.txt", "stacks", "functions", "layers", "schemas"),
    *("state_machines", "training", "warehouse", "locks/layers.txt", "locks/training.txt"),
)
_SKIPPED = frozenset({"__pycache__", "bundle"})
_SETTLED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})


def fingerprint(root: Path, more: Sequence[str] = (sys.version, *emulator.REQUIREMENTS)) -> str:
    """A hash of everything that a deployment depends on: sources, contracts, requirements, the interpreter."""
    digest = hashlib.sha256("\0".join(more).encode())
    for file in _files(root, SOURCES):
        digest.update(f"\0{file.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _files(root: Path, names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        top = root / name
        files = sorted(top.rglob("*")) if top.is_dir() else [top]
        yield from (
            file
            for file in files
            if file.is_file()
            and not _SKIPPED & set(file.relative_to(root).parts)
            and not any(part.endswith(".egg-info") for part in file.parts)
        )


def identities(deployed: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What identifies the state of each stack: its id, last change and status."""
    return {stack["name"]: [str(stack["id"]), str(stack["changedAt"]), stack["status"]] for stack in deployed}


def is_current(places: Places, wanted: str, deployed: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the last deployment was of these sources, and the emulator still holds its stacks."""
    try:
        recorded = orjson.loads(places.deployed.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return False
    if not deployed or any(stack["status"] not in _SETTLED for stack in deployed):
        return False
    return bool(recorded == {"fingerprint": wanted, "stacks": identities(deployed)})


def record_deployment(places: Places, wanted: str, deployed: Sequence[Mapping[str, Any]]) -> None:
    """Records the deployment, for `is_current`."""
    places.deployed.write_bytes(orjson.dumps({"fingerprint": wanted, "stacks": identities(deployed)}))


def build_layers(places: Places) -> None:
    """Builds the layers for this interpreter; current ones are kept.

    Raises:
        StepError: a layer could not be built.
    """
    run(
        [str(places.bin / "python"), "-m", "layers.build", "--env", "local"],
        cwd=places.root,
        env=cdk.environment(places, os.environ),
        log=places.log / "layers.log",
        seconds=LAYERS_SECONDS,
        what="the build of the layers",
        way_out="Correct what it names (millrace contracts lint checks that alone), or check the network; then run make up again.",
    )


def bootstrap(places: Places, target: Target) -> bool:
    """Runs `cdk bootstrap` once for this emulator; False if that was done before."""
    client = target.client("cloudformation")
    status = {stack["StackName"]: stack["StackStatus"] for stack in client.describe_stacks()["Stacks"]}
    if status.get(BOOTSTRAP_STACK) in _SETTLED:
        return False
    if BOOTSTRAP_STACK in status:
        # A failed stack prevents the next attempt.
        client.delete_stack(StackName=BOOTSTRAP_STACK)
    arguments = ["bootstrap", f"aws://{ACCOUNT}/{REGION}"]
    # Beside an application the CDK would synthesize it first, to look for more environments.
    _cdk(places, target, arguments, "cdk-bootstrap.log", BOOTSTRAP_SECONDS, folder=places.local)
    return True


def deploy(places: Places, target: Target) -> None:
    """Runs `cdk deploy` of every stack.

    Raises:
        StepError: it failed, or took longer than five minutes.
    """
    arguments = [
        "deploy",
        "--all",
        "--require-approval",
        "never",
        "--progress",
        "events",
        "--concurrency",
        "2",
        "-c",
        "env=local",
        "--output",
        str(places.assembly),
    ]
    _cdk(places, target, arguments, "cdk-deploy.log", DEPLOY_SECONDS, folder=places.root)
    # Copies of what is deployed; the templates stay.
    for copy in (*places.assembly.glob("asset.*"), places.assembly / ".cache"):
        shutil.rmtree(copy, ignore_errors=True) if copy.is_dir() else copy.unlink(missing_ok=True)


def _cdk(
    places: Places, target: Target, arguments: Sequence[str], log: str, seconds: float, *, folder: Path
) -> None:
    environment = cdk.environment(places, {**without_aws(os.environ), **local_aws(target.endpoint or "")})
    run(
        cdk.command(places, arguments),
        cwd=folder,
        env=environment,
        log=places.log / log,
        seconds=seconds,
        what=f"cdk {arguments[0]}",
        way_out="Fix what the log reports and run make up again; to start afresh: make reset, then make up.",
    )


def outputs(deployed: Iterable[Mapping[str, Any]], port: int) -> dict[str, str]:
    """Every stack output by name, with the API's address in the form that every client can resolve.

    Raises:
        StepError: no stack has an `ApiUrl`.
    """
    flat = {name: here(value, port) for stack in deployed for name, value in stack["outputs"].items()}
    if "ApiUrl" not in flat:
        raise StepError("no stack has an output ApiUrl", way_out="To start afresh: make reset, then make up.")
    return {**flat, "ApiUrl": local_api_url(flat["ApiUrl"], port)}


def local_api_url(url: str, port: int) -> str:
    """`https://<id>.execute-api.<host>/…` as `http://localhost:<port>/_aws/execute-api/<id>/$default`."""
    api_id = (urlsplit(url).hostname or "").split(".", 1)[0]
    return f"http://localhost:{port}/_aws/execute-api/{api_id}/$default"


def here(value: str, port: int) -> str:
    """An address of the emulator with its current port: a stack's output has the port of its deployment."""
    return re.sub(r"^(https?://(?:localhost|127\.0\.0\.1)):\d+", rf"\1:{port}", value)


def deployed(target: Target) -> list[dict[str, Any]]:
    """The platform's stacks that the emulator holds."""
    return stacks(target)
