"""Lineage is what OpenLineage's own JSON Schemas say it is, facet by facet."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from millrace.catalog.lineage import RAW, Edges, all_edges, silver_edges
from millrace.catalog.openlineage import (
    Job,
    Namespace,
    PipelineRun,
    check_events,
    events,
    job_events,
    version_of,
)
from millrace.contracts.registry import Registry
from millrace.quality.results import TenantCheck
from millrace.warehouse import project

SPEC = Path(__file__).parent / "openlineage"
CORE: dict[str, Any] = json.loads((SPEC / "OpenLineage.json").read_text())
FACETS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in (SPEC / "facets").glob("*.json")
}
NAMESPACE = Namespace("dev", "lake", "arn:aws:glue:eu-west-1:123456789012")
ORDERS = "silver.order_created_v1"


def validator(schema: dict[str, Any]) -> Any:
    resources = [(CORE["$id"], CORE)]
    resources += [(one["$id"], one) for one in FACETS.values()]
    return jsonschema_rs.Draft202012Validator(
        schema, registry=jsonschema_rs.Registry(resources), validate_formats=True
    )


EVENT = validator({"$ref": f"{CORE['$id']}#/$defs/RunEvent"})


def check(event: dict[str, Any]) -> set[str]:
    """Validates an event, then each facet by the schema that it names; returns the kinds of its facets."""
    EVENT.validate(event)
    groups = [event["run"]["facets"], event["job"]["facets"]]
    for dataset in (*event["inputs"], *event["outputs"]):
        groups += [dataset.get(name, {}) for name in ("facets", "inputFacets", "outputFacets")]
    found = set()
    for group in groups:
        for name, facet in group.items():
            kind = facet["_schemaURL"].rpartition("/")[2]
            schema = FACETS[kind]
            assert facet["_schemaURL"] == f"{schema['$id']}#/$defs/{kind}"
            # Under the name that the standard gives the facet.
            assert name in schema["properties"], (name, kind)
            validator(schema).validate({name: facet})
            found.add(kind)
    return found


@pytest.fixture
def registry(bundle: Path) -> Registry:
    return Registry(bundle)


def job(registry: Registry, known: Mapping[str, Edges], name: str, inputs: Mapping[str, str | None]) -> Job:
    return Job(
        run="hourly-1",
        table=registry.tables()[name],
        name=name,
        started_at="2026-11-21T10:00:00.000Z",
        ended_at="2026-11-21T10:01:00.000Z",
        error=None,
        inputs=inputs,
        edges=known[name],
        rows=12,
        size=3400,
        snapshot=7,
        results=[
            TenantCheck("not_null(order_id)", "blocking", "pass", 0, 12),
            TenantCheck("balance", "blocking", "pass", 0, 12),
        ],
    )


def test_every_table_is_told_as_the_standard_wants(registry: Registry, bundle: Path) -> None:
    warehouse = project.load(bundle)
    known = all_edges(registry, warehouse)
    assert set(known) >= {table for table in registry.tables() if table.startswith("silver.")}
    assert {transform.full_name for transform in warehouse.transforms} <= set(known)
    for name in known:
        inputs = dict.fromkeys(known[name].inputs, "5")
        start, end = job_events(job(registry, known, name, inputs), NAMESPACE)
        check(start)
        kinds = check(end)
        assert kinds >= {
            "ColumnLineageDatasetFacet",
            "DatasetVersionDatasetFacet",
            "SchemaDatasetFacet",
            "OutputStatisticsOutputDatasetFacet",
            "ParentRunFacet",
        }
        assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
        assert start["run"]["runId"] == end["run"]["runId"]
        assert start["inputs"], name


def test_columns_of_silver_lead_to_raw(registry: Registry) -> None:
    known = all_edges(registry, project.Project((), ()))
    _, end = job_events(job(registry, known, ORDERS, {RAW: None}), NAMESPACE)
    fields = end["outputs"][0]["facets"]["columnLineage"]["fields"]
    assert fields["order_id"]["inputFields"] == [
        {
            "namespace": "s3://lake",
            "name": "raw/events",
            "field": "payload",
            "transformations": [
                {"type": "DIRECT", "subtype": "TRANSFORMATION", "description": "/data/payload/orderId"}
            ],
        }
    ]
    assert fields["user_key"]["inputFields"][0]["field"] == "user_id"
    assert fields["meta_payment_method"]["inputFields"][0]["field"] == "metadata"
    assert set(fields) == {column.name for column in registry.tables()[ORDERS].columns}


def test_every_edge_of_silver_leads_to_a_column_of_raw(registry: Registry) -> None:
    from millrace.catalog.datasets import RAW_COLUMNS

    for name, found in all_edges(registry, project.Project((), ())).items():
        sources = {field for sources in found.columns.values() for _, field in sources}
        assert sources <= set(RAW_COLUMNS), name


def test_every_edge_of_a_transform_leads_to_a_column_of_what_it_reads(
    registry: Registry, bundle: Path
) -> None:
    warehouse, tables = project.load(bundle), registry.tables()
    assert warehouse.transforms
    for transform in warehouse.transforms:
        for column, sources in all_edges(registry, warehouse)[transform.full_name].columns.items():
            assert column in {one.name for one in tables[transform.full_name].columns}
            for table, field in sources:
                assert field in {one.name for one in tables[table].columns}, (
                    transform.full_name,
                    column,
                    field,
                )


def test_derived_columns_lead_to_the_field_they_are_read_from(registry: Registry) -> None:
    contract = registry.find("transaction.created")
    found = silver_edges(contract)
    assert contract.silver
    for rule in contract.silver:
        assert found.places[rule["column"]] == rule["of"]
        assert found.columns[rule["column"]] == ((RAW, "payload"),)


def test_what_did_not_land_fails_with_its_reason(registry: Registry) -> None:
    known = all_edges(registry, project.Project((), ()))
    failed = replace(job(registry, known, ORDERS, {RAW: "a"}), error="conflict", snapshot=None, rows=0)
    _, end = job_events(failed, NAMESPACE)
    assert check(end) >= {"ErrorMessageRunFacet"}
    assert end["eventType"] == "FAIL"
    assert end["outputs"][0]["outputFacets"] == {}


def test_names_are_those_of_the_standard(registry: Registry) -> None:
    known = all_edges(registry, project.Project((), ()))
    start, _ = job_events(job(registry, known, ORDERS, {RAW: "a"}), NAMESPACE)
    (raw,), (orders,) = start["inputs"], start["outputs"]
    # https://openlineage.io/docs/spec/naming: AWS Glue and S3. Raw is in no catalog.
    assert (raw["namespace"], raw["name"], "symlinks" in raw["facets"]) == ("s3://lake", "raw/events", False)
    assert orders["namespace"] == "s3://lake"
    assert orders["facets"]["symlinks"]["identifiers"] == [
        {
            "namespace": "arn:aws:glue:eu-west-1:123456789012",
            "name": "table/millrace_dev_silver/order_created_v1",
            "type": "TABLE",
        }
    ]


def test_checks_are_a_job_that_reads_the_table(registry: Registry) -> None:
    known = all_edges(registry, project.Project((), ()))
    made = job(registry, known, ORDERS, {RAW: "a"})
    start, end = check_events(made, NAMESPACE)
    check(start)
    assert check(end) >= {"DataQualityAssertionsDatasetFacet", "DatasetVersionDatasetFacet", "ParentRunFacet"}
    assert (end["eventType"], end["outputs"]) == ("COMPLETE", [])
    assert "dataQualityAssertions" in end["inputs"][0]["inputFacets"]
    broken = [TenantCheck("not_null(order_id)", "blocking", "fail", 3, 12)]
    _, failed = check_events(replace(made, results=broken), NAMESPACE)
    assert "ErrorMessageRunFacet" in check(failed)
    assert failed["run"]["facets"]["errorMessage"]["message"] == "rows break not_null(order_id)"


@pytest.mark.parametrize("error", [None, "conflict"])
def test_the_parent_run_has_events_of_its_own(registry: Registry, error: str | None) -> None:
    known = all_edges(registry, project.Project((), ()))
    made = job(registry, known, ORDERS, {RAW: "a"})
    run = PipelineRun("hourly-1", made.started_at, made.ended_at, error)
    first, *between, last = events(run, [made], NAMESPACE)
    check(first)
    kinds = check(last)
    assert (first["eventType"], last["eventType"]) == ("START", "FAIL" if error else "COMPLETE")
    assert ("ErrorMessageRunFacet" in kinds) == bool(error)
    assert first["run"]["runId"] == last["run"]["runId"]
    assert [one["job"]["name"] for one in between] == [
        *[f"pipeline.{ORDERS}"] * 2,
        *[f"pipeline.{ORDERS}.checks"] * 2,
    ]
    for one in between:
        parent = one["run"]["facets"]["parent"]
        assert parent["run"] == parent["root"]["run"] == {"runId": first["run"]["runId"]}
        assert (
            parent["job"]
            == parent["root"]["job"]
            == {name: first["job"][name] for name in ("namespace", "name")}
        )


def test_the_same_run_says_the_same_and_another_has_other_ids(registry: Registry) -> None:
    known = all_edges(registry, project.Project((), ()))
    one = job(registry, known, ORDERS, {RAW: "a"})
    assert list(job_events(one, NAMESPACE)) == list(job_events(one, NAMESPACE))
    ids = {
        next(job_events(other, place))["run"]["runId"]
        for other, place in (
            (one, NAMESPACE),
            (replace(one, run="hourly-2"), NAMESPACE),
            (one, replace(NAMESPACE, environment="prod")),
        )
    }
    assert len(ids) == 3


def test_a_version_of_raw_does_not_depend_on_order() -> None:
    assert version_of(["a", "b"]) == version_of(["b", "a"]) != version_of(["a"])


def test_the_oracle_refuses_what_is_wrong(registry: Registry) -> None:
    known = all_edges(registry, project.Project((), ()))
    event = next(job_events(job(registry, known, ORDERS, {RAW: "a"}), NAMESPACE))
    with pytest.raises(jsonschema_rs.ValidationError):
        check({**event, "eventTime": "yesterday"})
    event["run"]["facets"]["parent"].pop("job")
    with pytest.raises(jsonschema_rs.ValidationError):
        check(event)
