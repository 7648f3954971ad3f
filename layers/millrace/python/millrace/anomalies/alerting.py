"""Episodes as alerts: one when it begins, another in its place when it becomes critical, and its end. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from millrace.alerts.alert import Alert
from millrace.anomalies.episodes import Episode
from millrace.anomalies.judge import ALL, DRIFT_HOURS, SHARE_HOURS
from millrace.anomalies.watch import Kind, Watch
from millrace.core import clock

KIND = "anomaly"
RECOVERED, ESCALATED = "recovered", "escalated"
_HOURS = {Kind.SHARE: SHARE_HOURS, Kind.DRIFT: DRIFT_HOURS}
_WORDS = {
    Kind.SPIKE: "a spike",
    Kind.DROP: "a drop",
    Kind.SILENCE: "silence",
    Kind.SHARE: "another share of all",
    Kind.DRIFT: "a drift",
    Kind.ABOVE: "above its threshold",
    Kind.BELOW: "below its threshold",
}


def subject(watch: Watch, key: str) -> str:
    """`events_by_type:order.created`; of all keys together `events_by_type`."""
    return watch.aggregate if key == ALL else f"{watch.aggregate}:{key}"


def alert(org: str, watch: Watch, episode: Episode) -> Alert:
    """The alert of an episode; of one that has become critical another one."""
    worst, name = episode.worst, episode.key or "All keys together"
    begun = _moment(episode.start)
    # A critical one replaces what came before it in the same hour.
    at = _moment(worst.hour) + timedelta(seconds=1) if episode.critical else begun
    return Alert(
        org=org,
        kind=KIND,
        rule=watch.name,
        subject=subject(watch, episode.key),
        about=(str(episode.start), "critical" if episode.critical else "warning"),
        severity="critical" if episode.critical else "warning",
        title=f"{name}: {_WORDS[worst.kind]} of {watch.measure}",
        owner=watch.owner,
        at=at,
        message="".join(_sentences(episode)),
        expected=round(worst.expected, 1),
        observed=round(worst.observed, 1),
        score=round(worst.score, 1),
        window=(_moment(worst.hour + 1 - _HOURS.get(worst.kind, 1)), _moment(worst.hour + 1)),
    )


def _sentences(episode: Episode) -> Iterator[str]:
    worst = episode.worst
    hours = _HOURS.get(worst.kind, 1)
    observed, expected = (f"{round(value, 2):,.10g}" for value in (worst.observed, worst.expected))
    yield f"{observed} in {'the hour' if hours == 1 else f'{hours} hours'} up to "
    yield f"{clock.utc_text(_moment(worst.hour + 1))}, where {expected} "
    yield "is the bound." if worst.kind in (Kind.ABOVE, Kind.BELOW) else "were expected."


def _moment(hour: int) -> datetime:
    return clock.from_epoch_millis(hour * 3_600_000)
