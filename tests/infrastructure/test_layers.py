"""How layers are assembled, trimmed, measured and found again."""

import re
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from layers import build, bytecode


def _code(tmp_path: Path) -> Path:
    source = tmp_path / "python"
    package = source / "millrace"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").write_text('VERSION = "1"\n')
    (package / "__pycache__" / "__init__.cpython-313.pyc").write_bytes(b"\0")
    return source


def test_our_layer_is_our_code_and_the_bundle(tmp_path: Path) -> None:
    layer = build.platform_layer(build=tmp_path / "build", source=_code(tmp_path))
    package = layer.path / "python" / "millrace"
    assert layer.built
    assert (package / "__init__.py").is_file()
    assert (package / "bundle" / "contracts.json").is_file()
    assert (package / "bundle" / "openapi.json").is_file()
    assert not list(layer.path.rglob("__pycache__"))


def test_it_is_made_again_only_when_something_changed(tmp_path: Path) -> None:
    source = _code(tmp_path)
    first = build.platform_layer(build=tmp_path / "build", source=source)
    marker = first.path / "python" / "made-once"
    marker.write_text("")
    # Running the code leaves compiled files behind; they are not a change.
    (source / "millrace" / "__pycache__" / "other.pyc").write_bytes(b"1")
    assert build.platform_layer(build=tmp_path / "build", source=source).revision == first.revision
    assert marker.exists()
    (source / "millrace" / "__init__.py").write_text('VERSION = "2"\n')
    second = build.platform_layer(build=tmp_path / "build", source=source)
    assert second.revision != first.revision
    assert not marker.exists()


def test_a_layer_that_was_not_built_holds_its_requirements_only(tmp_path: Path) -> None:
    layer = build.third_party_layer("lake", "dev", build=tmp_path)
    assert not layer.built
    assert [path.name for path in layer.path.iterdir()] == ["requirements.txt"]


def test_a_layer_of_another_machine_or_older_requirements_is_not_this_one(tmp_path: Path) -> None:
    local = build.third_party_layer("runtime", "local", build=tmp_path)
    aws = build.third_party_layer("runtime", "prod", build=tmp_path)
    assert local.revision != aws.revision
    (tmp_path / "runtime-lambda" / "python").mkdir(parents=True)
    (tmp_path / "runtime-lambda.stamp").write_text(local.revision)
    assert not build.third_party_layer("runtime", "prod", build=tmp_path).built
    (tmp_path / "runtime-lambda.stamp").write_text(aws.revision)
    for environment in ("dev", "staging", "prod"):
        assert build.third_party_layer("runtime", environment, build=tmp_path).built


def test_two_builds_at_once_make_a_layer_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    other = Thread(target=lambda: build.install("sketches", "local", build=tmp_path))

    def install(layer: build.Layer, name: str, environment: str, folder: Path) -> build.Layer:
        made.append(name)
        if len(made) == 1:
            other.start()
            other.join(0.2)
            assert other.is_alive(), "it waits"
        target = folder / f"{name}-local"
        (target / "python").mkdir(parents=True, exist_ok=True)
        build._archive(target).write_bytes(b"")
        build._stamp(target).write_text(layer.revision)
        return build.third_party_layer(name, environment, build=folder)

    monkeypatch.setattr(build, "_install", install)
    assert build.install("sketches", "local", build=tmp_path).built
    other.join(10)
    assert made == ["sketches"]


def test_trimming_keeps_what_the_core_of_arrow_links(tmp_path: Path) -> None:
    kept = (
        "pyarrow/libarrow_substrait.so.2600",
        "pyarrow/lib.so",
        "pyarrow/libarrow_python.so.2600",
        "pyarrow/parquet/core.py",
        "orjson/py.typed",
    )
    gone = (
        "pyarrow/tests/test_array.py",
        "pyarrow/include/arrow/api.h",
        "pyarrow/libarrow_flight.so.2600",
        "pyarrow/libarrow_python.so",
        "pyarrow/libarrow_python.so.2600.1.0",
        "pyarrow/_flight.cpython-313-aarch64-linux-gnu.so",
        "pyarrow/lib.pyx",
        "bin/normalizer",
    )
    for name in kept + gone:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    build.trim(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(kept)


def test_a_package_that_only_contains_a_trimmed_name_stays(tmp_path: Path) -> None:
    path = tmp_path / "vendor" / "boto3" / "session.py"
    path.parent.mkdir(parents=True)
    path.write_text("")
    build.trim(tmp_path)
    assert path.exists()


def test_layers_that_lambda_would_refuse_are_refused_here(tmp_path: Path) -> None:
    made = []
    for name, size in (("runtime", 600), ("lake", 401)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "module.so").write_bytes(b"\0" * size)
        made.append(build.Layer(name, tmp_path / name, built=True, revision=""))
    assert build.check_size(made, limit=1001) == 1001
    with pytest.raises(build.BuildError, match="Lambda takes"):
        build.check_size(made, limit=1000)


def test_each_set_is_measured_by_itself(tmp_path: Path) -> None:
    """Everything together is more than Lambda takes; no function attaches everything."""
    made = []
    for name in ("millrace", *build.THIRD_PARTY):
        (tmp_path / name).mkdir()
        (tmp_path / name / "module.so").write_bytes(b"\0" * 100)
        made.append(build.Layer(name, tmp_path / name, built=True, revision=""))
    sizes = build.check_sizes(made, limit=500)
    assert sizes["runtime", "lake", "iceberg", "privacy"] == 500
    assert sizes["runtime", "duckdb"] == 300
    with pytest.raises(build.BuildError, match="iceberg"):
        build.check_sizes(made, limit=499)


def test_what_another_layer_has_is_left_out(tmp_path: Path) -> None:
    for name in ("pydantic/main.py", "pyiceberg/table.py", "typing_extensions.py", "pyiceberg/pydantic/x.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    build.trim(tmp_path, ("pydantic", "typing_extensions.py"))
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"pyiceberg/table.py", "pyiceberg/pydantic/x.py"}


def built(environment: str) -> list[build.Layer]:
    made = [build.third_party_layer(name, environment) for name in build.third_party(environment)]
    missing = [layer.name for layer in made if not layer.built]
    if missing:
        pytest.skip(f"not built here: {', '.join(missing)}; make layers ENV={environment}")
    return made


@pytest.mark.parametrize("environment", ["local", "dev"])
def test_what_is_built_here_fits(environment: str) -> None:
    """Measures the layers that were built; building them needs a network and is not this test's."""
    sizes = build.check_sizes([build.platform_layer(), *built(environment)])
    assert set(sizes) == set(build.SETS)


def test_the_local_platform_takes_each_layer() -> None:
    """It asks of each layer by itself what Lambda asks of all that a function attaches."""
    for layer in built("local"):
        build.check_size([layer])


def test_what_trains_on_the_laptop_is_made_there_only() -> None:
    assert "training" in build.third_party("local")
    for environment in ("dev", "staging", "prod"):
        assert "training" not in build.third_party(environment)


@pytest.mark.parametrize("environment", ["local", "dev"])
def test_no_two_layers_of_a_function_hold_one_package(environment: str) -> None:
    """In /opt/python the later would be laid over the earlier, file by file."""
    layers = {layer.name: layer for layer in built(environment)}
    trains = [("runtime", "lake", "onnx", "training")] if environment == "local" else []
    for names in [*build.SETS, *trains]:
        seen: dict[str, str] = {}
        for name in names:
            for path in (layers[name].path / "python").iterdir():
                # What a test has run from a layer leaves its compiled files there.
                if path.suffix != ".dist-info" and path.name != "__pycache__":
                    assert seen.setdefault(path.name, name) == name, f"{path.name} in {names}"


def test_the_iceberg_layer_needs_no_more_than_it_attaches(tmp_path: Path) -> None:
    """Imports what the Iceberg workers import from their layers alone, with the boto3 that Lambda would bring."""
    layers = {layer.name: layer for layer in built("local")}
    paths = [build.platform_layer().path, *(layers[name].path for name in ("runtime", "lake", "iceberg"))]
    code = (
        "import sys\n"
        f"sys.path[:] = [p for p in sys.path if 'site-packages' not in p] + {[str(p / 'python') for p in paths]!r}\n"
        f"import importlib.util, pathlib; site = pathlib.Path({str(_site())!r})\n"
        "for name in ('boto3', 'botocore', 's3transfer', 'jmespath', 'dateutil', 'six', 'urllib3'):\n"
        "    link = pathlib.Path(sys.argv[1]) / (f'{name}.py' if name == 'six' else name)\n"
        "    link.symlink_to(site / link.name)\n"
        "sys.path.append(sys.argv[1])\n"
        "import millrace.iceberg.commit, millrace.iceberg.maintenance, pyiceberg.catalog.glue\n"
        "import pyiceberg.avro.codecs, pyiceberg.table.maintenance, rich.console, rich.table\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _site() -> Path:
    import boto3

    return Path(boto3.__file__).parents[1]


def test_only_services_that_functions_call_stay(tmp_path: Path) -> None:
    for name in ("s3/2006-03-01/service-2.json.gz", "ec2/2016-11-15/service-2.json.gz", "endpoints.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    build.keep_services(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["endpoints.json", "s3"]


def test_each_service_that_functions_call_is_in_their_layer() -> None:
    sources = [*Path("functions").rglob("*.py"), *Path("layers/millrace").rglob("*.py")]
    called = {
        name
        for path in sources
        for name in re.findall(r"(?:client|Lazy)\(\s*\"([a-z0-9-]+)\"", path.read_text())
    }
    assert {"dynamodb", "s3", "glue", "kms"} <= called <= build.SERVICES


def test_the_sdk_of_the_layer_is_whole() -> None:
    """With botocore's data cut down it still makes a client of each service, signs and resolves endpoints."""
    layer = build.third_party_layer("runtime", "local")
    if not layer.built:
        pytest.skip("not built here: make layers ENV=local")
    script = (
        "import boto3, sys\n"
        "session = boto3.Session('a', 'b', region_name='eu-west-1')\n"
        "for name in sys.argv[1:]:\n"
        "    client = session.client(name)\n"
        "    print(client.meta.endpoint_url)\n"
        "assert 'layers' in boto3.__file__, boto3.__file__\n"
    )
    command = [sys.executable, "-B", "-c", script, *sorted(build.SERVICES)]
    environ = {"PYTHONPATH": str(layer.path / "python"), "PATH": "/usr/bin"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "https://dynamodb.eu-west-1.amazonaws.com" in done.stdout.split()


@pytest.fixture
def other_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """This interpreter, in the place of Lambda's."""
    monkeypatch.setattr(bytecode, "interpreter", lambda: sys.executable)


@pytest.mark.usefixtures("other_python")
def test_for_lambda_our_layer_is_bytecode_too_and_the_same_each_time(tmp_path: Path) -> None:
    first, second = (
        build.platform_layer("prod", build=tmp_path / name, source=_code(tmp_path / name)) for name in "ab"
    )
    assert first.revision == second.revision
    (one,) = first.path.rglob("__init__.*.pyc")
    (other,) = second.path.rglob("__init__.*.pyc")
    assert one.read_bytes() == other.read_bytes()
    assert b"/opt/python/millrace/__init__.py" in one.read_bytes()
    # Bit 0 of the flags: by hash, not by time; bit 1: not compared.
    assert one.read_bytes()[4:8] == b"\x01\0\0\0"
    assert (
        build.platform_layer("local", build=tmp_path / "a", source=tmp_path / "a/python").path != first.path
    )


def test_without_lambdas_python_a_layer_is_sources_and_the_build_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bytecode, "interpreter", lambda: None)
    assert not bytecode.compile_folder(tmp_path)
    assert "every cold start compiles" in bytecode.notice()


def test_a_shim_that_has_no_python_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / f"python{bytecode.LAMBDA_PYTHON}"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    bytecode.interpreter.cache_clear()
    assert bytecode.interpreter() is None
    bytecode.interpreter.cache_clear()
