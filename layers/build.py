"""Assembles the layers of the deployed functions under `build/layers`.

The platform's own layer (our code and the compiled contracts) is assembled at every synth, offline and in about a
second. The third-party layers come from uv, in a step of their own: `python -m layers.build --env local` builds
for this interpreter, any other environment for Lambda (python3.13, arm64).
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli import bootstrap
from layers import bytecode
from layers.bytecode import LAMBDA_PYTHON
from millrace.compiler.bundle import assemble
from millrace.compiler.places import located
from millrace.compiler.warehouse.errors import WarehouseError
from millrace.contracts.errors import ContractError

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "layers" / "millrace" / "python"
SCHEMAS = ROOT / "schemas"
WAREHOUSE = ROOT / "warehouse"
BUILD = ROOT / "build" / "layers"
THIRD_PARTY = (
    "runtime",
    "lake",
    "registry",
    "duckdb",
    "iceberg",
    "onnx",
    "mlflow",
    "sketches",
    "policies",
    "privacy",
    "avro",
    "postgres",
)
# Of the laptop only, and attached to no function: on AWS the training container installs the same requirements. With
# runtime, lake and onnx it is more than Lambda takes, and the local platform refuses that on an update.
LOCAL_ONLY = ("training",)
# Which of them one function attaches, beside our own. DuckDB and pyiceberg (with Arrow) do not fit into one.
SETS = (
    ("runtime", "lake"),
    ("runtime", "registry"),
    ("runtime", "privacy"),
    ("runtime", "policies"),
    ("runtime", "policies", "privacy"),
    ("runtime", "onnx"),
    ("runtime", "onnx", "privacy"),
    ("runtime", "sketches"),
    ("runtime", "sketches", "privacy"),
    ("runtime", "duckdb"),
    ("runtime", "duckdb", "avro"),
    ("runtime", "duckdb", "privacy"),
    ("runtime", "duckdb", "sketches"),
    ("runtime", "lake", "duckdb"),
    ("runtime", "mlflow"),
    ("runtime", "privacy", "postgres"),
    ("runtime", "lake", "privacy"),
    ("runtime", "lake", "iceberg"),
    ("runtime", "lake", "iceberg", "privacy"),
)
# python3.13 on Lambda is Amazon Linux 2023 (glibc 2.34), which runs wheels of this tag and of older ones.
LAMBDA_PLATFORM = "aarch64-manylinux_2_28"
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: function and layers together, unzipped.
UNZIPPED_LIMIT = 250 * 1024 * 1024
# What no function runs. libarrow_substrait looks like one of these, but the core of Arrow links it.
TRIMMED_FOLDERS = frozenset({"__pycache__", "tests", "include", "bin"})
TRIMMED_FILES = (
    ".lock",  # uv's own
    "libarrow_flight*",
    "libarrow_python_flight*",
    "_flight*",
    # Copies of libarrow_python.so.<major>, the name by which it is loaded: a wheel holds no links.
    "libarrow_python.so",
    "libarrow_python.so.*.*",
    "*.pxd",
    "*.pyx",
    "*.pxi",
    "*.h",
    "*.a",
)
# AWS's SDK is in the runtime layer, as the tests have it, and not what Lambda brings and changes. No other layer has it.
SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3")
# Of botocore's descriptions of 400 services, 25 MB, those that functions call.
SERVICES = frozenset(
    {"cognito-idp", "dynamodb", "events", "glue", "kinesis", "kms"}
    | {"s3", "sagemaker", "secretsmanager", "sqs", "ssm", "stepfunctions", "sts"}
)
# What a layer's requirements bring along and none of its functions imports, or the runtime layer has already: two
# versions of one package must not meet in /opt/python.
_PYDANTIC = ("pydantic", "pydantic_core", "annotated_types", "typing_inspection", "typing_extensions.py")
WITHOUT = {
    # Its second backend, for interpreters that are not CPython.
    "runtime": ("zstandard/_cffi.*",),
    # Lists of numbers that belong to no person.
    "privacy": ("stdnum/oui.dat", "stdnum/imsi.dat"),
    "registry": _PYDANTIC,
    # Of onnxruntime's requirements only numpy is imported to score; the rest is for its tools.
    "onnx": ("google", "flatbuffers", "packaging"),
    # The other layers of its function have these.
    "training": (
        *("numpy", "numpy.libs", "onnxruntime"),
        *("pyarrow", "pyarrow.libs", "orjson", "typing_extensions.py"),
    ),
    # Of a client, not of a server.
    "mlflow": (
        *_PYDANTIC,
        *("uvicorn", "h11", "git", "gitdb", "smmap", "dotenv"),
        *("cryptography", "cffi", "pycparser", "pyasn1", "pyasn1_modules"),
    ),
    "iceberg": (
        *_PYDANTIC,
        *("zstandard", "pygments", "markdown_it", "mdurl"),
        *("click", "fsspec", "requests", "certifi", "charset_normalizer", "idna", "tenacity", "tzdata"),
        *("hive_metastore", "fb303"),
    ),
}


class BuildError(Exception):
    """A layer cannot be built as asked."""


@dataclass(frozen=True)
class Layer:
    """A layer's folder (with `python/` in it), whether it holds what it should, and a hash of what it is made of."""

    name: str
    path: Path
    built: bool
    revision: str

    @property
    def code(self) -> Path:
        """What is deployed: the folder, or the archive of it that `install` has made."""
        archive = _archive(self.path)
        return archive if archive.exists() else self.path


def platform_layer(
    environment: str = "local",
    *,
    build: Path = BUILD,
    source: Path = SOURCE,
    schemas: Path = SCHEMAS,
    warehouse: Path = WAREHOUSE,
) -> Layer:
    """Our own code with what was compiled in `millrace/bundle`; reassembled only when some of it has changed.

    For Lambda it is bytecode, too, where Lambda's version of Python is on the path.
    """
    for_lambda = environment != "local" and bytecode.interpreter() is not None
    parts = [file for folder in (source, schemas, warehouse) for file in _source_files(folder)]
    revision = _hash_files(parts, relative_to=source.parent, more="compiled" if for_lambda else "")
    target = build / ("millrace-lambda" if for_lambda else "millrace")
    stamp = _stamp(target)
    if not (target.is_dir() and _read(stamp) == revision):
        build.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=build, prefix=".millrace-") as folder:
            fresh = Path(folder) / "layer"
            shutil.copytree(
                source, fresh / "python", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "bundle")
            )
            assemble(schemas, warehouse, fresh / "python" / "millrace" / "bundle")
            if for_lambda:
                bytecode.compile_folder(fresh / "python")
            _replace(fresh, target)
        stamp.write_text(revision)
    return Layer("millrace", target, built=True, revision=revision)


def third_party(environment: str) -> tuple[str, ...]:
    """The names of an environment's third-party layers."""
    return (*THIRD_PARTY, *LOCAL_ONLY) if environment == "local" else THIRD_PARTY


def third_party_layer(name: str, environment: str, *, build: Path = BUILD) -> Layer:
    """The built layer, or a placeholder that holds the requirements only, so that synth needs no network."""
    revision = _requirements_revision(name, environment)
    target = build / f"{name}-{_target(environment)}"
    packed = environment != "local" or _archive(target).exists()
    if _read(_stamp(target)) == revision and (target / "python").is_dir() and packed:
        return Layer(name, target, built=True, revision=revision)
    placeholder = build / f"{name}-unbuilt"
    placeholder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_requirements(name), placeholder / "requirements.txt")
    return Layer(name, placeholder, built=False, revision=revision)


def install(name: str, environment: str, *, build: Path = BUILD) -> Layer:
    """Installs and trims a third-party layer, unless what is there was made from the same requirements.

    Raises:
        BuildError: uv could not install the requirements.
    """
    layer = third_party_layer(name, environment, build=build)
    if layer.built:
        return layer
    with _alone(build, name):
        # Another one may have built it meanwhile.
        layer = third_party_layer(name, environment, build=build)
        return layer if layer.built else _install(layer, name, environment, build)


@contextmanager
def _alone(build: Path, name: str) -> Iterator[None]:
    """One build of a layer at a time in a checkout: two would take each other's files away."""
    build.mkdir(parents=True, exist_ok=True)
    with (build / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(layer: Layer, name: str, environment: str, build: Path) -> Layer:
    target = build / f"{name}-{_target(environment)}"
    with tempfile.TemporaryDirectory(dir=build, prefix=f".{name}-") as folder:
        fresh = Path(folder) / "layer"
        options = ["--only-binary=:all:", "--target", str(fresh / "python")]
        if environment != "local":
            options += ["--python-version", LAMBDA_PYTHON, "--python-platform", LAMBDA_PLATFORM]
        pins = bootstrap.pins(_requirements(name))
        try:
            bootstrap.install_by_uv(Path(sys.executable), pins, lock=_lock(name), options=options)
        except bootstrap.SetupError as error:
            raise BuildError(
                f"{_requirements(name).relative_to(ROOT)} could not be installed: {error}"
            ) from error
        trim(fresh / "python", (*(() if name == "runtime" else SDK), *WITHOUT.get(name, ())))
        if name == "runtime":
            keep_services(fresh / "python" / "botocore" / "data")
        if environment != "local":
            bytecode.compile_folder(fresh / "python")
        _stamp(target).unlink(missing_ok=True)
        _replace(fresh, target)
    if environment == "local":
        _pack(target)
    _stamp(target).write_text(layer.revision)
    return third_party_layer(name, environment, build=build)


def _archive(target: Path) -> Path:
    return target.with_name(f"{target.name}.zip")


def _pack(target: Path) -> None:
    """Compresses a layer of the laptop, quickly: the CDK would do it at every first deployment, and take three times as long."""
    fresh = _archive(target).with_suffix(".fresh")
    with zipfile.ZipFile(
        fresh, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False
    ) as archive:
        for path in sorted(target.rglob("*")):
            archive.write(path, path.relative_to(target))
    fresh.replace(_archive(target))


def trim(folder: Path, without: Collection[str] = ()) -> None:
    """Removes what no function runs: tests, headers, Arrow Flight, and `without`.

    Args:
        folder: the layer's `python`.
        without: names of packages, or patterns of files with their folder.
    """
    for pattern in without:
        if "/" in pattern:
            for path in folder.glob(pattern):
                path.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        unwanted = path.parent == folder and path.name in without
        if path.is_dir():
            if unwanted or path.name in TRIMMED_FOLDERS:
                shutil.rmtree(path)
        elif unwanted or any(path.match(pattern) for pattern in TRIMMED_FILES):
            path.unlink()


def keep_services(folder: Path) -> None:
    """Removes the descriptions of services that no function calls from botocore's `data`."""
    for path in folder.iterdir():
        if path.is_dir() and path.name not in SERVICES:
            shutil.rmtree(path)


def check_sizes(layers: Iterable[Layer], *, limit: int = UNZIPPED_LIMIT) -> dict[tuple[str, ...], int]:
    """The unzipped bytes of each set of layers that a function attaches, our own among them.

    Raises:
        BuildError: a set is more than Lambda takes.
    """
    known = {layer.name: layer for layer in layers}
    return {names: check_size([known[name] for name in ("millrace", *names)], limit=limit) for names in SETS}


def check_size(layers: Iterable[Layer], *, limit: int = UNZIPPED_LIMIT) -> int:
    """The unzipped bytes of all the layers together, as one function attaches them.

    Raises:
        BuildError: they are more than Lambda takes.
    """
    sizes = {layer.name: _size(layer.path) for layer in layers}
    total = sum(sizes.values())
    if total > limit:
        parts = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in sizes.items())
        raise BuildError(
            f"the layers are {total / 1e6:.0f} MB unzipped, Lambda takes {limit / 1e6:.0f}: {parts}"
        )
    return total


def main(arguments: list[str] | None = None) -> int:
    """Builds every layer of an environment and says how large they are."""
    parser = argparse.ArgumentParser(
        prog="python -m layers.build", description="Builds the layers of the functions."
    )
    parser.add_argument("--env", required=True, choices=("local", "dev", "staging", "prod"))
    environment = parser.parse_args(arguments).env
    # A stopped build ends its uv, and leaves no half of a layer behind.
    bootstrap.stop_like_ctrl_c()
    try:
        layers = [
            platform_layer(environment),
            *(install(name, environment) for name in third_party(environment)),
        ]
        sizes = check_sizes(layers)
    except (ContractError, WarehouseError) as error:
        sys.stderr.writelines(f"{line}\n" for line in located(error, ROOT))
        return 1
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"layers for {environment} in {BUILD}; a function takes {UNZIPPED_LIMIT / 1e6:.0f} MB\n")
    for names, size in sizes.items():
        sys.stdout.write(f"  {' + '.join(names)}: {size / 1e6:.0f} MB\n")
    if environment != "local" and (notice := bytecode.notice()):
        sys.stdout.write(f"{notice}\n")
    return 0


def _target(environment: str) -> str:
    return "local" if environment == "local" else "lambda"


def _requirements(name: str) -> Path:
    # What trains on the laptop is what trains in the container.
    return ROOT / ("training" if name == "training" else f"layers/{name}") / "requirements.txt"


def _lock(name: str) -> str:
    return "training.txt" if name == "training" else "layers.txt"


def _stamp(target: Path) -> Path:
    return target.with_name(f"{target.name}.stamp")


def _requirements_revision(name: str, environment: str) -> str:
    if environment == "local":
        machine = f"{sys.version_info.major}.{sys.version_info.minor} {sys.platform} {os.uname().machine}"
    else:
        machine = f"{LAMBDA_PYTHON} {LAMBDA_PLATFORM} {bytecode.state()}"
    trimmed = [*sorted(TRIMMED_FOLDERS), *TRIMMED_FILES, *SDK, *sorted(SERVICES), *WITHOUT.get(name, ())]
    lock = (bootstrap.LOCKS / _lock(name)).read_text()
    recipe = "\n".join([machine, *trimmed, _requirements(name).read_text(), lock])
    return hashlib.sha256(recipe.encode()).hexdigest()


def _source_files(folder: Path) -> list[Path]:
    skipped = {"__pycache__", "bundle"}
    return sorted(
        p for p in folder.rglob("*") if p.is_file() and not skipped & set(p.relative_to(folder).parts)
    )


def _hash_files(files: Iterable[Path], *, relative_to: Path, more: str) -> str:
    digest = hashlib.sha256(more.encode())
    for path in files:
        digest.update(os.path.relpath(path, relative_to).encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _size(folder: Path) -> int:
    archive = _archive(folder)
    if archive.is_file():
        # What is deployed; in the folder, Python leaves what it compiles when it runs from there.
        with zipfile.ZipFile(archive) as packed:
            return sum(one.file_size for one in packed.infolist())
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _read(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


def _replace(fresh: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    fresh.rename(target)


if __name__ == "__main__":
    sys.exit(main())
