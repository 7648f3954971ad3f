"""`millrace protect`: rewrites what was stored before fields were protected and users were numbers. Needs rights to AWS."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import RefusedError, UsageError
from cli.options import Env, Json
from cli.output import complain, counted, err, out, print_json
from cli.target import find_target

if TYPE_CHECKING:
    from cli.protecting.counts import Counts
    from cli.protecting.run import Protecting
    from cli.target import Target


def protect(
    org: Annotated[str, typer.Option("--org", help="Only this tenant.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be rewritten and change nothing.")
    ] = False,
    rate: Annotated[
        int, typer.Option("--rate", min=1, max=10_000, help="Rows that are rewritten in a second at most.")
    ] = 200,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Rewrite what was stored in clear before fields were protected and users were numbers.

    Rows of Events with their pointers, online features, alerts, and raw are rewritten in place, as intake would store them now; the
    next run of the pipeline makes silver again. A run that ended goes on where it was.
    """
    from cli import operators
    from millrace.core.table import Table

    target = find_target(env)
    work = _work(target, org, rate, is_dry=dry_run)
    orgs = work.orgs()
    if org and org not in orgs:
        raise UsageError(f"raw has nothing of a tenant {org}; millrace tenants list shows them")
    if not dry_run:
        metadata = Table(target.client("dynamodb"), target.output("MetadataTable"))
        for one in [org] if org else orgs:
            operators.audit(metadata, one, "privacy.protect", {"rate": rate})
    with err.status("reading …") as status:

        def progress(stage: str, counts: "Counts") -> None:
            status.update(f"{stage}: {counts.rewritten} of {counted(counts.rows, 'row')}")

        done = work.run(progress)
    if as_json:
        print_json({"dryRun": dry_run, **{name: asdict(counts) for name, counts in done.items()}})
    else:
        for name, counts in done.items():
            verb = "are in clear" if dry_run else "rewritten"
            out.print(f"{name}: {counts.rewritten} of {counted(counts.rows, 'row')} {verb}", markup=False)
        if days := done["raw"].days:
            out.print(f"silver of {counted(days, 'tenant-day')} is made again by the next run: millrace etl")
    left = sum(one.unreadable + one.changed_meanwhile for one in done.values())
    if left or done["raw"].old_days:
        complain(
            f"{counted(left, 'row')} stayed as they were: run it again, or see docs/protection.md; "
            f"of {counted(done['raw'].old_days, 'tenant-day')} silver cannot be made again"
        )
        raise typer.Exit(RefusedError.exit_code)


def _work(target: "Target", org: str, rate: int, *, is_dry: bool) -> "Protecting":
    from cli.commands.rebuild import _registry
    from cli.protecting.alerts import AlertRows
    from cli.protecting.raw import RawObjects
    from cli.protecting.rewriter import Rewriter
    from cli.protecting.run import Protecting
    from cli.protecting.table import EventRows
    from cli.protecting.users import FeatureRows, PointerRows
    from millrace.core.objects import Objects
    from millrace.core.table import Table
    from millrace.eventstore.codec import Codec
    from millrace.eventstore.tenant_key import WrappedTenantKeys
    from millrace.people.erasure import GROUPS
    from millrace.privacy import tenant_secrets
    from millrace.privacy.subjects import Subjects

    dynamodb, registry = target.client("dynamodb"), _registry()

    def table(name: str) -> Table:
        return Table(dynamodb, target.output(f"{name}Table"), attempts=11)

    metadata, lake = table("Metadata"), Objects(target.client("s3"), target.output("LakeBucket"))
    keys = WrappedTenantKeys(
        metadata, target.client("kms"), target.output("TenantKeyId"), use=tenant_secrets.USE
    )
    rewriter = Rewriter(registry, Subjects(table("SubjectKeys"), keys))
    return Protecting(
        events=EventRows(table("Events"), rewriter, Codec(registry.dictionary), is_dry=is_dry),
        pointers=PointerRows(table("UserEvents"), rewriter, is_dry=is_dry),
        features=FeatureRows(table("FeatureStore"), rewriter, GROUPS, is_dry=is_dry),
        alerts=AlertRows(table("Analytics"), rewriter, is_dry=is_dry),
        raw=RawObjects(lake, metadata, rewriter, is_dry=is_dry),
        lake=lake,
        org=org,
        rate=rate,
        is_dry=is_dry,
    )
