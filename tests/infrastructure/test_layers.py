"""How layers are assembled, trimmed, measured and found again."""

from pathlib import Path

import pytest

from layers import build


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
    # Running the code leaves compiled files behind; they are no change.
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


def test_trimming_keeps_what_the_core_of_arrow_links(tmp_path: Path) -> None:
    kept = (
        "pyarrow/libarrow_substrait.so.2600",
        "pyarrow/lib.so",
        "pyarrow/parquet/core.py",
        "orjson/py.typed",
    )
    gone = (
        "pyarrow/tests/test_array.py",
        "pyarrow/include/arrow/api.h",
        "pyarrow/libarrow_flight.so.2600",
        "pyarrow/_flight.cpython-313-aarch64-linux-gnu.so",
        "pyarrow/lib.pyx",
        "boto3/session.py",
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


@pytest.mark.parametrize("environment", ["local", "dev"])
def test_what_is_built_here_fits(environment: str) -> None:
    """Measures the layers that were built; building them needs a network and is not this test's."""
    made = [build.third_party_layer(name, environment) for name in build.THIRD_PARTY]
    if not all(layer.built for layer in made):
        pytest.skip(f"the layers of {environment} are not built here: make layers ENV={environment}")
    assert build.check_size([build.platform_layer(), *made]) < build.UNZIPPED_LIMIT
