"""dbt's own virtual environment: it needs other versions of packages that the platform uses."""

import os
from collections.abc import Mapping
from pathlib import Path

from cli import bootstrap
from cli.errors import RefusedError
from cli.places import Places


def ensure(places: Places) -> Path:
    """The `dbt` program, installed from `warehouse/requirements.txt` if it is missing.

    Raises:
        RefusedError: it could not be installed.
    """
    requirements = bootstrap.pins(places.root / "warehouse" / "requirements.txt")
    folder = places.tools / "dbt-venv"
    try:
        bootstrap.ensure(folder, requirements, stamp=".installed", what="dbt", lock="dbt.txt")
    except bootstrap.SetupError as error:
        raise RefusedError(f"dbt could not be installed: {error}") from error
    return folder / "bin" / "dbt"


def variables(database: Path) -> Mapping[str, str]:
    """The environment variables of dbt: this database, and no usage reports."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "PYTHON"))}
    return {
        **ours,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "MILLRACE_WAREHOUSE": str(database),
        "PYTHONUTF8": "1",
    }
