"""What is wrong with a policy is said with its file and line, before it is deployed."""

import shutil
from pathlib import Path

import pytest

from millrace.access.actions import ACTIONS
from millrace.compiler import policies
from millrace.compiler.places import located
from millrace.compiler.policies import compile_policies
from millrace.contracts.errors import ContractError
from tests.support.contracts import SCHEMAS


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SCHEMAS / policies.FOLDER, tmp_path / "schemas" / policies.FOLDER)).parent


def problems(schemas: Path) -> list[str]:
    with pytest.raises(ContractError) as caught:
        compile_policies(schemas)
    return located(caught.value, schemas.parent)


def test_the_policies_compile(schemas: Path) -> None:
    compiled = compile_policies(schemas)["policies"]
    assert set(compiled) == {"Tenant", "Dataset", "Column", "Grant"}
    found = list(policies.statements(schemas / policies.FOLDER))
    assert all(any(one.text in about for about in compiled.values()) for one in found)


def test_a_policy_is_looked_at_where_it_can_be_about_the_resource(schemas: Path) -> None:
    (schemas / policies.FOLDER / "zz.cedar").write_text(
        '@id("one")\nforbid (principal, action, resource is Tenant);\n'
        '@id("any")\nforbid (principal, action, resource)\nunless { resource is Tenant && principal is Key };\n'
    )
    compiled = compile_policies(schemas)["policies"]
    assert {kind for kind, text in compiled.items() if '@id("one")' in text} == {"Tenant"}
    assert {kind for kind, text in compiled.items() if '@id("any")' in text} == set(compiled)


def test_a_folder_without_policies_has_none(tmp_path: Path) -> None:
    assert compile_policies(tmp_path) == {"schema": "", "policies": {}}


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ('@id("x")\npermit (principal, action == Action::"events:drop", resource);', 'Action::"events:drop"'),
        (
            '@id("x")\npermit (principal in Role::"analist", action, resource);',
            'Role::"analist" does not exist',
        ),
        ('@id("x")\npermit (principal, action, resource) when { principal.age > 3 };', "attribute `age`"),
        (
            '@id("x")\npermit (principal, action, resource is Tenant) when { resource.owner == principal };',
            "owner",
        ),
        ('@id("x")\npermit (principal, action resource);', "unexpected token"),
        ("permit (principal, action, resource);", "needs one annotation @id"),
        ('@id("analyst")\npermit (principal, action, resource);', "is that of policies/roles.cedar:3"),
        ('@id("x")\npermit (principal, action, resource)', "unexpected end"),
    ],
)
def test_a_fault_is_named_with_its_line(schemas: Path, policy: str, sentence: str) -> None:
    before = '// a comment; with a semicolon\n@id("one") // "; and a quote\nforbid (principal, action, resource);\n\n'
    (schemas / policies.FOLDER / "zz.cedar").write_text(before + policy)
    found = problems(schemas)
    assert [
        line for line in found if line.startswith("schemas/policies/zz.cedar:5: ") and sentence in line
    ], found


def test_a_schema_that_does_not_parse_is_named(schemas: Path) -> None:
    (schemas / policies.FOLDER / policies.SCHEMA).write_text("entity User in [Nobody];")
    (line,) = problems(schemas)
    assert line.startswith("schemas/policies/schema.cedarschema:")
    assert "Nobody" in line


def test_every_right_is_an_action_of_the_schema(schemas: Path) -> None:
    path = schemas / policies.FOLDER / policies.SCHEMA
    path.write_text(path.read_text().replace('"audit:read", ', ""))
    assert [line for line in problems(schemas) if "has no action audit:read" in line]


def test_every_action_of_the_schema_about_a_tenant_is_a_right() -> None:
    text = (SCHEMAS / policies.FOLDER / policies.SCHEMA).read_text()
    listed = text.partition("type Asked")[2].partition("appliesTo")[0].partition("action ")[2]
    assert {name.strip().strip('"') for name in listed.split(",")} == set(ACTIONS)


def test_a_role_that_no_policy_is_about_is_named(schemas: Path) -> None:
    path = schemas / policies.FOLDER / "roles.cedar"
    path.write_text(path.read_text().replace('Role::"auditor"', 'Role::"analyst"'))
    assert problems(schemas) == ["schemas/policies: no policy is about the role auditor"]
