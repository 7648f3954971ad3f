"""Events that waited for a contract: replayed by themselves when a deploy has brought others."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from millrace.intake.enrich import Origin
from millrace.intake.replay import Replayer
from millrace.quarantine.entry import KEPT_DAYS
from millrace.quarantine.store import Filter

CODES = ("unknown_type", "unknown_version")
PRINCIPAL = "deploy"
# What one round of a replay may take; a new one is not begun with less time left.
ROUND_SECONDS = 20.0


def replay_waiting(
    replayer: Replayer,
    orgs: Iterable[str],
    *,
    request_id: str,
    now: datetime,
    seconds_left: Callable[[], float],
    log: Callable[[str], None],
) -> dict[str, int]:
    """Replays what was refused for want of a type or a version, tenant by tenant, newest first.

    A tenant whose stores fail is logged and left as it is. Each round leaves an audit row of its tenant.

    Returns:
        `replayed` and `stillFailing` over all tenants, and `left`: for how many tenants and codes it was not finished.
    """
    report = {"replayed": 0, "stillFailing": 0, "left": 0}
    for org in orgs:
        for code in CODES:
            wanted: Filter | None = Filter(now - timedelta(days=KEPT_DAYS), now, code=code)
            while wanted is not None and seconds_left() > ROUND_SECONDS:
                origin = Origin(org, PRINCIPAL, f"{request_id}#{code}#{wanted.after}", now, kind="replay")
                try:
                    done = replayer.replay(wanted, [], origin, dry_run=False)
                except Exception as error:  # noqa: BLE001  whatever is wrong with one tenant's, the deploy goes on
                    log(f"{org}: {type(error).__name__}: {error}")
                    break
                report["replayed"] += done["replayed"]
                report["stillFailing"] += done["stillFailing"]
                wanted = replace(wanted, after=done["results"][-1]["quarantineId"]) if done["more"] else None
            report["left"] += wanted is not None
    return report
