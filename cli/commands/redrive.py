"""`millrace redrive`: feeds failed batches and dead letters to their consumer once the cause is fixed."""

from typing import Annotated

import typer

from cli.errors import RefusedError, UsageError
from cli.options import Env, Json
from cli.output import complain, counted, err, out, print_json
from cli.target import deployed_function, find_target

SHOWN = 5
# A consumer may take two minutes for a batch. Each is called once; the objects that remain are what is left to do.
READ_SECONDS = 150


def redrive(
    function: Annotated[
        str, typer.Argument(help="A consumer, such as archive_events, or its function.", metavar="FUNCTION")
    ],
    dead_letters: Annotated[
        bool,
        typer.Option(
            "--dead-letters", help="Feed its dead letters instead of the batches that grew too old."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be fed and change nothing.")
    ] = False,
    parallel: Annotated[int, typer.Option("--parallel", min=1, max=32, help="How many calls at once.")] = 4,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Feed failed batches (or dead letters) to the function that failed on them; what succeeds moves to redriven/."""
    from cli.redrive import Redrive, RedriveResult
    from millrace.core.objects import Objects
    from millrace.eventstore.consumers import CONSUMERS, named

    target = find_target(env)
    host = next((consumer.function for consumer in named(function) if consumer.redrivable), None)
    if host is None:
        names = ", ".join(consumer.name for consumer in CONSUMERS if consumer.redrivable)
        raise UsageError(f"{function} is not a consumer of a stream; the consumers are {names}")
    redrive_ = Redrive(
        Objects(target.client("s3"), target.output("LakeBucket")),
        target.client("lambda", read_seconds=READ_SECONDS, attempts=1),
        stem=function,
        function=deployed_function(target, host),
    )
    with err.status("listing …"):
        keys = redrive_.dead_letters() if dead_letters else redrive_.failed_batches()
    failures: list[RedriveResult] = []
    done = 0
    with err.status(f"0 of {len(keys)} …") as status:

        def progress(result: RedriveResult) -> None:
            nonlocal done
            done += 1
            status.update(f"{done} of {len(keys)} …")
            if result.reason is not None:
                failures.append(result)

        feed = redrive_.feed_dead_letter if dead_letters else redrive_.feed_batch
        total = redrive_.run(keys, redrive_.count if dry_run else feed, parallel=parallel, progress=progress)
    what = "dead letter" if dead_letters else "failed batch"
    if as_json:
        print_json({"rows": total["rows"], "different": total["different"], "batches": total["batches"]})
    elif not keys:
        out.print(f"There is nothing to redrive: no {what} of {function}.")
    else:
        verb = "would be fed" if dry_run else "fed"
        out.print(
            f"{counted(total['rows'], 'record')} of {counted(len(keys), 'object')} {verb}, {total['different']} failed again"
        )
    for failed in failures[:SHOWN]:
        err.print(f"{failed.key}: {failed.reason}", markup=False)
    if failures:
        complain(f"{counted(total['different'], 'record')} failed again and left in place")
        raise typer.Exit(RefusedError.exit_code)
