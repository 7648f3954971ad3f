"""`make docs`: docs/ as a site with search, by Sphinx in an environment of its own. docs/conf.py says how it looks."""

import shutil
import subprocess
import sys

from cli import bootstrap
from cli.errors import CommandError
from cli.failures import exit_code
from cli.output import err, out
from cli.places import Places, checkout

REQUIREMENTS = ("sphinx==9.0.4", "myst-parser==5.2.0", "furo==2025.12.19")
SITE = "build/docs/site"
GUIDE = "guide/README"


def build(places: Places) -> None:
    """Makes the site; a link that leads nowhere, or a page that no menu has, fails it.

    Raises:
        CommandError: Sphinx could not be installed, or the pages have mistakes, each with its file and line.
    """
    environment = places.tools / "docs-venv"
    try:
        bootstrap.ensure(environment, REQUIREMENTS, stamp=".installed", what="Sphinx", lock="docs.txt")
    except bootstrap.SetupError as error:
        raise CommandError(f"Sphinx could not be installed: {error}") from error
    command = [str(environment / "bin" / "python"), "-m", "sphinx", "--builder", "html", "--quiet"]
    # From the beginning each time: what a menu lists may have changed without the page that it is on.
    command += ["--fresh-env", "--fail-on-warning", "--doctree-dir", str(places.root / "build/docs/doctrees")]
    shutil.rmtree(places.root / SITE, ignore_errors=True)
    with err.status("making the site …"):
        done = subprocess.run(
            [*command, "docs", SITE], cwd=places.root, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise CommandError(
            done.stderr.strip().replace(f"{places.root}/", "") or f"Sphinx ended with {done.returncode}"
        )


def guide(places: Places) -> str:
    """Where the guide is: in the site, once that has been made."""
    made = f"{SITE}/{GUIDE}.html"
    return made if (places.root / made).exists() else f"docs/{GUIDE}.md (make docs makes a site of it)"


def main() -> None:
    """Makes the site and says where it is."""
    build(checkout())
    out.print(f"The site: {SITE}/index.html", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(exit_code(main))
