"""`make notebook`: JupyterLab on the examples, bound to 127.0.0.1, in an environment of its own, until Ctrl-C."""

import os
import sys
from collections.abc import Mapping
from typing import NoReturn

from cli import bootstrap
from cli.errors import CommandError, UsageError
from cli.failures import exit_code
from cli.local import emulator
from cli.places import Places, checkout, port, port_of
from cli.target import LOCAL_REGION

DEFAULT_PORT = 8888
FOLDER = "examples/notebooks"
FIRST = "transactions.ipynb"
# What a notebook reads the platform with, of the versions that the platform has.
_SHARED = frozenset(
    {
        *(
            "boto3",
            "duckdb",
            "duckdb-extension-httpfs",
            "jsonschema-rs",
            "numpy",
            "orjson",
            "pandas",
            "pyarrow",
        ),
        *("pydantic", "pyiceberg", "pytz", "PyYAML", "scikit-learn", "urllib3", "zstandard"),
    }
)
_OWN = ("jupyterlab==4.6.6", "matplotlib==3.11.2")


def requirements() -> list[str]:
    """What is installed, `name==version` each."""
    pinned = bootstrap.pins(bootstrap.ROOT / bootstrap.FILES["dev"])
    return [*_OWN, *(pin for pin in pinned if pin.partition("==")[0].partition("[")[0] in _SHARED)]


def command(python: str, number: int) -> list[str]:
    """The server's command line: reachable from this machine only, by its token; nothing is asked of the network."""
    settings: dict[str, dict[str, object]] = {
        "ServerApp": {
            "ip": "127.0.0.1",
            "port": number,
            "root_dir": FOLDER,
            "answer_yes": True,
            "allow_root": True,
        },
        "LabApp": {
            "default_url": f"/lab/tree/{FIRST}",
            "check_for_updates_class": "jupyterlab.handlers.announcements.NeverCheckForUpdate",
        },
        # The address is said at any level.
        "Application": {"log_level": "WARN"},
    }
    return [
        *(python, "-m", "jupyterlab"),
        *(f"--{of}.{name}={value}" for of, values in settings.items() for name, value in values.items()),
    ]


def environ(given: Mapping[str, str], places: Places) -> dict[str, str]:
    """The environment of the kernels: the platform's code, and the local platform unless another one is named."""
    local = {
        "AWS_ENDPOINT_URL": emulator.endpoint(port(places)),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": LOCAL_REGION,
    }
    named = {"AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL"} & set(given)
    code = {"PYTHONPATH": str(places.root / "layers/millrace/python")}
    return {**({} if named else local), **given, **code}


def start(places: Places) -> NoReturn:
    """Installs JupyterLab and becomes its server.

    Raises:
        CommandError: it could not be installed, or a port is none.
    """
    environment = places.tools / "notebook-venv"
    try:
        number, given = port_of("NOTEBOOK_PORT", DEFAULT_PORT), environ(os.environ, places)
    except ValueError as error:
        raise UsageError(str(error)) from error
    try:
        bootstrap.ensure(
            environment, requirements(), stamp=".installed", what="JupyterLab", lock="notebook.txt"
        )
    except bootstrap.SetupError as error:
        raise CommandError(f"JupyterLab could not be installed: {error}") from error
    os.chdir(places.root)
    python = str(environment / "bin" / "python")
    os.execve(python, command(python, number), given)  # noqa: S606  a program of ours, by argument list


if __name__ == "__main__":
    sys.exit(exit_code(lambda: start(checkout())))
