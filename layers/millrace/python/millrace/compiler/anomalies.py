"""From `schemas/anomalies/*.yaml` to what is watched (`anomalies/watch.py`). Build only."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field

from millrace.anomalies.watch import Kind
from millrace.compiler.definitions import Definitions
from millrace.compiler.sentences import meant
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.core import clock

FOLDER = "anomalies"
# Measures that are one number.
KINDS = ("count", "sum", "mean", "share", "distinct")
_EPOCH = date(1970, 1, 1)
# Each call looks through all files of the zones.
_time_zones = cache(available_timezones)
_MEANINGS = {
    "version": "a version is major.minor.patch, such as 1.2.0",
    "day": "a day is year-month-day, such as 2026-12-25",
    **dict.fromkeys(("from", "until"), "a moment is such as 2026-12-24T18:00:00Z"),
}
_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
_Text = Annotated[str, Field(min_length=1, max_length=500)]
_Score = Annotated[float | None, Field(gt=0)]
_Moment = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _Scores(_Strict):
    spike: _Score = None
    drop: _Score = None
    silence: _Score = None
    share: _Score = None
    drift: _Score = None


class _Threshold(_Strict):
    key: str = ""
    above: float | None = None
    below: float | None = None


class _Holiday(_Strict):
    day: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    name: _Text


class _Mute(_Strict):
    key: str = ""
    from_: _Moment = Field(alias="from")
    until: _Moment
    reason: _Text


class WatchDefinition(_Strict):
    """A file."""

    name: _Name
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    description: _Text
    owner: _Text
    aggregate: str
    measure: str
    scores: _Scores = _Scores()
    change: float = Field(0.3, gt=0, lt=1)
    at_least: float = Field(20, alias="atLeast", ge=0)
    time_zone: str = Field("UTC", alias="timeZone")
    thresholds: list[_Threshold] = []
    holidays: list[_Holiday] = []
    mutes: list[_Mute] = []


DEFINITIONS = Definitions(FOLDER, "watch", WatchDefinition, _MEANINGS)


def compile_watches(schemas_dir: Path, aggregates: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every watch by name, as `Watch.from_json` takes it.

    Args:
        schemas_dir: the folder with `anomalies/`.
        aggregates: that may be watched, as the bundle holds them.

    Raises:
        ContractError: with every problem of every file.
    """
    known = {one["name"]: one for one in aggregates}
    read, problems = DEFINITIONS.read(schemas_dir)
    found = []
    for file, one in read.items():
        wrong = [ContractProblem(file, *problem) for problem in _problems(one, known)]
        problems += wrong
        if not wrong:
            found.append(_compiled(one, _measure(one, known)["kind"]))
    if problems:
        raise ContractError(problems)
    return found


def _measure(one: WatchDefinition, known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    measures = known[one.aggregate]["measures"]
    return next((dict(measure) for measure in measures if measure["name"] == one.measure), {})


def _problems(one: WatchDefinition, known: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    if one.aggregate not in known:
        yield "/aggregate", f"there is no aggregate {one.aggregate}{meant(one.aggregate, known)}"
    else:
        yield from _measure_problems(one, known[one.aggregate], _measure(one, known))
    if one.time_zone not in _time_zones():
        yield (
            "/timeZone",
            f"there is no time zone {one.time_zone}{meant(one.time_zone, _time_zones())}",
        )
    if not one.thresholds and not any(one.scores.model_dump().values()):
        yield "/scores", "without a score or a threshold nothing is an anomaly"
    for at, bound in enumerate(one.thresholds):
        if bound.above is None and bound.below is None:
            yield f"/thresholds/{at}", "a threshold has a bound, above or below"
    for at, holiday in enumerate(one.holidays):
        if _day(holiday.day) is None:
            yield f"/holidays/{at}/day", f"there is no day {holiday.day}"
    for at, mute in enumerate(one.mutes):
        start, end = _hour(mute.from_), _hour(mute.until)
        if start is None or end is None or end <= start:
            yield f"/mutes/{at}", "a mute begins at a moment, and ends an hour later or more"


def _measure_problems(
    one: WatchDefinition, aggregate: Mapping[str, Any], measure: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    if not measure:
        names = [measure["name"] for measure in aggregate["measures"]]
        yield "/measure", f"{one.aggregate} measures no {one.measure}{meant(one.measure, names, listed=True)}"
    elif measure["half_life_seconds"]:
        yield (
            "/measure",
            f"{one.measure} decays, so its hours are not those of other weeks: watch one that does not",
        )
    elif measure["kind"] not in KINDS:
        yield (
            "/measure",
            f"{one.measure} is a {measure['kind']}, and what is watched is one of {', '.join(KINDS)}",
        )
    if measure.get("kind") in KINDS[1:] and one.scores.silence is not None:
        yield "/scores/silence", f"{one.measure} is a {measure['kind']}, and only counts fall silent"
    if measure.get("kind") in KINDS[2:] and one.scores.share is not None:
        yield "/scores/share", f"values of {one.measure} do not add up, so none has a share of them"
    if len(aggregate["keys"]) > 1:
        yield "/aggregate", f"{one.aggregate} has several keys, and a series has one at most"
    elif not aggregate["keys"] and any(
        [*(bound.key for bound in one.thresholds), *(mute.key for mute in one.mutes)]
    ):
        yield "/aggregate", f"{one.aggregate} has no keys, but a threshold or a mute names one"


def _compiled(one: WatchDefinition, kind: str) -> dict[str, Any]:
    return {
        "name": one.name,
        "version": one.version,
        "description": one.description,
        "owner": one.owner,
        "aggregate": one.aggregate,
        "measure": one.measure,
        "kind": kind,
        "scores": {Kind(name).value: score for name, score in one.scores.model_dump().items() if score},
        "change": one.change,
        "at_least": one.at_least,
        "zone": one.time_zone,
        "thresholds": [bound.model_dump() for bound in one.thresholds],
        "holidays": [_day(holiday.day) for holiday in one.holidays],
        "mutes": [
            {"key": mute.key, "start": _hour(mute.from_), "end": _hour(mute.until)} for mute in one.mutes
        ],
    }


def _day(text: str) -> int | None:
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        return None


def _hour(text: str) -> int | None:
    try:
        return clock.epoch(clock.parse(text)) // 3600
    except ValueError:
        return None
