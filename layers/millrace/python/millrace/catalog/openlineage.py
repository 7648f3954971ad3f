"""A run as events of OpenLineage: START, then COMPLETE or FAIL, of the run itself, of a job for each table and one for its checks. Pure.

Specification 2-0-2 (https://openlineage.io/spec/2-0-2/OpenLineage.json); datasets are named by its naming rules for
files in S3, and by those for the Glue catalog as a symlink. The results of checks are a facet of an input, so the checks of a table
are a job that reads it. Every id follows from the run and the job, so a run that is published twice gives the same events.
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
    """The lake that datasets and jobs belong to: their names begin with it.

    Attributes:
        environment: such as `prod`.
        bucket: the lake's.
        catalog: the Glue catalog, `arn:aws:glue:{region}:{account id}`.
    """

    environment: str
    bucket: str
    catalog: str


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """A run of the pipeline, of which jobs are parts.

    Attributes:
        run: its name.
        started_at: UTC text.
        ended_at: UTC text.
        error: why it failed; None where at least some of it was done.
    """

    run: str
    started_at: str
    ended_at: str
    error: str | None


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


def events(pipeline: PipelineRun, jobs: Iterable[Job], namespace: Namespace) -> Iterator[Json]:
    """The events of a run: its own around those of its jobs."""
    name, kind = PIPELINE, "PIPELINE"
    yield _event("START", pipeline.started_at, pipeline.run, name, kind, namespace)
    for job in jobs:
        yield from job_events(job, namespace)
        if job.results:
            yield from check_events(job, namespace)
    ended = "FAIL" if pipeline.error else "COMPLETE"
    yield _event(ended, pipeline.ended_at, pipeline.run, name, kind, namespace, error=pipeline.error)


def job_events(job: Job, namespace: Namespace) -> Iterator[Json]:
    """The two events of what made a table, in order."""
    inputs = [_input(name, version, namespace) for name, version in job.inputs.items()]
    name = f"{PIPELINE}.{job.name}"
    output = _dataset(job.name, namespace)
    yield _event("START", job.started_at, job.run, name, "MODEL", namespace, inputs=inputs, outputs=[output])
    facets: Json = {}
    if job.table is not None:
        facets |= _described(job.table)
    outputs: Json = {}
    if job.error is None:
        facets |= _lineage(job, namespace)
        written = {"rowCount": job.rows, "size": job.size}
        outputs["outputStatistics"] = _facet("OutputStatisticsOutputDatasetFacet", written)
    output = {**_dataset(job.name, namespace, facets), "outputFacets": outputs}
    yield _event(
        "FAIL" if job.error else "COMPLETE",
        *(job.ended_at, job.run, name, "MODEL", namespace),
        inputs=inputs,
        outputs=[output],
        error=job.error,
    )


def check_events(job: Job, namespace: Namespace) -> Iterator[Json]:
    """The two events of a table's checks, which read it; they fail where a blocking check does."""
    version = None if job.snapshot is None else str(job.snapshot)
    name = f"{PIPELINE}.{job.name}.checks"
    table = _input(job.name, version, namespace)
    yield _event("START", job.started_at, job.run, name, "TEST", namespace, inputs=[table])
    blocking = [one.check for one in job.results if one.status != "pass" and one.severity == "blocking"]
    checked = {**table, "inputFacets": {"dataQualityAssertions": _assertions(job.results)}}
    yield _event(
        "FAIL" if blocking else "COMPLETE",
        *(job.ended_at, job.run, name, "TEST", namespace),
        inputs=[checked],
        error=f"rows break {', '.join(blocking)}" if blocking else None,
    )


def version_of(parts: Iterable[str]) -> str:
    """A version for what has no snapshot: it changes exactly when a part does, in whatever order they come."""
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:32]


def _event(
    event_type: str,
    moment: str,
    run: str,
    name: str,
    kind: str,
    namespace: Namespace,
    *,
    inputs: Sequence[Json] = (),
    outputs: Sequence[Json] = (),
    error: str | None = None,
) -> Json:
    """An event of a job in a run.

    Args:
        event_type: `START`, `COMPLETE` or `FAIL`.
        moment: UTC text.
        run: of the pipeline.
        name: the job's; all but the pipeline are parts of it.
        kind: the type of the job.
        namespace: of jobs and datasets.
        inputs: what it reads.
        outputs: what it makes.
        error: why it failed.
    """
    jobs = f"millrace-{namespace.environment}"
    pipeline = {
        "run": {"runId": event_id("openlineage", namespace.environment, run)},
        "job": {"namespace": jobs, "name": PIPELINE},
    }
    facets: Json = {}
    own = pipeline["run"]["runId"]
    if name != PIPELINE:
        own = event_id("openlineage", namespace.environment, run, name.removeprefix(f"{PIPELINE}."))
        facets["parent"] = _facet("ParentRunFacet", {**pipeline, "root": pipeline})
    if error:
        message = {"message": error, "programmingLanguage": "SQL"}
        facets["errorMessage"] = _facet("ErrorMessageRunFacet", message)
    job_type = {"processingType": "BATCH", "integration": "MILLRACE", "jobType": kind}
    return {
        "eventType": event_type,
        "eventTime": moment,
        "producer": PRODUCER,
        "schemaURL": SCHEMA_URL,
        "run": {"runId": own, "facets": facets},
        "job": {
            "namespace": jobs,
            "name": name,
            "facets": {"jobType": _facet("JobTypeJobFacet", job_type)},
        },
        "inputs": [*inputs],
        "outputs": [*outputs],
    }


def _input(name: str, version: str | None, namespace: Namespace) -> Json:
    facets = {} if version is None else {"version": _version(version)}
    return _dataset(name, namespace, facets)


def _dataset(name: str, namespace: Namespace, facets: Json | None = None) -> Json:
    files, path = _named(name, namespace)
    known: Json = {}
    # Raw is files alone: the catalog has no table of them.
    if name != RAW:
        layer, _, table = name.partition(".")
        identifier = {
            "namespace": namespace.catalog,
            "name": f"table/{database(namespace.environment, layer)}/{table}",
            "type": "TABLE",
        }
        known["symlinks"] = _facet("SymlinksDatasetFacet", {"identifiers": [identifier]})
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
