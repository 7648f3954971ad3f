"""From anomalous hours to episodes: one for a series as long as it lasts, whatever becomes of its kind. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from millrace.anomalies.judge import ALL, Finding
from millrace.anomalies.watch import Kind

# Hours in a row without a finding after which an episode has ended.
CALM_HOURS = 3


@dataclass(frozen=True, slots=True)
class Episode:
    """An anomaly of a series from its first hour on.

    Attributes:
        key: of the series.
        kind: what was found first.
        start: first epoch hour.
        last: last epoch hour in which something was found.
        worst: the finding with the greatest score.
    """

    key: str
    kind: Kind
    start: int
    last: int
    worst: Finding

    @property
    def critical(self) -> bool:
        """Whether some hour of it was."""
        return self.worst.critical


@dataclass(frozen=True, slots=True)
class Changes:
    """What an hour changes: episodes that begin, that become critical, that go on, and that have ended."""

    begun: tuple[Episode, ...] = ()
    escalated: tuple[Episode, ...] = ()
    lasting: tuple[Episode, ...] = ()
    ended: tuple[Episode, ...] = ()

    @property
    def open(self) -> dict[str, Episode]:
        """Those that are not over, by key."""
        return {one.key: one for one in (*self.begun, *self.escalated, *self.lasting)}


def advance(
    open_: Mapping[str, Episode], hour: int, found: Iterable[Finding], *, whole: bool = True
) -> Changes:
    """What the findings of an hour make of the open episodes.

    Args:
        open_: by key.
        hour: the epoch hour; to advance an hour again changes nothing.
        found: of it.
        whole: whether it is over; before that no episode ends.
    """
    worst: dict[str, Finding] = {}
    for one in found:
        if one.key not in worst or _weight(one) > _weight(worst[one.key]):
            worst[one.key] = one
    begun = [
        Episode(key, one.kind, hour, hour, one)
        for key, one in worst.items()
        # While all keys together are an anomaly, none of them is one of its own.
        if key not in open_ and (key == ALL or ALL not in {*open_, *worst})
    ]
    escalated, lasting, ended = list[Episode](), list[Episode](), list[Episode]()
    for key, episode in open_.items():
        finding = worst.get(key)
        if finding is None:
            (ended if whole and hour - episode.last >= CALM_HOURS else lasting).append(episode)
            continue
        heavier = _weight(finding) > _weight(episode.worst)
        now = replace(episode, last=max(hour, episode.last), worst=finding if heavier else episode.worst)
        (escalated if now.critical and not episode.critical else lasting).append(now)
    return Changes(tuple(begun), tuple(escalated), tuple(lasting), tuple(ended))


def _weight(finding: Finding) -> tuple[bool, float]:
    return finding.critical, abs(finding.score)
