"""P34: anomalies of a labelled month are found with precision ≥ .9 and recall ≥ .8, and better than by a fixed z-score.

`cli/seeding/volumes.py` plants spikes, drops, silences, changes of share and drifts in a month that follows on six weeks
without any. An episode that overlaps an anomaly of its series has found it; one that overlaps none is false. The peer is what
most dashboards do: more than three standard deviations from the mean of the last four weeks. Both make episodes of hours in
the same way.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from bench.figure import Figure
from cli.seeding.volumes import TYPES, WEEK, Planted, month
from millrace.anomalies.episodes import Episode, advance
from millrace.anomalies.judge import Finding
from millrace.anomalies.norms import History
from millrace.anomalies.watch import Kind, Watch

PAST_WEEKS = 6
MONTHS = 8
Z = 3.0
# Hours after an anomaly in which what looks at the last hours still sees it.
_AFTER = {Kind.SHARE: 6, Kind.DRIFT: 24}
WATCH = Watch(
    name="event_volume",
    version="1.0.0",
    description="",
    owner="",
    aggregate="events_by_type",
    measure="events",
    scores={Kind.SPIKE: 5, Kind.DROP: 5, Kind.SILENCE: 15, Kind.SHARE: 6, Kind.DRIFT: 5},
)
Hours = Sequence[dict[str, float]]
Find = Callable[[Hours], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Found:
    """How many episodes a month has, how many of them are true, and how many anomalies they find of how many."""

    episodes: int
    true: int
    found: int
    planted: int


def measure() -> list[Figure]:
    """Of several months together."""
    months = [month(number, past_weeks=PAST_WEEKS) for number in range(MONTHS)]
    ours, peer = (
        [judged(hours, planted, find) for hours, planted in months] for find in (by_season, by_z_score)
    )
    return [
        Figure("P34", "precision on labelled months", precision(ours), 0.9, at_least=True),
        Figure("P34", "recall on labelled months", recall(ours), 0.8, at_least=True),
        Figure(
            "P34",
            "precision / that of a fixed z-score of 3",
            precision(ours) / precision(peer),
            1,
            at_least=True,
        ),
        Figure("P34", "recall / that of a fixed z-score of 3", recall(ours) / recall(peer), 1, at_least=True),
        Figure("P34", "precision of a fixed z-score of 3", precision(peer), 0.9, held=False),
        Figure("P34", "recall of a fixed z-score of 3", recall(peer), 0.8, held=False),
    ]


def by_season(hours: Hours) -> list[Finding]:
    """What our own judgement finds, day by day."""
    history = History(WATCH, 0)
    return [one for start in range(0, len(hours), 24) for one in history.learn(hours[start : start + 24])]


def by_z_score(hours: Hours) -> list[Finding]:
    """What a fixed z-score finds."""
    found = []
    for key in (one.name for one in TYPES):
        values = [hour[key] for hour in hours]
        for at in range(PAST_WEEKS * WEEK, len(values)):
            if at % 24 == 0:
                past = values[at - 4 * WEEK : at]
                mean, spread = fmean(past), pstdev(past)
            score = (values[at] - mean) / spread
            if abs(score) >= Z:
                kind = Kind.SPIKE if score > 0 else Kind.DROP
                found.append(Finding(key, kind, at, values[at], mean, score, critical=False))
    return found


def judged(hours: Hours, planted: Sequence[Planted], find: Find) -> Found:
    """What of a month is found."""
    episodes = [one for one in _episodes(find(hours), len(hours)) if one.last >= PAST_WEEKS * WEEK]
    hits = [[one for one in planted if _overlap(episode, one)] for episode in episodes]
    found = {one for several in hits for one in several}
    return Found(len(episodes), sum(map(bool, hits)), len(found), len(planted))


def precision(months: Sequence[Found]) -> float:
    """The share of episodes that are true."""
    return sum(one.true for one in months) / max(sum(one.episodes for one in months), 1)


def recall(months: Sequence[Found]) -> float:
    """The share of anomalies that are found."""
    return sum(one.found for one in months) / sum(one.planted for one in months)


def _episodes(found: Iterable[Finding], hours: int) -> list[Episode]:
    by_hour: dict[int, list[Finding]] = {}
    for one in found:
        by_hour.setdefault(one.hour, []).append(one)
    open_: dict[str, Episode] = {}
    ended: list[Episode] = []
    for hour in range(hours):
        changes = advance(open_, hour, by_hour.get(hour, ()))
        ended += changes.ended
        open_ = changes.open
    return [*ended, *open_.values()]


def _overlap(episode: Episode, planted: Planted) -> bool:
    after = _AFTER.get(episode.kind, 0)
    return (
        planted.key == episode.key and episode.start < planted.end + after and episode.last >= planted.start
    )
