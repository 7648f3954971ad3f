"""The engines: each in an environment of its own below `build/interop`, as a process that answers questions.

What an engine needs and this machine lacks (a Java, Maven, a download) is the reason why it is skipped, never a failure.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from cli import bootstrap
from tests.interop.readers.facts import MARK

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "interop"
REQUIREMENTS = Path(__file__).parent / "requirements"
ENGINES = ("pyiceberg", "duckdb", "polars", "spark", "trino")
MAVEN_SECONDS = 1200
ICEBERG = ("iceberg-spark-runtime-4.0_2.13", "iceberg-aws-bundle")
# Spark 4.0 is made for these Javas; Trino 476 wants 24 or newer.
SPARK_JAVA, TRINO_JAVA = range(17, 22), range(24, 100)
# Of a server of one node that reads Iceberg, not the fifty other plugins.
TRINO_PARTS = ("bin", "lib", "plugin/iceberg")


class MissingError(Exception):
    """This machine cannot run the engine; the message says why."""


@dataclass
class Engine:
    """A running engine."""

    name: str
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, name: str, endpoint: str) -> Self:
        """An engine that reads the lake of an emulator.

        Raises:
            MissingError: it cannot run here.
        """
        environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PYTHON"))},
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "TZ": "UTC",
            **_needs(name),
        }
        python = _environment(name)
        log = (BUILD / f"{name}.log").open("w")
        with log:
            process = subprocess.Popen(
                [python, "-m", f"tests.interop.readers.read_{name}"],
                cwd=ROOT,
                env=environ,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        return cls(name, process)

    @cached_property
    def version(self) -> str:
        """As it says itself."""
        return str(self._answer()["version"])

    def ask(self, questions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Its answers, each `{"facts"}` or `{"error"}`."""
        assert self.version
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(questions) + "\n")
        self.process.stdin.flush()
        answers: list[dict[str, Any]] = self._answer()
        return answers

    def stop(self) -> None:
        """Ends it and what it started."""
        self.process.communicate(timeout=90)

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(MARK):
                return json.loads(line.removeprefix(MARK))
        raise RuntimeError(f"{self.name} ended; see {(BUILD / f'{self.name}.log').relative_to(ROOT)}")


def _environment(name: str) -> Path:
    folder = BUILD / name
    BUILD.mkdir(parents=True, exist_ok=True)
    requirements = bootstrap.pins(REQUIREMENTS / f"{name}.txt")
    try:
        bootstrap.ensure(folder, requirements, stamp=".installed", what=name)
    except bootstrap.SetupError as error:
        raise MissingError(f"it could not be installed: {str(error).splitlines()[0]}") from error
    return folder / "bin" / "python"


def _needs(name: str) -> dict[str, str]:
    """Variables of its environment, which name what it needs besides Python."""
    if name == "spark":
        jars = [str(_artifact(artifact)) for artifact in ICEBERG]
        return {"JARS": ",".join(jars), "JAVA_HOME": str(_java(SPARK_JAVA))}
    if name == "trino":
        java = _java(TRINO_JAVA)
        return {
            "TRINO_HOME": str(_unpacked(_artifact("trino-server"))),
            "TRINO_FOLDER": str(BUILD / "trino-node"),
            "JAVA_HOME": str(java),
            "PATH": os.pathsep.join((str(java / "bin"), os.environ["PATH"])),
        }
    return {}


def _java(releases: range) -> Path:
    """The home of a Java of one of these releases: JAVA_HOME, the one that is found first, or a system's others."""
    first = shutil.which("java")
    homes = [Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    homes += [Path(first).resolve().parents[1]] if first else []
    for home in (*homes, *sorted(Path("/usr/lib/jvm").glob("*"))):
        program = home / "bin" / "java"
        if program.exists():
            printed = subprocess.run(
                [program, "-version"], capture_output=True, text=True, check=False
            ).stderr
            release = re.search(r'version "(\d+)', printed)
            if release and int(release[1]) in releases:
                return home
    raise MissingError(f"no Java {releases.start} to {releases.stop - 1} here")


def _artifact(artifact: str) -> Path:
    """The file of an artifact, fetched by Maven once."""
    line = next(
        line for line in (REQUIREMENTS / "maven.txt").read_text().splitlines() if f":{artifact}:" in line
    )
    coordinates, wanted = line.split()
    _, name, version, kind = coordinates.split(":")
    path = BUILD / "maven" / f"{name}-{version}.{kind}"
    if not path.exists():
        _fetch(coordinates, path.parent)
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != wanted:
        path.unlink()
        raise MissingError(f"{coordinates} has the sha256 {actual}")
    return path


def _fetch(coordinates: str, folder: Path) -> None:
    if shutil.which("mvn") is None:
        raise MissingError("no Maven here")
    plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
    command = ["mvn", "-q", "-B", plugin, f"-Dartifact={coordinates}", f"-DoutputDirectory={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=MAVEN_SECONDS, check=False)
    if done.returncode:
        errors = [line for line in done.stdout.splitlines() if "Could not" in line or "ERROR" in line]
        raise MissingError(f"Maven has no {coordinates}: {errors[0][:200] if errors else done.stdout[-200:]}")


def _unpacked(archive: Path) -> Path:
    """The folder of Trino's server, with the parts that are needed."""
    home = BUILD / archive.name.removesuffix(".tar.gz")
    if not (home / ".unpacked").exists():
        shutil.rmtree(home, ignore_errors=True)
        with tarfile.open(archive) as packed:
            packed.extractall(BUILD, _parts(packed), filter="data")
        (home / ".unpacked").touch()
    return home


def _parts(packed: tarfile.TarFile) -> list[tarfile.TarInfo]:
    wanted = []
    for member in packed.getmembers():
        inside = member.name.partition("/")[2]
        if any(inside == part or inside.startswith(f"{part}/") for part in TRINO_PARTS):
            wanted.append(member)
    return wanted
