"""What a run's mark says is missing, in sentences. Pure."""

from collections.abc import Iterator

from millrace.runs.documents import Mark


def sentences(mark: Mark) -> Iterator[str]:
    """What was accepted before the run began and is not in it; none where everything is."""
    if total := sum(mark.not_archived.values()):
        tenants = ", ".join(f"{org} {count:,}" for org, count in mark.not_archived.items())
        least = "at least " if mark.more else ""
        yield f"{least}{total:,} accepted event{'s' if total > 1 else ''} not yet archived ({tenants})"
    if mark.unknown:
        yield f"unknown whether every accepted event is archived: {mark.unknown}"
