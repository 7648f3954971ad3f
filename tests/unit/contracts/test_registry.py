from pathlib import Path

import pytest
import yaml

from millrace.compiler.bundle import assemble_contracts
from millrace.contracts import registry as registries
from millrace.contracts.errors import UnknownType, UnknownVersion
from millrace.contracts.registry import Registry
from millrace.core.errors import NotDeployedError
from tests.support.contracts import document, field


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """`thing.happened` in 1.4.2 and 10.0.0."""
    schemas = tmp_path_factory.mktemp("schemas")
    folder = schemas / "events/things/thing.happened"
    folder.mkdir(parents=True)
    for version, name in (("1.4.2", "note"), ("10.0.0", "text")):
        major = version.split(".")[0]
        made = {**document(field(name)), "version": version, "id": f"thing.happened.v{major}"}
        (folder / f"v{major}.yaml").write_text(yaml.safe_dump(made))
    (schemas / "dictionaries").mkdir()
    (schemas / "dictionaries/thing.happened.v1.1.zdict").write_bytes(b"one")
    (schemas / "dictionaries/thing.happened.v1.2.zdict").write_bytes(b"two")
    (schemas / "dictionaries/thing.happened.v1.10.zdict").write_bytes(b"ten")
    out = tmp_path_factory.mktemp("bundle")
    assemble_contracts(schemas, out)
    return registries.load(out)


@pytest.mark.parametrize("version", ["1", "1.0", "1.4", "1.4.2", "1.4.99", "01.04"])
def test_the_major_selects_and_older_minors_pass(registry: Registry, version: str) -> None:
    assert registry.find("thing.happened", version).ref == "thing.happened/1.4.2"


@pytest.mark.parametrize(
    "version", ["1.5", "2", "0", "0.1", "11.0.0", "", "v1", "1.4.2.0", "9" * 200, "1." + "9" * 200]
)
def test_other_versions_are_unknown(registry: Registry, version: str) -> None:
    with pytest.raises(UnknownVersion):
        registry.find("thing.happened", version)


def test_without_a_version_the_newest_major_by_number(registry: Registry) -> None:
    assert registry.find("thing.happened").version == "10.0.0"
    assert sorted(registry.majors("thing.happened")) == [1, 10]


@pytest.mark.parametrize("version", [None, "1"])
def test_other_types_are_unknown(registry: Registry, version: str | None) -> None:
    with pytest.raises(UnknownType):
        registry.find("thing.vanished", version)


def test_the_highest_dictionary_packs_and_every_one_reads(registry: Registry) -> None:
    assert registry.find("thing.happened", "1").dictionary == "thing.happened.v1.10"
    assert registry.dictionary("thing.happened.v1.10") == b"ten"
    assert registry.dictionary("thing.happened.v1.1") == b"one"
    assert registry.find("thing.happened", "10").dictionary == ""
    assert registry.dictionary("") == b""


@pytest.mark.parametrize(
    "name", ["thing.happened.v1.3", "../contracts", "../../etc/passwd", "thing.happened.v1.1\x00"]
)
def test_no_other_file_is_a_dictionary(registry: Registry, name: str) -> None:
    with pytest.raises(NotDeployedError):
        registry.dictionary(name)


def test_one_bundle_is_read_once(registry: Registry, tmp_path: Path) -> None:
    assert registry.validator(registry.find("thing.happened")) is registry.validator(
        registry.find("thing.happened")
    )
