"""Events that waited for a contract: replayed by themselves when a deploy has brought others."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from millrace.core.errors import MillraceError
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
        `replayed` and `stillFailing` over all tenants, and `left`: tenants that time did not suffice for.
    """
    report = {"replayed": 0, "stillFailing": 0, "left": 0}
    for org in orgs:
        for code in CODES:
            until = now
            while seconds_left() > ROUND_SECONDS:
                origin = Origin(
                    org, PRINCIPAL, f"{request_id}#{code}#{until.isoformat()}", now, kind="replay"
                )
                wanted = Filter(now - timedelta(days=KEPT_DAYS), until, code=code)
                try:
                    done = replayer.replay(wanted, [], origin, dry_run=False)
                except MillraceError as error:
                    log(f"{org}: {error}")
                    break
                report["replayed"] += done["replayed"]
                report["stillFailing"] += done["stillFailing"]
                if not done["more"]:
                    break
                until = replayer.quarantine.moment(done["results"][-1]["quarantineId"])
            else:
                report["left"] += 1
    return report
