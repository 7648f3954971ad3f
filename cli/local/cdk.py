"""The CDK command line: Node from its wheel, the CLI from npm as `npm/package-lock.json` has it, below `.local/cdk`.

`python -m cli.local.cdk synth -c env=dev` runs it with the arguments given; the Makefile does so.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from cli import bootstrap
from cli.errors import CommandError
from cli.local.programs import run
from cli.output import complain
from cli.places import Places, checkout
from millrace.core.errors import MillraceError

# Version and hash of the CLI, without the address of a registry. npm's `latest` is 3.0.0, which refuses the library's cloud
# assembly.
PACKAGE = Path(__file__).parent / "npm"
FILES = ("package.json", "package-lock.json")
INSTALL_SECONDS = 300.0


def install(places: Places) -> None:
    """Installs the CLI if it is missing.

    Raises:
        StepError: npm failed.
    """
    stamp, lock = places.cdk / ".installed", (PACKAGE / "package-lock.json").read_text()
    if (
        stamp.exists()
        and stamp.read_text() == lock
        and (places.cdk / "node_modules" / ".bin" / "cdk").exists()
    ):
        return
    places.cdk.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    # A package of its own: otherwise npm searches parent folders for one and writes there.
    for name in FILES:
        shutil.copyfile(PACKAGE / name, places.cdk / name)
    arguments = ["ci", "--no-audit", "--no-fund", "--loglevel=error"]
    run(
        [str(places.bin / "npm"), *arguments],
        cwd=places.cdk,
        env=environment(places, os.environ),
        log=places.log / "npm.log",
        seconds=INSTALL_SECONDS,
        what="npm ci",
        way_out="Check the network, then run the same command again to continue.",
    )
    stamp.write_text(lock)


def environment(places: Places, base: Mapping[str, str]) -> dict[str, str]:
    """An environment in which `node` and `python` are those of `.venv`, with all usage reports off."""
    return {
        **base,
        "PATH": os.pathsep.join((str(places.bin), base.get("PATH", os.defpath))),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "NO_UPDATE_NOTIFIER": "1",
    }


def command(places: Places, arguments: Sequence[str]) -> list[str]:
    """The CLI with arguments."""
    return [str(places.cdk / "node_modules" / ".bin" / "cdk"), "--no-notices", *arguments]


def check_settings(arguments: Sequence[str]) -> None:
    """Refuses wrong settings before Node and the CDK are started, which would show them below a stack trace.

    Raises:
        SettingsError: of the environment that is to be synthesized.
    """
    if "--app" in arguments or "env" not in (context := _context(arguments)):
        return
    from stacks.environment import to_deploy

    to_deploy(context["env"], alarm_contacts=context.get("alarm-contacts", ""))


def _context(arguments: Sequence[str]) -> dict[str, str]:
    given = (value.partition("=") for option, value in pairwise(arguments) if option in ("-c", "--context"))
    return {name: value for name, _, value in given}


def main(arguments: Sequence[str]) -> int:
    """Runs the CLI for `make synth` and `make deploy`."""
    places = checkout()
    try:
        check_settings(arguments)
        install(places)
    except (CommandError, MillraceError, bootstrap.SetupError) as error:
        complain(str(error))
        return 1
    try:
        done = subprocess.run(
            command(places, arguments), cwd=places.root, env=environment(places, os.environ), check=False
        )
    except KeyboardInterrupt:
        return 130
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
