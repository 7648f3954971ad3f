"""The jobs of a run as events of OpenLineage: START, then COMPLETE or FAIL, one job for each table. Pure.

Specification 2-0-2 (https://openlineage.io/spec/2-0-2/OpenLineage.json); datasets are named by its naming rules for
files in S3, and by their name in the Glue catalog as a symlink. Every id follows from the run and the job, so a run
that is published twice gives the same events.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millrace import __version__
from millrace.catalog.lineage import RAW, Edges
from millrace.contracts.columns import glue_type
from millrace.contracts.tables import LakeTable
from millrace.core.prefixes import RAW_EVENTS
from millrace.eventstore.derived_ids import event_id
from millrace.iceberg.layout import database, location
from millrace.quality.results import TenantCheck

PRODUCER = f"urn:millrace:lakehouse:{__version__}"
SCHEMA_URL = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
PIPELINE = "pipeline"
_FACETS = {
    "ColumnLineageDatasetFacet": "1-2-0",
    "DataQualityAssertionsDatasetFacet": "1-1-0",
    "DatasetVersionDatasetFacet": "1-0-1",
    "DocumentationDatasetFacet": "1-1-0",
    "ErrorMessageRunFacet": "1-0-1",
    "JobTypeJobFacet": "2-0-4",
    "OutputStatisticsOutputDatasetFacet": "1-0-2",
    "ParentRunFacet": "1-2-0",
    "SchemaDatasetFacet": "1-2-0",
    "SymlinksDatasetFacet": "1-0-1",
}
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Namespace:
    """The lake that datasets and jobs belong to: their names begin with it."""

    environment: str
    bucket: str


@dataclass(frozen=True, slots=True)
class Job:
    """What made one table in one run.

    Attributes:
        run: of the pipeline.
        table: what is made; None where no contract describes it any more.
        name: the table's full name.
        started_at: UTC text.
        ended_at: UTC text.
        error: why nothing was committed; None where it was.
        inputs: full name → version of what was read: a snapshot, or for raw a hash of the manifest rows.
        edges: where columns come from.
        rows: that the run wrote.
        size: of the files, in bytes.
        snapshot: of the table.
        results: of its checks.
    """

    run: str
    table: LakeTable | None
    name: str
    started_at: str
    ended_at: str
    error: str | None
    inputs: Mapping[str, str | None]
    edges: Edges
    rows: int
    size: int
    snapshot: int | None
    results: Sequence[TenantCheck]


def events(job: Job, namespace: Namespace) -> Iterator[Json]:
    """The job's two events, in order."""
    inputs = [_input(name, version, namespace) for name, version in job.inputs.items()]
    yield _event("START", job, namespace, inputs, [_dataset(job.name, namespace)])
    facets: Json = {}
    if job.table is not None:
        facets |= _described(job.table)
    if job.error is None:
        facets |= _lineage(job, namespace)
        written = {"rowCount": job.rows, "size": job.size}
        outputs = {"outputStatistics": _facet("OutputStatisticsOutputDatasetFacet", written)}
    else:
        outputs = {}
    if job.results:
        facets["dataQualityAssertions"] = _assertions(job.results)
    output = {**_dataset(job.name, namespace, facets), "outputFacets": outputs}
    yield _event("FAIL" if job.error else "COMPLETE", job, namespace, inputs, [output])


def version_of(parts: Iterable[str]) -> str:
    """A version for what has no snapshot: it changes exactly when a part does, in whatever order they come."""
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:32]


def _event(kind: str, job: Job, namespace: Namespace, inputs: list[Json], outputs: list[Json]) -> Json:
    jobs = f"millrace-{namespace.environment}"
    parent = {
        "run": {"runId": event_id("openlineage", namespace.environment, job.run)},
        "job": {"namespace": jobs, "name": PIPELINE},
    }
    facets = {"parent": _facet("ParentRunFacet", parent)}
    if job.error and kind == "FAIL":
        message = {"message": job.error, "programmingLanguage": "SQL"}
        facets["errorMessage"] = _facet("ErrorMessageRunFacet", message)
    kind_of_job = {"processingType": "BATCH", "integration": "MILLRACE", "jobType": "MODEL"}
    return {
        "eventType": kind,
        "eventTime": job.started_at if kind == "START" else job.ended_at,
        "producer": PRODUCER,
        "schemaURL": SCHEMA_URL,
        "run": {"runId": event_id("openlineage", namespace.environment, job.run, job.name), "facets": facets},
        "job": {
            "namespace": jobs,
            "name": f"{PIPELINE}.{job.name}",
            "facets": {"jobType": _facet("JobTypeJobFacet", kind_of_job)},
        },
        "inputs": inputs,
        "outputs": outputs,
    }


def _input(name: str, version: str | None, namespace: Namespace) -> Json:
    facets = {} if version is None else {"version": _version(version)}
    return _dataset(name, namespace, facets)


def _dataset(name: str, namespace: Namespace, facets: Json | None = None) -> Json:
    files, path = _named(name, namespace)
    layer, _, table = name.partition(".")
    identifier = {
        "namespace": f"glue:{namespace.environment}",
        "name": f"{database(namespace.environment, layer)}.{table}",
        "type": "TABLE",
    }
    known = {"symlinks": _facet("SymlinksDatasetFacet", {"identifiers": [identifier]})}
    return {"namespace": files, "name": path, "facets": {**known, **(facets or {})}}


def _named(name: str, namespace: Namespace) -> tuple[str, str]:
    """Namespace and name, as the standard names files in S3."""
    bucket = f"s3://{namespace.bucket}"
    path = (
        RAW_EVENTS.rstrip("/") if name == RAW else location(namespace.bucket, name).removeprefix(f"{bucket}/")
    )
    return bucket, path


def _described(table: LakeTable) -> Json:
    fields = [
        {"name": column.name, "type": glue_type(column.type), "description": column.description}
        for column in table.columns
    ]
    return {
        "schema": _facet("SchemaDatasetFacet", {"fields": fields}),
        "documentation": _facet("DocumentationDatasetFacet", {"description": table.description}),
    }


def _lineage(job: Job, namespace: Namespace) -> Json:
    fields = {
        column: {
            "inputFields": [_source(source, job.edges.places.get(column), namespace) for source in sources]
        }
        for column, sources in job.edges.columns.items()
        if sources
    }
    facets = {"columnLineage": _facet("ColumnLineageDatasetFacet", {"fields": fields})}
    if job.snapshot is not None:
        facets["version"] = _version(str(job.snapshot))
    return facets


def _source(source: tuple[str, str], at: str | None, namespace: Namespace) -> Json:
    files, name = _named(source[0], namespace)
    field: Json = {"namespace": files, "name": name, "field": source[1]}
    if at is not None:
        field["transformations"] = [{"type": "DIRECT", "subtype": "TRANSFORMATION", "description": at}]
    return field


def _assertions(results: Sequence[TenantCheck]) -> Json:
    assertions = []
    for result in results:
        kind, _, about = result.check.partition("(")
        column = about.rstrip(")").partition(".")[0]
        assertions.append(
            {
                "assertion": kind,
                "name": result.check,
                "success": result.status == "pass",
                "severity": "error" if result.severity == "blocking" else "warn",
                "actual": str(result.failed),
                "expected": "0",
                **({"column": column} if column else {}),
            }
        )
    return _facet("DataQualityAssertionsDatasetFacet", {"assertions": assertions})


def _version(text: str) -> Json:
    return _facet("DatasetVersionDatasetFacet", {"datasetVersion": text})


def _facet(kind: str, content: Json) -> Json:
    url = f"https://openlineage.io/spec/facets/{_FACETS[kind]}/{kind}.json#/$defs/{kind}"
    return {"_producer": PRODUCER, "_schemaURL": url, **content}
